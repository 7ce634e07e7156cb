"""`ptv2.attach`: a plain transformers model gets trained prompts in its attention.

Nothing in the model's inputs, cache or outputs changes, so whatever calls it uses the prompt without knowing ptv2:
`generate`, `pipeline(...)`, the Trainer, sentence-transformers, lm-evaluation-harness.

Shapes: B rows of a batch, T tokens.
"""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ptv2.artifact.artifact import Artifact
from ptv2.artifact.files import read_artifact, write_artifact
from ptv2.backbone import Backbone, Injection
from ptv2.backbone.families import shifted_positions, stack_of
from ptv2.errors import UserError, nearest
from ptv2.exchange.fits import check_weights, root_of
from ptv2.exchange.heads import PutHead, put_head
from ptv2.exchange.per_row import of_rows
from ptv2.exchange.prompts import Named, named_prompts, prompt_class
from ptv2.exchange.restore import Before, is_attached
from ptv2.kinds import reads_of
from ptv2.model.load import artifact_config

Which = str | None | Tensor | Sequence[str | None]
"""The prompt of all rows by its name, or of each row by its name or its number in `names`; None and -1: none."""

INPUTS = ("input_ids", "inputs_embeds")
TRAINED = "ptv2_prompts"
"""Attribute of the model that holds prompts that train."""


class Attached:
    """Prompts in a model, until `detach` or the end of a `with` block.

    Args:
        model: of transformers, in which nothing of ptv2 has been installed.
        artifacts: by the name that their prompts get; see `attach`.
        trainable: let the prompts train.
        imports: Python files that the artifacts need.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        artifacts: Mapping[str, Artifact],
        trainable: bool = False,
        imports: Sequence[str] = (),
    ):
        self.model, self.artifacts, self.trainable = model, dict(artifacts), trainable
        configs = {name: artifact_config(artifact, imports=imports) for name, artifact in artifacts.items()}
        root = root_of(model, artifacts, configs)
        for name, artifact in artifacts.items():
            prompt_class(artifact, configs[name])
            check_weights(artifact, reads_of(configs[name].tasks.values()), model, root)
        self._before, self._detached = Before(root), False
        try:
            kernel = "sdpa" if root.config._attn_implementation != "eager" and root._supports_sdpa else "eager"
            self._backbone = Backbone(root, cast(Any, None), kernel=kernel)  # no text is read: no tokenizer
            self._prompts: dict[str, Named] = {}
            for name, artifact in artifacts.items():
                self._prompts |= named_prompts(name, artifact, configs[name], self._backbone)
            self._hook(root)
        except BaseException:
            self._before.put_back()
            raise
        self._before.installed()
        self._heads: list[PutHead] = []
        self._frozen: dict[str, Injection] = {}
        if trainable:
            model.add_module(TRAINED, nn.ModuleList(dict.fromkeys(p.method for p in self._prompts.values())))
        self.set_prompt(self.names[0])

    @property
    def names(self) -> list[str]:
        """Names of the prompts, in the order of their numbers."""
        return list(self._prompts)

    # -- which prompt is in force --------------------------------------------------------------------------------------

    def set_prompt(self, which: Which) -> Self:
        """Put a prompt in force until the next call: of all rows, or of each row of a batch.

        Args:
            which: the name of one, or None for the bare model; for each row a name, or its number in `names` as a
                tensor [B], with -1 for none. `generate` repeats rows for its beams, and so are these.

        Raises:
            UserError: no prompt of this name or number, prompts that cannot share a batch, or they are detached.
        """
        self._check_there("set_prompt")
        self._which: list[str | None] = self._listed(which)
        self._by_row = not (which is None or isinstance(which, str))
        device = self._backbone.device
        shifts = [self._prompts[name].shift if name is not None else 0 for name in self._which]
        self._shift_B1 = torch.tensor(shifts, device=device)[:, None]
        self._refresh()
        return self

    def _listed(self, which: Which) -> list[str | None]:
        """Return the names, of rows or of the one that is for all of them."""
        if which is None or isinstance(which, str):
            names = [which]
        elif isinstance(which, Tensor):
            if which.dim() != 1 or which.is_floating_point() or which.dtype == torch.bool or not len(which):
                what = f"is a tensor {list(which.shape)} of {which.dtype}, not a number for each row"
                raise UserError(what, where="set_prompt", do="give whole numbers [B]")
            names = [self._numbered(number) for number in which.tolist()]
        elif isinstance(which, Sequence) and which:
            names = list(which)
        else:
            raise UserError(f"is {which!r}", where="set_prompt", do="give a name, None, or one for each row")
        for name in names:
            self._check_named(name, "set_prompt")
        return names

    def _check_named(self, name: str | None, where: str) -> None:
        if name is not None and name not in self._prompts:
            raise UserError(f"no prompt '{name}' is attached", where=where, do=nearest(str(name), self.names))

    def _check_there(self, where: str) -> None:
        if self._detached:
            raise UserError("the prompts are detached", where=where, do="attach them again")

    def _numbered(self, number: int) -> str | None:
        if not -1 <= number < len(self.names):
            do = f"use 0 to {len(self.names) - 1} ({', '.join(self.names)}), or -1 for none"
            raise UserError(f"no prompt has the number {number}", where="set_prompt", do=do)
        return None if number < 0 else self.names[number]

    @torch.inference_mode(False)  # what is made here is used again where gradients flow
    def _refresh(self) -> None:
        """Put into the model what the prompts now are."""
        if not self._by_row:
            (name,) = self._which
            self._backbone.state.injection = Injection() if name is None else self._given(name)
            return
        present = list(dict.fromkeys(self._which))
        pick_B = torch.tensor([present.index(name) for name in self._which], device=self._backbone.device)
        given = [Injection() if name is None else self._given(name) for name in present]
        self._backbone.state.injection = of_rows(given, pick_B) if any(given) else Injection()

    def _given(self, name: str) -> Injection:
        """Return what the model's sites get of one prompt, for a batch of any size."""
        prompt = self._prompts[name]
        prompt.method.to(self._backbone.device)
        if self.trainable:
            return prompt.method(1, prompt.task)
        if name not in self._frozen:
            with torch.no_grad():
                self._frozen[name] = prompt.method(1, prompt.task)
        return self._frozen[name]

    def _hook(self, root: PreTrainedModel) -> None:
        """Let every call of the model see prompts that train or have moved, and number its positions behind them.

        The call that is seen is that of the part which language models call: of OPT the stack inside, of an
        encoder-decoder also the encoder alone, with which `generate` begins.
        """

        def before(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
            if self._backbone.state.record is not None:  # the bare model is observed
                return None
            if self.trainable or self._shift_B1.device != self._backbone.device:
                self._frozen = {}
                self._shift_B1 = self._shift_B1.to(self._backbone.device)
                self._refresh()
            given = dict(zip(inspect.signature(module.forward).parameters, args, strict=False)) | kwargs
            self._check_rows(given)
            if not self._shift_B1.any():
                return None
            return (), given | {"position_ids": self._positions(root, given)}

        for part in {self._backbone.reader, stack_of(root)}:
            part.register_forward_pre_hook(before, with_kwargs=True)

    def _check_rows(self, given: Mapping[str, Any]) -> None:
        rows, batch = len(self._which), next((given[n] for n in INPUTS if given.get(n) is not None), None)
        if self._by_row and batch is not None and len(batch) % rows:
            what = f"prompts are set for {rows} rows, and the batch has {len(batch)}"
            raise UserError(what, where="set_prompt", do="set one for each row of it, or one for all")

    def _positions(self, root: PreTrainedModel, given: Mapping[str, Any]) -> Tensor:
        """Return the positions [B, T] of tokens behind the prompt of their row."""
        positions_BT = given.get("position_ids")
        ids: Tensor = given["inputs_embeds"] if given.get("input_ids") is None else given["input_ids"]
        if positions_BT is None:
            cache = given.get("past_key_values")
            past, (batch, width) = cache.get_seq_length() if cache is not None else 0, ids.shape[:2]
            mask_BT = given.get("attention_mask")
            if mask_BT is None or mask_BT.dim() != 2:
                mask_BT = torch.ones(batch, past + width, dtype=torch.long, device=ids.device)
            positions_BT = shifted_positions(root, mask_BT.long(), 0)[:, -width:]
        return positions_BT + self._shift_B1.repeat_interleave(len(ids) // len(self._which), dim=0)

    # -- heads, files, the end -----------------------------------------------------------------------------------------

    def put_head(self, name: str | None = None) -> Self:
        """Put a task's trained head into the model's own, and its label names into the model's config.

        Args:
            name: of the prompt whose task it is; None: the first.

        Raises:
            UserError: the model has no head that computes the same, or no prompt has this name.
        """
        self._check_there("head")
        self._check_named(name, "head")
        prompt = self._prompts[name or self.names[0]]
        self._heads.append(put_head(self.model, prompt.artifact, prompt.task_name))
        return self

    def save(self, folder: str | Path, name: str | None = None) -> None:
        """Write the artifact of a prompt with the numbers it has now, and those of its head, if that was put last.

        Args:
            folder: is made.
            name: of the prompt; None: the first.

        Raises:
            UserError: no prompt has this name.
        """
        self._check_named(name, "save")
        prompt = self._prompts[name or self.names[0]]
        trained = {f"prompt.{k}": v.float().cpu().contiguous() for k, v in prompt.method.exported().items()}
        others = {k: v for k, v in prompt.artifact.weights.items() if not k.startswith("prompt.")}
        if self._heads and self._heads[-1].artifact is prompt.artifact:
            others |= self._heads[-1].weights()
        inside = f"{self.model.base_model_prefix}."
        self._before.warn_of_changes({place.removeprefix(inside) for held in self._heads for place in held.names})
        write_artifact(Artifact(Path(folder), prompt.artifact.about, others | trained), Path(folder))

    def detach(self) -> None:
        """Take the prompts out again: the model is what it was, to the bit."""
        if self._detached:
            return
        self._detached = True
        self._before.put_back()
        for held in reversed(self._heads):
            held.put_back()
        self._heads = []
        self.model._modules.pop(TRAINED, None)

    def __enter__(self) -> Self:
        self._check_there("attach")
        return self

    def __exit__(self, *error: object) -> None:
        self.detach()


def attach(
    model: PreTrainedModel,
    artifacts: str | Path | Mapping[str, str | Path],
    *,
    head: str | bool = False,
    trainable: bool = False,
    imports: Sequence[str] = (),
) -> Attached:
    """Put trained prompts into the attention of a plain transformers model.

    Args:
        model: any of the backbone's classes (`AutoModel`, `AutoModelForCausalLM`, ...), with the artifact's weights.
        artifacts: a run folder or its `prompt/` folder, or several by name. Prompts of one artifact are called as its
            tasks; of a mapping, by its keys, followed by `/TASK` where an artifact has prompts of several tasks.
        head: put the task's trained head into the model's own too: of the first prompt, or of the one named.
        trainable: let the prompts train; they are parameters of the model then.
        imports: Python files that the artifacts need.

    Returns:
        What switches prompts (`set_prompt`) and takes them out (`detach`, or the end of a `with` block).

    Raises:
        UserError: an artifact without a prompt in attention, made for another backbone, or a head that does not fit.
    """
    if not isinstance(model, PreTrainedModel):
        what = f"is {type(model).__name__}, not a model of transformers"
        raise UserError(what, where="model", do="give what from_pretrained returns")
    if is_attached(model):
        what = "prompts are attached to this model already"
        raise UserError(what, where="attach", do="detach them, or give all artifacts in one call: {name: folder, ...}")
    named = artifacts if isinstance(artifacts, Mapping) else {"": artifacts}
    if not all(isinstance(name, str) and isinstance(path, str | Path) for name, path in named.items()):
        raise UserError(f"is {artifacts!r}", where="artifacts", do="give a folder, or several as {name: folder, ...}")
    if not named:
        raise UserError("no artifact is given", where="attach", do="give at least one")
    attached = Attached(model, {name: read_artifact(path) for name, path in named.items()}, trainable, imports)
    if head:
        try:
            attached.put_head(head if isinstance(head, str) else None)
        except BaseException:
            attached.detach()
            raise
    return attached
