"""Form `transformers`: what is trained becomes plain weights, in a folder that transformers loads without ptv2.

Slots are P more neurons of each feed-forward layer (a larger `intermediate_size`), a map of the values or queries is
multiplied into the layer that makes them, and LoRA's product is added. Keys and values in attention and a memory beside
it are no weights of the model: they are refused.

Shapes: P neurons, W width of the hidden states, N neurons of a layer, H heads, D head width.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.pytorch_utils import Conv1D

from ptv2.backbone import SitePrompt
from ptv2.backbone.linear_layers import NAMES, is_linear
from ptv2.errors import UserError
from ptv2.exchange.neurons import with_neurons
from ptv2.exchange.peft import close, read_by
from ptv2.exchange.plain import plain_config, plain_model
from ptv2.exchange.source import Source
from ptv2.methods import methods_named
from ptv2.methods.peft import Adapted, Lora
from ptv2.methods.union import Union


def write_transformers(source: Source, folder: Path) -> None:
    """Write the model and its tokenizer, once both models compute the same.

    Raises:
        UserError: what is trained cannot be written as weights; the reason is said.
    """
    prompts = _mergeable(source)
    config = plain_config(source)
    weights = {name: weight.clone() for name, weight in source.backbone.model.state_dict().items()}
    _merge_lora(source, weights)
    for index, prompt in enumerate(prompts):
        if prompt is not None:
            _merge_map(source, index, "query", prompt.query_map_BHDD, weights)
            _merge_map(source, index, "value", prompt.value_map_BGEE, weights)
    if any(prompt is not None and prompt.slots is not None for prompt in prompts):
        slots = [prompt.slots if prompt is not None else None for prompt in prompts]
        with_neurons(source.backbone, slots, config, weights, source.path)
    _write(source, config, weights, folder)


def _mergeable(source: Source) -> list[SitePrompt | None]:
    """Return the prompt of each site, all of which are weights.

    Raises:
        UserError: one that is not.
    """
    do, config = "use ptv2.attach", source.predictor.config
    if config.backbone.quantize:
        do = "export with backbone.quantize=null"
        raise UserError("its backbone is quantised, and weights are merged in full", where=source.path, do=do)
    for name, method in methods_named(config.method).items():
        if method.in_layers:
            what = f"method '{name}' has {method.in_layers}, which no plain weights hold"
            raise UserError(what, where=source.path, do="use lora")
    injection = source.injection()
    if injection.inputs is not None:
        what = f"method '{config.method_name}' puts vectors at the input, and form 'transformers' holds weights alone"
        raise UserError(what, where=source.path, do="use ptv2.load")
    for prompt in injection.sites:
        if prompt is None:
            continue
        if prompt.key_BGPD is not None:
            what, do = (
                "keys and values in attention are positions, not weights",
                "use --form peft or kv, or ptv2.attach",
            )
            raise UserError(f"{what}, and form 'transformers' holds weights alone", where=source.path, do=do)
        if prompt.memory is not None:
            what = "a memory is read by the queries beside the softmax, and no weight of a plain model is"
            raise UserError(what, where=source.path, do=do)
    return list(injection.sites) or [None] * len(source.backbone.sites)


def _merge_map(source: Source, index: int, role: str, map_BHDD: Tensor | None, weights: dict[str, Tensor]) -> None:
    """Multiply a map of each head into the layer that makes the queries or values: W becomes (I + M)^T W.

    Raises:
        UserError: there is no such layer.
    """
    if map_BHDD is None:
        return
    site, names = source.backbone.sites[index], _names(source.backbone.model)
    inside = dict(site.module.named_modules())
    found = [name for name in (*NAMES[role], *NAMES["query_key_value"]) if is_linear(inside.get(name))]
    if not found:
        what = f"no layer that makes the {role} was found in {type(site.module).__name__}"
        raise UserError(what, where=source.path, do="use ptv2.attach")
    layer = inside[found[0]]
    name = names[layer]
    plus_one_HDD = map_BHDD[0].double() + torch.eye(map_BHDD.shape[-1], dtype=torch.double)
    rows = plus_one_HDD.shape[0] * plus_one_HDD.shape[1]
    weight = _out_in(layer, weights[f"{name}.weight"]).double()
    at = slice(0, rows) if role == "query" else slice(len(weight) - rows, None)  # of a layer that makes all three
    heads = weight[at].unflatten(0, plus_one_HDD.shape[:2])
    weight[at] = (plus_one_HDD.mT @ heads).flatten(0, 1)
    weights[f"{name}.weight"] = _out_in(layer, weight).to(weights[f"{name}.weight"].dtype).contiguous()
    if (bias := weights.get(f"{name}.bias")) is not None:
        mapped = bias.double()
        mapped[at] = (mapped[at].unflatten(0, plus_one_HDD.shape[:2])[:, None] @ plus_one_HDD).flatten()
        weights[f"{name}.bias"] = mapped.to(bias.dtype)


def _out_in(layer: nn.Module, weight: Tensor) -> Tensor:
    """Turn a weight to [out, in], or back: GPT-2 stores [in, out]."""
    return weight.T if isinstance(layer, Conv1D) else weight


def _names(model: nn.Module) -> dict[nn.Module, str]:
    return {module: name for name, module in model.named_modules()}


def _merge_lora(source: Source, weights: dict[str, Tensor]) -> None:
    """Add alpha / rank * B A to each layer that has them."""
    method, lora = source.predictor.module.method, source.predictor.config.lora
    for part in method.parts if isinstance(method, Union) else [method]:
        if not isinstance(part, Lora):
            continue
        for name, adapted in part.layers.named_modules():
            if isinstance(adapted, Adapted):
                held: Any = adapted
                product = lora.alpha / lora.rank * (held.B.detach().double() @ held.A.detach().double())
                layer = source.backbone.model.get_submodule(name)
                before = weights[f"{name}.weight"]
                weights[f"{name}.weight"] = (before.double() + _out_in(layer, product)).to(before.dtype)


def _write(source: Source, config: PretrainedConfig, weights: dict[str, Tensor], folder: Path) -> None:
    model, _ = plain_model(source, config, weights)
    probe = source.probe()
    if config.is_encoder_decoder:
        probe["labels"] = probe["input_ids"]
    with torch.no_grad():
        theirs, real = model(**probe), probe["attention_mask"].bool()
        ours = read_by(source, probe, theirs)
    got = theirs.logits if hasattr(theirs, "logits") else getattr(theirs, "last_hidden_state", None)
    if got is None:
        got = torch.stack([theirs.start_logits, theirs.end_logits], -1)
    at = real if got.dim() == 3 else slice(None)
    difference = float((got.float() - ours)[at].abs().max())
    if not difference <= close(model) * float(ours[at].abs().max().clamp(min=1)):
        what = (
            f"family '{config.model_type}' has layers that these forms do not merge into (difference {difference:.1e})"
        )
        raise UserError(what, where=source.path, do="use ptv2.attach")
    source.notes.append(f"checked: largest difference {difference:.1e}")
    model.save_pretrained(folder)
    source.backbone.tokenizer.save_pretrained(folder)
