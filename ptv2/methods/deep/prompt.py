"""Method `deep`: a learned prompt in every chosen layer, in one of several forms or a union of them.

P-Tuning v2 (Liu et al. 2022, section 3): h_0..h_P are joined to each layer's keys and values; the rest of the model is
frozen. In the K/V form the keys and values are learned themselves (the official code: 2 * P * L * D numbers); in the
hidden form one vector per layer and position is learned and goes through the layer's own frozen projections
(P * L * D numbers). The other forms leave the softmax alone, see `forms.py`.

Shapes: B batch, G key/value heads, P rows of a form's matrix (prompt positions), D head width, F its width.
"""

from collections.abc import Sequence, Set
from typing import cast

import torch
from torch import Tensor, nn

from ptv2.artifact.artifact import Artifact
from ptv2.backbone import Backbone, Injection, SitePrompt
from ptv2.config.names import IN_SOFTMAX
from ptv2.config.schema import Config
from ptv2.errors import UserError
from ptv2.methods.base import Artifacts
from ptv2.methods.deep.forms import HiddenStates, parts_of
from ptv2.methods.deep.init import initial_gates, initial_vectors, misfit
from ptv2.methods.deep.rates import rate_of
from ptv2.methods.deep.sharing import OwnValues
from ptv2.methods.deep.slots import choose_slots
from ptv2.methods.deep.vectors import DirectVectors, NormalisedVectors, ProjectedVectors, ResidualVectors
from ptv2.methods.rates import Rate
from ptv2.methods.vectors import VectorMethod

PROJECTED = ("normal", "text", "vocab")
"""Kinds of `prompt.init` that a projection can begin with."""


class DeepPrompt(VectorMethod):
    """The learned prompt of a backbone, for one task or several.

    Submodules are called `rows` in the state dict: artifacts and checkpoints hold their tensors under these names.

    Args:
        config: `prompt` says length, layers, form, sharing and init; a task's number is its place in `tasks`.
        backbone: gives the sites and, in the hidden form, the projections. Its real tokens start behind the prompt if
            the config asks for the official positions.
        artifacts: those that `prompt.init` names.

    Raises:
        UserError: a layer out of range, lengths that do not fit the layers, an init that does not fit the form.
    """

    takes_forms = True
    cacheable = True

    def __init__(self, config: Config, backbone: Backbone, artifacts: Artifacts | None = None):
        super().__init__(config, backbone, artifacts)
        prompt = config.prompt
        self.slots = choose_slots(prompt, backbone.sites)
        self.parts = parts_of(prompt, self.slots, backbone)
        self.lengths, self.widths = map(list, zip(*(part.size for part in self.parts), strict=True))
        self._sites = backbone.sites
        self._hold(backbone)
        heads = [slot.site.heads for slot in self.slots]
        gates = initial_gates(prompt, heads, self.tasks, self.artifacts) if prompt.gate else None
        self.gates = nn.ParameterList(gates) if gates is not None else None
        self._freeze_shared()
        for part in self.parts:  # a prompt that the backbone cannot read is refused now, not at the first batch
            if isinstance(part.form, HiddenStates):
                part.form.observed(self.max_length, backbone.device)
            if prompt.token_gate and part.name == "kv" and (place := part.slot.site.place) != "encoder":
                what = f"reads the state of a text's first token, which knows nothing of the text in {place} attention"
                do = "set it to false, or prompt an encoder alone (prompt.length={encoder: 16})"
                raise UserError(what, where="prompt.token_gate", do=do)
        if prompt.position_offset:
            backbone.position_shift = self.max_length

    @classmethod
    def rate_for(cls, forms: Sequence[str], answers: Set[str] = frozenset(), rows: int | None = None) -> Rate | None:
        return rate_of(forms, answers, rows)

    @classmethod
    def check(cls, config: Config) -> None:
        super().check(config)
        prompt = config.prompt
        if prompt.ensemble > 1:
            what = f"is for a prompt at the input, and method '{config.method_name}' has prompts in layers"
            raise UserError(what, where="prompt.ensemble", do="leave it out, or use method=prompt")
        if prompt.start.kind == "labels":
            what = "'labels' are token embeddings, and a deep prompt is made of keys and values"
            raise UserError(what, where="prompt.init", do="write text:<the label words>, or use method=prompt")
        made = prompt.projection or prompt.residual or prompt.norm != "none"  # not learned themselves
        if prompt.token_gate and (made or "kv" not in prompt.forms):
            what, do = (
                "weighs keys and values that are learned themselves",
                "use prompt.form=kv without projection and norm",
            )
            raise UserError(what, where="prompt.token_gate", do=do)
        in_softmax = {name for name in prompt.forms if name in IN_SOFTMAX}
        asked = {
            "gate": prompt.gate,
            "position_offset": prompt.position_offset,
            "init": prompt.start.kind in ("text", "vocab", "uniform"),
        }
        for key, is_asked in asked.items():
            if is_asked and not in_softmax:
                what = f"is for positions that queries attend to, and the form is {', '.join(prompt.forms)}"
                raise UserError(what, where=f"prompt.{key}", do="use prompt.form=kv, or leave it out")
        keys = {"projection": prompt.projection, "residual": prompt.residual, "norm": prompt.norm != "none"}
        for key, is_asked in keys.items():
            if is_asked and set(prompt.forms) - in_softmax:
                what = f"is for the positions of the forms {' and '.join(IN_SOFTMAX)} alone"
                raise UserError(what, where=f"prompt.{key}", do="leave it out, or use prompt.form=kv")
        if prompt.residual and (prompt.projection or prompt.start.earlier):
            what = "and prompt.projection are two ways to make the same vectors"
            if not prompt.projection:
                what = f"changes vectors from the first step on, and prompt.init is {prompt.init}"
            raise UserError(what, where="prompt.residual", do="use one of them")
        if prompt.sharing == "keys" and (prompt.forms != ("kv",) or made or prompt.token_gate):
            do = "use prompt.form=kv without projection, norm and token gate"
            raise UserError("'keys' shares keys that are learned themselves", where="prompt.sharing", do=do)

    # -- what trains -------------------------------------------------------------------------------------------------

    @property
    def max_length(self) -> int:
        """P of the longest prompted layer."""
        return max(slot.length for slot in self.slots)

    def names(self) -> list[str]:
        several = len(self.config.forms) > 1
        return [f"{part.slot.site.place}.{part.slot.site.layer:02}{f'.{part.name}' * several}" for part in self.parts]

    def positions(self) -> int:
        return self.max_length if self.config.position_offset else 0

    def shared(self) -> list[nn.Parameter]:
        gates = self.gates if self.config.sharing == "shared" and self.gates is not None else []
        return [*super().shared(), *gates]

    def read_outside(self) -> set[nn.Parameter]:
        sites = self._sites if "hidden" in self.config.forms else ()
        return {parameter for site in sites for parameter in site.module.parameters()}

    def misfit(self, artifact: Artifact, vectors_PF: Sequence[Tensor]) -> tuple[str, str] | None:
        return misfit(artifact, vectors_PF, self.config, self.parts, self._sites)

    def _new_vectors(self, backbone: Backbone, task: str | None = None) -> nn.Module:
        if not self.config.projection:
            vectors_PF = initial_vectors(self.config, self.parts, backbone, self.artifacts, task)
            if not self.config.residual:
                return self._normalised(DirectVectors(vectors_PF))
            if len(set(self.widths)) > 1:
                widths = ", ".join(map(str, sorted(set(self.widths))))
                what = f"is one network for all layers, whose keys and values have several widths ({widths})"
                raise UserError(what, where="prompt.residual", do="prompt layers of one width, or leave it out")
            return self._normalised(ResidualVectors(vectors_PF, self.config.residual))
        if (kind := self.config.start.kind) not in PROJECTED:
            raise UserError(
                f"init '{self.config.init}' cannot be put through a projection",
                where="prompt.init",
                do="use init=normal, text:<words> or vocab, or projection=null",
            )
        start_PF = None if kind == "normal" else initial_vectors(self.config, self.parts, backbone, self.artifacts)
        sizes = self.lengths, self.widths, self.slots[0].site.width, self.config.projection
        return self._normalised(ProjectedVectors(*sizes, self.config.init_std, start_PF))

    def _normalised(self, vectors: nn.Module) -> nn.Module:
        """Put a LayerNorm behind the vectors if the config asks for it."""
        if self.config.norm == "none":
            return vectors
        if self.config.start.earlier:
            what = f"init '{self.config.init}' cannot be put through a norm"
            raise UserError(what, where="prompt.init", do="use another init, or prompt.norm=none")
        return NormalisedVectors(vectors, [part.split for part in self.parts])

    def _new_shared(self, backbone: Backbone) -> nn.Module:
        """Make what tasks share: whole vectors, or the keys alone, and then the values of each task."""
        if self.config.sharing != "keys":
            return self._new_vectors(backbone)
        keys: list[Tensor] = []
        for name in self.tasks:
            vectors_PF = initial_vectors(self.config, self.parts, backbone, self.artifacts, name)
            own, values = self._halved(vectors_PF)
            if self.config.start.earlier and keys and not all(map(torch.equal, keys, own)):
                do = "name one of its tasks with +task:<name>, or use prompt.sharing=task"
                raise UserError("the tasks of this artifact have different keys", where="prompt.init", do=do)
            keys = keys or own
            self.own[name] = OwnValues(values)
        return DirectVectors(keys)

    def _halved(self, vectors_PF: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Split vectors of the K/V form into keys and values."""
        pairs = [vector_PF.split(part.split, dim=1) for vector_PF, part in zip(vectors_PF, self.parts, strict=True)]
        return [key_PK for key_PK, _ in pairs], [value_PV for _, value_PV in pairs]

    # -- what the backbone gets --------------------------------------------------------------------------------------

    def forward(self, batch: int, task: int | Tensor = 0) -> Injection:
        """Return the prompt of each site; None at sites without one."""
        sites: list[SitePrompt | None] = [None] * len(self._sites)
        present, pick_B = self._present(task)

        def pick(of_tasks: Tensor) -> Tensor:
            return of_tasks if pick_B is None else of_tasks[pick_B]

        for i, part in enumerate(self.parts):
            prompt = sites[part.slot.index] = sites[part.slot.index] or SitePrompt()
            part.form.put(prompt, part.slot, torch.stack([vectors[i] for vectors in present]), pick)
        for i, slot in enumerate(self.slots):
            prompt = sites[slot.index]
            if prompt is None or prompt.key_BGPD is None or prompt.value_BGPE is None:
                continue
            prompt.key_BGPD = self._dropped(prompt.key_BGPD, batch)
            prompt.value_BGPE = self._dropped(prompt.value_BGPE, batch)
            if self.gates is not None:
                prompt.gate = self.gates[i] if self.config.sharing == "shared" else self.gates[i][task]
        return Injection(sites)

    # -- what is kept of it ------------------------------------------------------------------------------------------

    @torch.no_grad()
    def start_from(self, vectors_PF: Sequence[Tensor]) -> None:
        """Put these vectors in the place of those that tasks share, or of each task's own."""
        if self.config.sharing == "keys":
            keys, values = self._halved(vectors_PF)
            for module, start in [(self.rows, keys), *((own, values) for own in self.own.values())]:
                for parameter, vector_PF in zip(cast(DirectVectors, module).rows, start, strict=True):
                    parameter.copy_(vector_PF)
        else:
            super().start_from(vectors_PF)
        for gate in self.gates if self.gates is not None else ():  # they stand for prompts trained without a gate
            gate.fill_(1)

    def shapes(self) -> list[tuple[str, str]]:
        """Describe the matrices of each form at each place, the layers of one shape in one line."""
        layers: dict[tuple[str, str, str], list[int]] = {}
        for part in self.parts:
            shape = str(tuple(part.size))
            layers.setdefault((part.slot.site.place, part.name, shape), []).append(part.slot.site.layer)
        return [
            (f"{place} layers {', '.join(map(str, numbers))}: {form} [P,F]", shape)
            for (place, form, shape), numbers in layers.items()
        ]
