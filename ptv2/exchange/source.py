"""An artifact joined to its backbone, as exports read it: one task's prompt and head."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ptv2.artifact.artifact import Artifact
from ptv2.backbone import Backbone, Injection, Site, SitePrompt
from ptv2.errors import UserError
from ptv2.kinds.head import Head
from ptv2.methods.peft import Lora
from ptv2.methods.prompt import SoftPrompt
from ptv2.methods.union import Union
from ptv2.model.cards import choose_task
from ptv2.model.predictor import Predictor


@dataclass
class Source:
    """What is exported, and what is said of it."""

    predictor: Predictor
    task: str
    notes: list[str] = field(default_factory=list)

    @property
    def artifact(self) -> Artifact:
        return self.predictor.artifact

    @property
    def path(self) -> Path:
        return self.artifact.path

    @property
    def backbone(self) -> Backbone:
        return self.predictor.backbone

    @property
    def head(self) -> Head:
        return self.predictor.module.head(self.task)

    @property
    def positions(self) -> int:
        """Position of the first real token: P where the artifact was trained so, else 0."""
        return self.predictor.module.method.positions()

    def injection(self) -> Injection:
        """Return what the backbone gets of the task's prompt, for a batch of any size."""
        module = self.predictor.module
        with torch.no_grad():
            return module.method(1, module.numbers[self.task])

    def probe(self, tokens: int = 6) -> dict[str, Tensor]:
        """Make two rows of tokens, the second shorter, to compare two models on."""
        config = self.backbone.model.config
        ids = [i for i in range(config.vocab_size) if i not in self.backbone.tokenizer.all_special_ids][:tokens]
        mask_2T = torch.ones(2, len(ids), dtype=torch.long)
        mask_2T[1, len(ids) // 2 :] = 0
        pad = cast(int, self.backbone.tokenizer.pad_token_id or 0)
        ids_2T = torch.tensor([ids, ids[::-1]]).masked_fill(mask_2T == 0, pad)
        return {"input_ids": ids_2T, "attention_mask": mask_2T}


def source_of(artifact: str | Path, task: str | None, **settings: Any) -> Source:
    """Read an artifact to be exported.

    Args:
        artifact: a run folder, or its `prompt/` folder.
        task: which of several.
        settings: of `Predictor`.

    Raises:
        UserError: it cannot be used, or holds several tasks and none is named.
    """
    predictor = Predictor(artifact, **settings)
    return Source(predictor, choose_task(predictor.tasks, task, str(predictor.artifact.path)))


@dataclass
class KeysValues:
    """The keys and values of one site's prompt, with its own head count and widths."""

    site: Site
    key_GPD: Tensor
    value_GPE: Tensor

    @property
    def length(self) -> int:
        return self.key_GPD.shape[1]


def keys_values(source: Source, form: str) -> list[KeysValues]:
    """Return the keys and values of each prompted site.

    Args:
        source: read.
        form: that is exported to, for messages.

    Raises:
        UserError: a prompt that is more, or other, than keys and values.
    """
    injection = source.injection()
    if injection.inputs is not None or not injection.sites:
        holds = "one prefix, prompt at the input or LoRA" if form == "peft" else "keys and values alone"
        what = f"holds method '{source.artifact.about['method']}', and form '{form}' holds {holds}"
        raise UserError(what, where=source.path, do=_form_of(source, injection))
    method = source.predictor.module.method
    if isinstance(method, Union) and (others := [part.words for part in method.parts if not part.has_prompts]):
        what = f"{' and '.join(others)} were trained beside the prompt, and form '{form}' has no room"
        raise UserError(what, where=source.path, do="use ptv2.load, or export an artifact of method deep or prefix")
    for prompt in injection.sites:
        if prompt is not None and (why := _beside(prompt)):
            words = "+".join(source.artifact.prompt_config().forms)
            what = f"has form '{words}', and {why}, which form '{form}' cannot hold"
            raise UserError(what, where=source.path, do="use --form transformers for slots and values, or ptv2.attach")
    return [
        KeysValues(site, prompt.key_BGPD[0].float(), prompt.value_BGPE[0].float())
        for site, prompt in zip(source.backbone.sites, injection.sites, strict=True)
        if prompt is not None and prompt.key_BGPD is not None and prompt.value_BGPE is not None
    ]


def _form_of(source: Source, injection: Injection) -> str:
    """Advise on a form for a method without keys and values."""
    method = source.predictor.module.method
    if isinstance(method, (SoftPrompt, Lora)):
        return "use --form peft"
    parts = method.parts if isinstance(method, Union) else [method]
    if injection.inputs is not None or any(part.in_layers for part in parts):
        return "use ptv2.load"
    return "use --form transformers: it is plain weights"


def one_length(source: Source, held: list[KeysValues], form: str) -> int:
    """Return P of a decoder's every layer.

    Raises:
        UserError: not a decoder, or layers that differ.
    """
    family, lengths = source.backbone.model.config.model_type, {kv.length for kv in held}
    if any(site.place != "decoder" for site in source.backbone.sites):
        what = f"{form} is for decoders, and family '{family}' is none"
        raise UserError(what, where=source.path, do="use --form kv")
    if len(held) < len(source.backbone.sites) or len(lengths) > 1:
        what = f"{form} has as many positions in every layer, and here they differ"
        do = "train with prompt.layers=all and one prompt.length, or use --form kv"
        raise UserError(what, where=source.path, do=do)
    return lengths.pop()


def _beside(prompt: SitePrompt) -> str | None:
    """Say what a prompt is beside keys and values."""
    if prompt.gate is not None and not bool((prompt.gate == 1).all()):
        return "its gate scales the attention to the prompt"
    parts = {
        "its token gate weighs the positions by the text": prompt.token_gate_BPW,
        "a memory stands beside the softmax": prompt.memory,
        "slots are neurons of the feed-forward layer": prompt.slots,
        "a map changes the values": prompt.value_map_BGEE,
        "a map changes the queries": prompt.query_map_BHDD,
    }
    return next((why for why, part in parts.items() if part is not None), None)
