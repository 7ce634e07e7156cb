"""Which layers get a prompt: the values of `prompt.layers`."""

from dataclasses import dataclass
from typing import Literal

from ptv2.errors import UserError


@dataclass(frozen=True)
class Layers:
    """A parsed choice of layers, for a backbone of any depth."""

    kind: Literal["all", "top", "bottom", "list"]
    count: int = 0  # K of top:K and bottom:K
    numbers: tuple[int, ...] = ()  # of a list

    def of(self, depth: int) -> list[int]:
        """List the layer numbers, in order, in a backbone of `depth` layers.

        Raises:
            UserError: the backbone does not have them.
        """
        if self.kind == "all":
            return list(range(depth))
        if self.kind == "list" and max(self.numbers) < depth:
            return list(self.numbers)
        if self.kind != "list" and self.count <= depth:
            return list(range(depth - self.count, depth) if self.kind == "top" else range(self.count))
        spec = list(self.numbers) if self.kind == "list" else f"{self.kind}:{self.count}"
        do = f"use all, top:K or bottom:K with K in 1..{depth}, or a list of layers 0..{depth - 1}"
        raise UserError(
            f"'{spec}' does not name layers of a backbone with {depth} layers", where="prompt.layers", do=do
        )


def parse_layers(spec: object) -> Layers:
    """Parse `prompt.layers`.

    Raises:
        UserError: neither `all`, `top:K` or `bottom:K`, nor a list of layer numbers.
    """
    if spec == "all":
        return Layers("all")
    if isinstance(spec, str):
        end, _, count = spec.partition(":")
        if end in ("top", "bottom") and count.isascii() and count.isdigit() and int(count) > 0:
            return Layers(end, count=int(count))
    if isinstance(spec, list) and spec and all(type(layer) is int and layer >= 0 for layer in spec):
        return Layers("list", numbers=tuple(sorted(set(spec))))
    do = "use all, top:K, bottom:K or a list of layer numbers, e.g. [0,3]"
    raise UserError(f"'{spec}' does not name layers", where="prompt.layers", do=do)
