"""Keys for a cache that counts the prompt's positions: rotary ones are turned by P.

A prompt that was trained without `prompt.position_offset` stands in front of tokens that begin at position 0. A cache
of P positions lets them begin at P, and their queries are turned by as much: (R_{t+P} q) . (R_P k) = (R_t q) . k, so
keys turned by P are read as before.

Shapes: G key/value heads, P prompt positions, T tokens, D width of a key, R of which positions turn.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ptv2.backbone import Observation
from ptv2.backbone.families import position_table
from ptv2.errors import UserError
from ptv2.exchange.source import KeysValues, Source

GROWING = ("dynamic", "longrope")  # their frequencies change with the length of a text
CLOSE = 1e-3  # of keys turned here and by the model in float32


def half_turned(states: Tensor) -> Tensor:
    """Turn pairs (i, i + R/2) by a quarter, as Llama's layout has them."""
    first, second = states.chunk(2, dim=-1)
    return torch.cat([-second, first], dim=-1)


def pairs_turned(states: Tensor) -> Tensor:
    """Turn pairs (2i, 2i + 1) by a quarter, as GPT-J's and GGUF's layout has them."""
    return torch.stack([-states[..., 1::2], states[..., ::2]], dim=-1).flatten(-2)


Turn = Callable[[Tensor], Tensor]


def rotated(key_GPD: Tensor, cos_R: Tensor, sin_R: Tensor, turn: Turn = half_turned) -> Tensor:
    """Rotate keys by the angles whose cosines and sines are given, in their precision; widths beyond R stay."""
    turning, rest = key_GPD.split([len(cos_R), key_GPD.shape[-1] - len(cos_R)], dim=-1)
    return torch.cat([turning * cos_R + turn(turning) * sin_R, rest], dim=-1)


def for_cache(source: Source, held: list[KeysValues]) -> list[KeysValues]:
    """Return keys and values as a cache of P positions has them, with tokens from position P on.

    Raises:
        UserError: the family's positions do not allow it.
    """
    (P,) = {kv.length for kv in held}
    _check_windows(source)
    if source.positions:
        return held
    family, where = source.backbone.model.config.model_type, source.path
    seen = dict(zip(map(id, source.backbone.sites), source.backbone.observe(torch.ones(P + 1).long()), strict=True))
    if _tables(seen[id(held[0].site)]) is None:
        if position_table(source.backbone.model) is not None:
            what = f"was trained with tokens from position 0, and a cache lets those of family '{family}' begin at {P}"
            raise UserError(what, where=where, do="train it with prompt.position_offset=true")
        what = f"family '{family}' counts distances, and a prompt that is no part of the text has none"
        raise UserError(what, where=where, do="use ptv2.attach, or another family")
    scaling = _scaling(source)
    if scaling in GROWING:
        what = f"rotary scaling '{scaling}' changes with the length of a text, so keys cannot be turned for a cache"
        raise UserError(what, where=where, do="train it with prompt.position_offset=true")
    turned = [_turned(kv, seen[id(kv.site)], P) for kv in held]
    if None in turned:
        what = f"the rotary layout of family '{family}' is not known, so keys cannot be turned for a cache"
        raise UserError(what, where=where, do="train it with prompt.position_offset=true")
    source.notes.append(f"keys are turned by {P} positions: tokens begin at {P}, the prompt was trained for 0")
    return [kv for kv in turned if kv is not None]


def _turned(kv: KeysValues, seen: Observation, P: int) -> KeysValues | None:
    """Turn one site's keys by P, in the layout that gives the keys which the model made of one token at 0 and at P."""
    tables = _tables(seen)
    if tables is None:
        return None
    at_0, at_P = seen.call.key_BGSD[0, :, :1].double(), seen.call.key_BGSD[0, :, P:].double()
    (cos0, sin0), (cos, sin) = ([table[0, i].double().cpu() for table in tables] for i in (0, P))
    length = (cos0**2 + sin0**2).sqrt().clamp(min=1e-12)  # attention scaling of some variants
    cos, sin = (cos * cos0 + sin * sin0) / length**2, (sin * cos0 - cos * sin0) / length**2
    half = len(cos) // 2
    in_pairs = [table[:half].repeat_interleave(2) for table in (cos, sin)]
    layouts: list[tuple[Tensor, Tensor, Turn]] = [
        (cos, sin, half_turned),
        (cos, sin, pairs_turned),
        (in_pairs[0], in_pairs[1], pairs_turned),
    ]
    for layout in layouts:
        if (rotated(at_0, *layout) - at_P).abs().max() <= CLOSE * at_P.abs().max():
            return KeysValues(kv.site, rotated(kv.key_GPD.double(), *layout).float(), kv.value_GPE)
    return None


def _tables(seen: Observation) -> tuple[Tensor, Tensor] | None:
    """Find the cosines and sines [1, T, R] that the model gave to the site's module."""
    for given in (*seen.args, *seen.kwargs.values()):
        if isinstance(given, tuple) and len(given) == 2 and all(isinstance(t, Tensor) and t.dim() == 3 for t in given):
            return given
    return None


def _scaling(source: Source) -> str:
    """Name the kind of rotary scaling; of several, one that grows."""
    given = getattr(source.backbone.model.config, "rope_parameters", None) or {}
    kinds = [given] if "rope_type" in given else [part for part in given.values() if isinstance(part, dict)]
    names = [part.get("rope_type", "default") for part in kinds]
    return next((name for name in names if name in GROWING), names[0] if names else "default")


def _check_windows(source: Source) -> None:
    """Refuse layers whose window slides over a prefix in the cache, while the prompt is seen by every query."""
    config = source.backbone.model.config
    kinds = getattr(config, "layer_types", None) or ["sliding_attention" if _window(config) else "full_attention"]
    if "sliding_attention" in kinds or "chunked_attention" in kinds:
        what = f"family '{config.model_type}' has a sliding window, which leaves a prefix in the cache behind"
        raise UserError(what, where=source.path, do="use ptv2.attach, where every query sees the prompt")


def _window(config: object) -> int | None:
    return getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
