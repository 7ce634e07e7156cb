"""Sites: the attention modules of a backbone that can take a prompt, found by running it once.

Nothing is read from a config: a probe of a few tokens records which module called the attention function, in which
order, and with keys and values of which shape. So layer numbers are the order of execution, grouped-query heads count
as they arrive, and encoder, decoder and cross attention are told apart by the lengths they see.
"""

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ptv2.backbone.attention import REGISTERED
from ptv2.backbone.deberta import reroute
from ptv2.backbone.families import PROMPTABLE, unshare_layers
from ptv2.backbone.injection import PLACE, Call, Injection, Place, PromptState
from ptv2.errors import UserError

SOURCE_LENGTH, TARGET_LENGTH = 3, 2  # of the probe: they differ, so that cross attention shows


@dataclass
class Observation:
    """One attention call of a bare run, and how the calling module was called."""

    call: Call
    hidden_BTD: Tensor  # the states that the module makes keys and values of
    args: tuple  # its other arguments: masks, rotary tables, ...
    kwargs: dict[str, Any]


@dataclass
class Site:
    """One attention module and the shapes that reach it."""

    module: nn.Module
    place: str  # encoder | decoder | cross
    layer: int  # within its place, in the order of execution
    heads: int  # H, of the queries
    kv_heads: int  # G, of the keys and values
    key_dim: int  # D of a key
    value_dim: int  # D of a value
    width: int  # of the hidden states that the module makes keys and values of
    own_keys: bool = True  # false where it uses the keys and values of an earlier layer (Gemma 4)

    @property
    def vector_width(self) -> int:
        """Numbers that one prompt position needs here: a key and a value for every head."""
        return self.kv_heads * (self.key_dim + self.value_dim)


def install(model: PreTrainedModel, kernel: str) -> tuple[list[Site], PromptState]:
    """Route the model's attention through the prompted function and find its sites.

    Raises:
        UserError: the family does not use transformers' attention interface.
    """
    family = model.config.model_type
    own_interface = reroute(model)
    if not own_interface and not model._can_set_attn_implementation():
        raise UserError(
            f"backbone family '{family}' does not use transformers' attention interface, so it cannot be prompted",
            where="backbone.name",
            do=f"families that can: {', '.join(PROMPTABLE)}, and any other that uses the interface",
        )
    kernel = supported_kernel(model, kernel)
    if not own_interface:
        unshare_layers(model)
        model.set_attn_implementation(REGISTERED[kernel])
    state = PromptState()
    for module in model.modules():
        setattr(module, PLACE, Place(state))

    sites = _sites_from(model, observe(model, state, _probe_inputs(model)))
    used = {id(site.module) for site in sites}
    if not sites or len(used) != len(sites):
        why = "never called the attention function" if not sites else "runs one attention module at several depths"
        raise UserError(f"backbone family '{family}' {why}, so it cannot be prompted", where="backbone.name")
    for module in model.modules():
        delattr(module, PLACE)
    for index, site in enumerate(sites):
        setattr(site.module, PLACE, Place(state, index))
    return sites, state


def supported_kernel(model: PreTrainedModel, kernel: str) -> str:
    """Choose the kernel asked for, or `eager` where the family has no other: SDPA has no soft caps and no sinks."""
    if kernel != "sdpa" or model._supports_sdpa:
        return kernel
    family = model.config.model_type
    warnings.warn(f"backbone family '{family}' has no SDPA in transformers; its attention runs as eager", stacklevel=2)
    return "eager"


@torch.inference_mode(False)  # what is seen here (rotary tables) is used again where gradients flow
@torch.no_grad()
def observe(model: PreTrainedModel, state: PromptState, inputs: dict[str, Tensor]) -> list[Observation]:
    """Run the bare model once, in eval mode, and note every attention call in order."""
    latest: dict[nn.Module, tuple[tuple, dict[str, Any]]] = {}
    seen: list[Observation] = []

    def note(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        latest[module] = (args, kwargs)

    def record(call: Call) -> None:
        args, kwargs = latest[call.module]
        hidden_BTD, rest = (args[0], args[1:]) if args else (kwargs["hidden_states"], ())
        if kwargs.get("key_value_states") is not None:  # cross attention projects the encoder's states
            hidden_BTD = kwargs["key_value_states"]
        others = {name: value for name, value in kwargs.items() if name not in ("hidden_states", "past_key_values")}
        seen.append(Observation(call, hidden_BTD, rest, others))

    hooks = [
        module.register_forward_pre_hook(note, with_kwargs=True) for module in model.modules() if hasattr(module, PLACE)
    ]
    with evaluating(model), state.use(Injection()), state.recording(record):
        model.forward(**inputs, **without_cache(model))  # not the compiled call: this graph would be used once
    for hook in hooks:
        hook.remove()
    return seen


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Run the block in eval mode; behind it each module is in the mode that it was in, which may not be one for all."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _sites_from(model: PreTrainedModel, observations: list[Observation]) -> list[Site]:
    sites: list[Site] = []
    counts: dict[str, int] = {}
    made: set[int] = set()  # where keys lie in memory; the observations hold them all
    for seen in observations:
        call = seen.call
        queries, keys = call.query_BHTD.shape[2], call.key_BGSD.shape[2]
        if model.config.is_encoder_decoder:
            place = {(SOURCE_LENGTH,) * 2: "encoder", (TARGET_LENGTH,) * 2: "decoder"}.get((queries, keys), "cross")
        else:
            place = "decoder" if getattr(call.module, "is_causal", False) else "encoder"
        _, kv_heads, _, key_dim = call.key_BGSD.shape
        layer = counts[place] = counts.get(place, -1) + 1
        heads, value_dim, width = call.query_BHTD.shape[1], call.value_BGSE.shape[-1], seen.hidden_BTD.shape[-1]
        own_keys = call.key_BGSD.data_ptr() not in made
        made.add(call.key_BGSD.data_ptr())
        sites.append(Site(call.module, place, layer, heads, kv_heads, key_dim, value_dim, width, own_keys))
    return sites


def _probe_inputs(model: PreTrainedModel) -> dict[str, Tensor]:
    device = next(model.parameters()).device
    ids = torch.ones(1, SOURCE_LENGTH, dtype=torch.long, device=device)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = ids[:, :TARGET_LENGTH]
    return inputs


def without_cache(model: nn.Module) -> dict[str, bool]:
    """Make the argument that keeps a model from filling a cache, for the families that have one."""
    return {"use_cache": False} if takes(model, "use_cache") else {}


def takes(module: nn.Module, argument: str) -> bool:
    """Tell whether the module's forward has an argument of that name."""
    return argument in inspect.signature(module.forward).parameters


def takes_positions(model: nn.Module) -> bool:
    """Tell whether the model reads positions from outside; DeBERTa without a table has the argument and ignores it."""
    return takes(model, "position_ids") and getattr(model.config, "position_biased_input", True)
