"""FSDP for a frozen backbone: its layers are sharded over the ranks, what is trained is whole on each of them.

Lightning's FSDPStrategy and ModelParallelStrategy would make sharded checkpoints, whose optimiser state no other
strategy can load. Here nothing that is trained is sharded, so a checkpoint is the same file whatever strategy wrote it.
"""

from collections.abc import Iterator
from typing import Any, cast

import torch
import torch.distributed as dist
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.optim import Optimizer

from ptv2.backbone import Backbone
from ptv2.config.schema import Config
from ptv2.errors import UserError
from ptv2.methods import method_of
from ptv2.model.module import PromptModule

UNEVEN = {"prefill_chunk_size": None, "guidance_scale": 1, "assistant_early_exit": None}
"""Settings of `generate` with which ranks call the backbone unequally often -> the value that asks for nothing."""


class ShardedStrategy(DDPStrategy):
    """FSDP2: every rank holds a part of each frozen layer, and gathers a layer while it computes with it."""

    def model_to_device(self) -> None:
        """Shard layer by layer, then move the rest: the device never holds the whole backbone."""
        module = cast(PromptModule, self.lightning_module)
        whole = module.method.read_outside()
        for stack, index in layers(module.backbone):
            stack[index] = self.shard(stack[index], whole)
        module.backbone.sharded = True
        module.to(self.root_device)

    def shard(self, layer: nn.Module, whole: set[nn.Parameter]) -> nn.Module:
        """Shard the parameters of a layer, except those that stay `whole`."""
        mesh = init_device_mesh(self.root_device.type, (self.world_size,))
        # Each layer is a root to torch, which would leave it gathered after the forward pass unless told otherwise.
        return cast(nn.Module, fully_shard(layer, mesh=mesh, reshard_after_forward=True, ignored_params=whole))

    def configure_ddp(self) -> None:
        """Wrap nothing: gradients are averaged in `backward`."""

    def backward(self, closure_loss: Tensor, optimizer: Optimizer | None, *args: Any, **kwargs: Any) -> Tensor:
        """Run Lightning's backward, then average the gradients over the ranks before a callback sees them.

        Where several batches make a step, the sum of those before is the same on all ranks: its average is itself.
        """
        module = self.lightning_module
        assert module is not None  # connected before training
        closure_loss = self.precision_plugin.pre_backward(closure_loss, module)
        self.precision_plugin.backward(closure_loss, module, optimizer, *args, **kwargs)
        average_gradients([p for p in module.parameters() if p.requires_grad])
        return self.precision_plugin.post_backward(closure_loss, module)

    def teardown(self) -> None:
        """Tear down as ModelParallelStrategy does: a sharded model stays where it is."""
        for part in (self.cluster_environment, self.precision_plugin, self.accelerator):
            if part is not None:
                part.teardown()


class FSDP1Strategy(ShardedStrategy):
    """The same with FSDP1, whose wrapper makes one flat parameter of a layer."""

    def shard(self, layer: nn.Module, whole: set[nn.Parameter]) -> nn.Module:
        """Wrap the layer."""
        return FrozenLayer(layer, device_id=self.root_device, ignored_states=whole)


class FrozenLayer(FullyShardedDataParallel):
    """A layer of which no rank saves anything, and that is a root of its own."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the layer. FSDP1 would keep a root gathered until its backward pass, and has no setting against it."""
        from torch.distributed.fsdp._runtime_utils import _reshard  # not public, so only FSDP1 would miss it

        states = super().forward(*args, **kwargs)
        _reshard(self, self._handle, free_unsharded_flat_param=True)
        return states

    def state_dict(self, *args: Any, destination: Any = None, **kwargs: Any) -> Any:
        """Return nothing: rank zero alone may ask for it, and could not gather it."""
        return {} if destination is None else destination


def check_shardable(config: Config, strategy: str) -> None:
    """Refuse what trains frozen layers, hides them from torch, or calls them more often on one rank than on another.

    Raises:
        UserError: at the first of them.
    """
    refused = [] if method_of(config).shardable else [f"method: {config.method_name}"]
    refused += ["backbone.compile"] if config.backbone.compile else []
    refused += ["backbone.quantize"] if config.backbone.quantize else []
    for name, card in config.tasks.items():
        settings = card.options.get("generation") or {}
        uneven = [key for key, plain in UNEVEN.items() if settings.get(key) not in (None, plain)]
        refused += [f"tasks.{name}.options.generation.{key}" for key in uneven]
    for where in refused[:1]:
        raise UserError(f"cannot be used with trainer.strategy {strategy}", where=where, do="use ddp")


def layers(backbone: Backbone) -> Iterator[tuple[nn.ModuleList, int]]:
    """List the blocks that hold the backbone's attention, each as its list and its index there.

    One whose weights were drawn at random is kept whole.
    """
    attention = {id(site.module) for site in backbone.sites}
    blocks = [(name, part) for name, part in backbone.model.named_modules() if isinstance(part, nn.ModuleList)]
    for name, stack in blocks:
        if any(name.startswith(f"{outer}.") for outer, _ in blocks):
            continue
        for index, block in enumerate(stack):
            fresh = any(weight.startswith(f"{name}.{index}.") for weight in backbone.fresh)
            if not fresh and any(id(part) in attention for part in block.modules()):
                yield stack, index


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
