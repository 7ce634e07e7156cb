"""Unions: several methods that train together, `method: [deep, lora]`.

The backbone gets what all of them give, joined field by field; two that fill the same field exclude each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from ptv2.backbone import Backbone, Injection, InputPrompt, SitePrompt
from ptv2.config.schema import Config, PromptConfig
from ptv2.errors import UserError
from ptv2.methods.base import Artifacts, Method
from ptv2.methods.prompt import OF_LAYERS

FIELDS = {
    "key_BGPD": "keys and values",
    "value_BGPE": "keys and values",
    "seen_BP": "keys and values",
    "gate": "a gate",
    "token_gate_BPW": "a token gate",
    "query_map_BHDD": "a map of the queries",
    "value_map_BGEE": "a map of the values",
    "memory": "a memory",
    "slots": "slots of the feed-forward layers",
}
"""What a `SitePrompt` holds, in words."""


class Union(Method):
    """Methods as submodules, each by its name: on disk their tensors are `prompt.<method>.*`."""

    methods: ClassVar[dict[str, type[Method]]] = {}

    def __init__(self, config: Config, backbone: Backbone, artifacts: Artifacts | None = None):
        super().__init__(config, backbone, artifacts)
        for name, method in self.methods.items():
            self.add_module(name, method(replace(config, method=name), backbone, artifacts))
        with torch.no_grad(), torch.random.fork_rng(devices=[]):  # what excludes each other is refused now
            self(1)

    @classmethod
    def check(cls, config: Config) -> None:
        super().check(config)
        if config.prompt.ensemble > 1:
            do = "set it to 1, or use method=prompt alone"
            raise UserError("an ensemble of prompts trains alone", where="prompt.ensemble", do=do)
        usual, layered = PromptConfig(), any(method.takes_forms for method in cls.methods.values())
        for name, method in cls.methods.items():
            if method.alone:
                raise UserError(f"'{name}' {method.alone}", where="method", do="name it alone, or leave it out")
            prompt = config.prompt if method.has_prompts else replace(config.prompt, init="normal")
            if layered and not method.takes_forms:  # keys of prompts in layers are another's
                prompt = replace(prompt, **{key: getattr(usual, key) for key in OF_LAYERS})
            method.check(replace(config, method=name, prompt=prompt))

    @property
    def parts(self) -> list[Method]:
        """The methods, in their order."""
        return [part for part in self.children() if isinstance(part, Method)]

    @property
    def prompted(self) -> Method | None:
        return next((part for part in self.parts if part.has_prompts), None)

    def learn_labels(self, names: Mapping[str, Sequence[str]]) -> None:
        for part in self.parts:
            part.learn_labels(names)

    def forward(self, batch: int, task: int | Tensor = 0) -> Injection:
        return joined({name: part(batch, task) for name, part in self.named_children()})

    def trained(self) -> list[nn.Parameter]:
        return [parameter for part in self.parts for parameter in part.trained()]

    def shared(self) -> list[nn.Parameter]:
        return [parameter for part in self.parts for parameter in part.shared()]

    def positions(self) -> int:
        return sum(part.positions() for part in self.parts)

    def read_outside(self) -> set[nn.Parameter]:
        return {parameter for part in self.parts for parameter in part.read_outside()}

    def exported(self) -> dict[str, Tensor]:
        held = {name: part.exported() for name, part in zip(self.methods, self.parts, strict=True)}
        return {f"{name}.{key}": tensor for name, own in held.items() for key, tensor in own.items()}

    def shapes(self) -> list[tuple[str, str]]:
        return [shape for part in self.parts for shape in part.shapes()]


def union_of(methods: Mapping[str, type[Method]]) -> type[Union]:
    """Make the class of a union, whose flags follow from those of its methods."""

    class Made(Union):
        has_prompts = any(method.has_prompts for method in methods.values())
        trains_backbone = any(method.trains_backbone for method in methods.values())
        trains_all = any(method.trains_all for method in methods.values())
        shardable = all(method.shardable for method in methods.values())
        cacheable = all(method.cacheable for method in methods.values())
        words = " and ".join(method.words for method in methods.values() if method.words)

    Made.methods = dict(methods)
    return Made


def joined(given: Mapping[str, Injection]) -> Injection:
    """Join what several methods give the backbone.

    Args:
        given: by the method's name.

    Raises:
        UserError: two give the same.
    """
    sites: list[SitePrompt | None] = [None] * max(len(injection.sites) for injection in given.values())
    inputs: InputPrompt | None = None
    by: dict[str, str] = {}  # field -> the method that gives it

    def claim(field: str, name: str, words: str) -> None:
        if by.setdefault(field, name) != name:
            what = f"'{by[field]}' and '{name}' both give {words}, so they exclude each other"
            raise UserError(what, where="method", do="use one of them")

    for name, injection in given.items():
        if injection.inputs is not None:
            claim("inputs", name, "vectors at the input")
            inputs = injection.inputs
        for index, prompt in enumerate(injection.sites):
            if prompt is None:
                continue
            own = {f.name: held for f in fields(prompt) if (held := getattr(prompt, f.name)) is not None}
            for field in own:
                claim(f"{field} {index}", name, FIELDS[field])
            sites[index] = replace(sites[index] or SitePrompt(), **own)
    return Injection(sites if any(site is not None for site in sites) else (), inputs)
