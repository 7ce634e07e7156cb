"""A frozen backbone whose linear layers hold 8 or 4 bits for each weight; what is trained stays float32.

Embeddings, norms and biases stay as they are, and so do the output layer of a language model, whose errors would be
those of the logits, and weights that were drawn at random, which an artifact holds. With int4, so do layers of which
transformers asks that they stay float32, as T5's `wo`, because models read the dtype of their weight. It saves memory,
not time.

int8 is torchao's, int4 is bitsandbytes' NormalFloat, on any device. Both are tested on CPUs; int4 has not run on a GPU.

Shapes: B batch, T tokens, I input width, O output width.
"""

import importlib.util
import os
from collections.abc import Collection
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from ptv2.errors import UserError

PACKAGES = {"int8": "torchao", "int4": "bitsandbytes"}


def check_quantize(kind: str) -> None:
    """Refuse a kind of quantisation that this machine cannot do.

    Raises:
        UserError: its package is not installed.
    """
    package = PACKAGES[kind]
    if importlib.util.find_spec(package) is None:
        what = f"{kind} needs {package}, which is not installed"
        raise UserError(what, where="backbone.quantize", do="run: pip install 'ptv2[quantize]'")


def quantize(model: PreTrainedModel, kind: str, fresh: Collection[str] = ()) -> int:
    """Quantise the model's linear layers in place; for int4, move the model to this process's GPU if it has one.

    Returns how many weights are in none of its parameters any more.

    Args:
        model: frozen from here on, its weights in the dtype to compute in.
        kind: `int8` or `int4`.
        fresh: names of weights that stay as they are.
    """
    quantized = {"int8": Int8Linear, "int4": _int4}[kind]
    output = model.get_output_embeddings()
    whole = set(model._keep_in_fp32_modules or ()) if kind == "int4" else set()
    kept = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding) or module is output}
    made: dict[int, nn.Module] = {}
    before = sum(weight.numel() for weight in model.parameters())
    for name, layer in list(model.named_modules(remove_duplicate=False)):
        if type(layer) not in (nn.Linear, Conv1D) or id(layer.weight) in kept or f"{name}.weight" in fresh:
            continue
        if whole & {*name.split(".")}:
            continue
        if id(layer) not in made:
            made[id(layer)] = quantized(_linear(layer))
        model.set_submodule(name, made[id(layer)])
    if kind == "int4":  # bitsandbytes quantises on the way to a device
        nn.Module.to(model, f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu")
    return before - sum(weight.numel() for weight in model.parameters())


def _linear(layer: nn.Module) -> nn.Linear:
    """Make a plain linear layer of GPT-2's, whose weight is transposed."""
    if isinstance(layer, nn.Linear):
        return layer
    transposed: Any = layer
    made = nn.Linear(transposed.nx, transposed.nf, device="meta")
    made.weight = nn.Parameter(transposed.weight.detach().T.contiguous(), requires_grad=False)
    made.bias = transposed.bias
    return made


class Int8Linear(nn.Linear):
    """A linear layer with torchao's int8 weight: symmetric, a scale for each output.

    The weight is held as the plain tensors that it consists of, which DDP can broadcast, and joined when it is used.
    """

    def __init__(self, layer: nn.Linear):
        from torchao.quantization import (  # pyright: ignore[reportMissingImports] - an extra
            Int8WeightOnlyConfig,
            quantize_,
        )

        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        quantize_(layer, Int8WeightOnlyConfig(set_inductor_config=False))
        weight: Any = layer.weight
        self._kind = type(weight)
        self._parts, self._about = weight.__tensor_flatten__()
        for name in self._parts:
            self.register_buffer(name, getattr(weight, name))
        self.bias = layer.bias

    @property
    def weight(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The quantised weight [O, I]."""
        parts = {name: getattr(self, name) for name in self._parts}
        return self._kind.__tensor_unflatten__(parts, self._about, None, None)

    def forward(self, states_BTI: Tensor) -> Tensor:
        """Compute states [B, T, O]."""
        return _Multiply.apply(states_BTI, self.weight, self.bias)


class _Multiply(torch.autograd.Function):
    """The linear function of a quantised weight, which is dequantised again in the backward pass.

    torchao's own would keep a dequantised copy of each weight from the forward pass on: more than the plain weights.
    """

    @staticmethod
    def forward(ctx: Any, states_BTI: Tensor, weight_OI: Any, bias_O: Tensor | None) -> Tensor:
        ctx.weight_OI = weight_OI
        return F.linear(states_BTI, weight_OI, bias_O)

    @staticmethod
    def backward(ctx: Any, gradient_BTO: Tensor) -> tuple[Tensor, None, None]:
        return gradient_BTO @ ctx.weight_OI.dequantize(gradient_BTO.dtype), None, None


def _int4(layer: nn.Linear) -> nn.Module:
    """Make bitsandbytes' linear layer with 4-bit NormalFloat weights, which are quantised once it is moved."""
    from bitsandbytes.nn import Linear4bit, Params4bit  # pyright: ignore[reportMissingImports]

    settings = {"compute_dtype": layer.weight.dtype, "quant_type": "nf4"}
    made = Linear4bit(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta", **settings)
    made.weight = Params4bit(layer.weight.detach(), requires_grad=False, quant_type="nf4")
    made.bias = layer.bias
    made.support_avx512bf16_for_cpu = False  # its layout for inference has no backward pass
    return made
