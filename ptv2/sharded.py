"""FSDP2 for a frozen backbone: its layers are sharded over the ranks, what is trained is whole on each of them.

Lightning's ModelParallelStrategy would make sharded checkpoints, whose optimiser state no other strategy can load. Here
nothing that is trained is sharded, so a checkpoint is the same file whatever strategy wrote it.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.optim import Optimizer

from ptv2.config import Config
from ptv2.errors import UserError


class ShardedStrategy(DDPStrategy):
    """Every rank holds a part of each frozen layer, and gathers a layer while it computes with it."""

    def model_to_device(self) -> None:
        """Shard layer by layer, then move the rest: the device never holds the whole backbone."""
        mesh = init_device_mesh(self.root_device.type, (self.world_size,))
        for layer in layers(self.lightning_module.backbone):
            fully_shard(layer, mesh=mesh)
        self.lightning_module.to(self.root_device)

    def configure_ddp(self) -> None:
        """Nothing is wrapped: gradients are averaged in `backward`."""

    def backward(self, closure_loss: Tensor, optimizer: Optimizer | None, *args: Any, **kwargs: Any) -> Tensor:
        """As Lightning's, with the gradients averaged over the ranks before a callback sees them.

        Where several batches make a step, the sum of those before is the same on all ranks: its average is itself.
        """
        closure_loss = self.precision_plugin.pre_backward(closure_loss, self.lightning_module)
        self.precision_plugin.backward(closure_loss, self.lightning_module, optimizer, *args, **kwargs)
        average_gradients([p for p in self.lightning_module.parameters() if p.requires_grad])
        return self.precision_plugin.post_backward(closure_loss, self.lightning_module)

    def teardown(self) -> None:
        """As ModelParallelStrategy's: a sharded model stays where it is."""
        self.cluster_environment.teardown()
        self.precision_plugin.teardown()
        self.accelerator.teardown()


def check_shardable(config: Config, generating: bool) -> None:
    """Refuse what reads or trains a frozen layer's weights outside of the layer's own forward pass.

    Raises:
        UserError: at the first of them.
    """
    for found, where in (
        (config.method == "full", "method: full"),
        (config.prompt.form == "hidden", "prompt.form: hidden"),
        (config.backbone.compile, "backbone.compile"),
        (generating, "a generating task"),
    ):
        if found:
            raise UserError("cannot be used with trainer.strategy fsdp2", where=where, do="use ddp")


def layers(backbone: nn.Module) -> Iterator[nn.Module]:
    """The blocks of the backbone that hold its attention; one whose weights were drawn at random is kept whole."""
    attention = {id(site.module) for site in backbone.sites}
    blocks = [(name, part) for name, part in backbone.model.named_modules() if isinstance(part, nn.ModuleList)]
    for name, stack in blocks:
        if any(name.startswith(f"{outer}.") for outer, _ in blocks):
            continue
        for index, block in enumerate(stack):
            fresh = any(weight.startswith(f"{name}.{index}.") for weight in backbone.fresh)
            if not fresh and any(id(part) in attention for part in block.modules()):
                yield block


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the ranks; one that no rank has stays None, as on a single device."""
    used = torch.tensor([p.grad is not None for p in parameters], dtype=torch.float32, device=parameters[0].device)
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([used, *(grad.flatten().float() for grad in grads)])
    dist.all_reduce(flat)
    used, *means = flat.split([len(parameters), *(p.numel() for p in parameters)])
    for parameter, mean, ranks in zip(parameters, means, used.tolist(), strict=True):
        if ranks:
            parameter.grad = (mean / dist.get_world_size()).view_as(parameter).to(parameter.dtype)
