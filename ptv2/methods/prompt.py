"""Method `prompt`: vectors in front of the token embeddings, at the input layer alone.

Prompt Tuning (Lester et al. 2021): P vectors train, everything else is frozen but the heads. Beside it, Residual Prompt
Tuning (arXiv 2305.03937), whose vectors are P + MLP(P), and prompt ensembling (Lester et al., section 6): k prompts for
one task read each batch in one pass, each learns from its own loss, and their answers are joined.

Shapes: B batch, K prompts of an ensemble, N tasks in the batch, P prompt positions, W width of an embedding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, cast

import torch
from torch import Tensor, nn

from ptv2.artifact.artifact import Artifact
from ptv2.backbone import Backbone, Injection, InputPrompt, space_before
from ptv2.config.keys import WIDTH
from ptv2.config.schema import Config, PromptConfig
from ptv2.errors import UserError
from ptv2.methods.base import Artifacts
from ptv2.methods.deep.init import artifact_vectors, text_ids, vocab_ids
from ptv2.methods.deep.vectors import DirectVectors, ResidualVectors
from ptv2.methods.rates import studied
from ptv2.methods.vectors import VectorMethod

OF_LAYERS = ("layers", "form", "memory", "projection", "gate", "token_gate", "norm", "position_offset")
"""Keys of `prompt` that say something about prompts in layers."""


class SoftPrompt(VectorMethod):
    """The learned prompt at the input, for one task or several.

    Args:
        config: `prompt` says length, sharing, init and ensemble.
        backbone: gives the width and the token embeddings that a prompt may start from.
        artifacts: those that `prompt.init` names.

    Raises:
        UserError: an init that cannot be.
    """

    at_the_input = True
    rate = studied(0.03, 1e-2, 1e-1, "conll2004 | prompt | span_f1 | 0.610 ± 0.003")

    def __init__(self, config: Config, backbone: Backbone, artifacts: Artifacts | None = None):
        super().__init__(config, backbone, artifacts)
        self.copies = self.config.ensemble
        self.embeddings = [cast(nn.Module, backbone.model.get_input_embeddings())]  # a list: no submodule of the method
        self.tokenizer, self.space = backbone.tokenizer, space_before(backbone.tokenizer)
        self.lengths = [self.length(config)] * self.copies
        self.widths = [int(cast(Any, self.embeddings[0]).weight.shape[1])] * self.copies
        self._hold(backbone)
        self._freeze_shared()

    @classmethod
    def check(cls, config: Config) -> None:
        super().check(config)
        plain = {f.name: getattr(PromptConfig(), f.name) for f in fields(PromptConfig)}
        for key in OF_LAYERS:
            if getattr(config.prompt, key) != plain[key]:
                what = f"is for prompts in layers, and method '{config.method_name}' has one at the input"
                raise UserError(what, where=f"prompt.{key}", do="leave it out, or use method=deep")
        if config.prompt.sharing == "keys":
            what = (
                f"'keys' shares the keys of prompts in layers, and method '{config.method_name}' has one at the input"
            )
            raise UserError(what, where="prompt.sharing", do="use shared, task or shared+task")
        if config.prompt.residual and config.prompt.start.earlier:
            what = f"changes vectors from the first step on, and prompt.init is {config.prompt.init}"
            raise UserError(what, where="prompt.residual", do="use one of them")
        cls.length(config)

    @staticmethod
    def length(config: Config) -> int:
        """Return P.

        Raises:
            UserError: it is not one positive whole number.
        """
        length = config.prompt.length
        if type(length) is not int or not WIDTH.holds(length):
            what = f"is '{length}', and method '{config.method_name}' has one prompt, at the input"
            raise UserError(what, where="prompt.length", do="use a whole number, from 1 to 65,536")
        return length

    def positions(self) -> int:
        return self.lengths[0]

    def _new_vectors(self, backbone: Backbone, task: str | None = None) -> nn.Module:
        if self.config.start.kind == "artifact":
            vectors_PW = artifact_vectors(self.config, backbone, self.artifacts, task, self.misfit)
        else:
            vectors_PW = [self._start(backbone, size) for size in zip(self.lengths, self.widths, strict=True)]
        return ResidualVectors(vectors_PW, self.config.residual) if self.config.residual else DirectVectors(vectors_PW)

    def _start(self, backbone: Backbone, size: tuple[int, int]) -> Tensor:
        """Draw or look up the vectors [P, W] that training starts from."""
        start, P = self.config.start, size[0]
        if start.kind == "normal":
            return torch.randn(size) * self.config.init_std
        if start.kind == "uniform":
            return torch.rand(size) - 0.5
        if start.kind in ("zero", "retrieve", "labels"):  # the last two are filled later: they are not known here
            return torch.zeros(size)
        ids_P = vocab_ids(P, backbone) if start.text is None else text_ids(start.text, P, backbone)
        return self._embedded(ids_P)

    @torch.no_grad()
    def _embedded(self, ids_P: Tensor) -> Tensor:
        embeddings = self.embeddings[0]
        return embeddings(ids_P.to(next(embeddings.parameters()).device)).float().cpu()

    @torch.no_grad()
    def learn_labels(self, names: Mapping[str, Sequence[str]]) -> None:
        """Start from the tasks' labels, cycled; one of several tokens is the mean of their embeddings (section 3.2).

        Raises:
            UserError: a task without labels.
        """
        if self.config.start.kind != "labels":
            return
        for task, labels in names.items():
            if not labels:
                what = f"task '{task}' has no labels to start from"
                raise UserError(what, where="prompt.init", do="use vocab, or text:<words>")
        tasks = self.own.items() if self.config.sharing == "task" else [(None, self.rows)]
        for task, module in tasks:
            words = list(dict.fromkeys(label for name in names if task in (None, name) for label in names[name]))
            ids = [self.tokenizer(self.space + word, add_special_tokens=False)["input_ids"] for word in words]
            if not all(ids):
                what = f"the label '{words[ids.index([])]}' has no tokens to start from"
                raise UserError(what, where="prompt.init", do="use vocab, or text:<words>")
            means = torch.stack([self._embedded(torch.tensor(one)).mean(0) for one in ids])
            for vector_PW in cast(DirectVectors, module).rows:
                vector_PW.copy_(means[torch.arange(len(vector_PW)) % len(means)])

    def misfit(self, artifact: Artifact, vectors_PF: Sequence[Tensor]) -> tuple[str, str] | None:
        asked = [tuple(size) for size in zip(self.lengths, self.widths, strict=True)]
        held = [tuple(vector_PF.shape) for vector_PF in vectors_PF]
        if held == asked:
            return None
        has = f"{len(held)} of {held[0]}" if held else "none"
        what = f"holds prompt vectors of other shapes ({has}) than the config asks for ({len(asked)} of {asked[0]})"
        return what, "start from a prompt at the input, of the same prompt.length and prompt.ensemble"

    def forward(self, batch: int, task: int | Tensor = 0) -> Injection:
        """Return the vectors in front of each row; the copies of a batch that an ensemble reads follow each other."""
        present, pick_B = self._present(task)
        vectors_KNPW = torch.stack([torch.stack(of_tasks) for of_tasks in zip(*present, strict=True)])
        if pick_B is not None:
            vectors_KNPW = vectors_KNPW[:, pick_B]
        if self.copies > 1:
            vectors_KNPW = vectors_KNPW.expand(-1, batch, -1, -1)
        return Injection(inputs=InputPrompt(self._dropped(vectors_KNPW.flatten(0, 1), batch * self.copies)))

    def shapes(self) -> list[tuple[str, str]]:
        sizes = zip(self.lengths, self.widths, strict=True)
        return [(f"input layer, prompt {i} [P,W]", str(size)) for i, size in enumerate(sizes)]
