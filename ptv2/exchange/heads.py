"""Trained heads in transformers' own models: where one of theirs computes what ours does, its tensors are put there.

Which tensor goes where is guessed by shape and proved by running both on a few tokens: a model whose head has another
activation or another pooling is refused.

Shapes: B batch, T tokens, D width, C classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from ptv2.artifact.artifact import Artifact
from ptv2.backbone.linear_layers import is_linear
from ptv2.backbone.sites import evaluating
from ptv2.errors import UserError
from ptv2.kinds import KINDS

CLOSE = 1e-4  # of two ways to compute the same logits in float32, over the largest of them


@dataclass
class PutHead:
    """A head that was put into a model, and what stood there before."""

    model: PreTrainedModel
    artifact: Artifact
    names: dict[str, str]  # of its tensors in the model -> in the artifact
    before: dict[str, Tensor]
    labels: dict[str, Any]  # of the model's config

    def weights(self) -> dict[str, Tensor]:
        """Return its tensors as an artifact holds them, with the numbers that they have now."""
        own = self.model.state_dict()
        return {ours: own[theirs].float().cpu().clone() for theirs, ours in self.names.items()}

    def put_back(self) -> None:
        """Leave the model's head as it was."""
        _copy(self.model, self.before)
        for name, value in self.labels.items():
            setattr(self.model.config, name, value)


def put_head(model: PreTrainedModel, artifact: Artifact, task: str, backbone: bool = True) -> PutHead:
    """Put a task's head into the model, with the label names.

    Args:
        model: with a head of the right class and size, e.g. of `AutoModelForTokenClassification`.
        artifact: holds the head.
        task: its name in the artifact.
        backbone: put the trained weights of the backbone there too; False: the model has what became of them.

    Raises:
        UserError: no head of the model computes what this one does; the model is as it was.
    """
    kind = artifact.tasks[task]["kind"]
    where, answers = f"head of '{task}'", KINDS[kind].head.plain_class
    if answers is None:
        raise UserError(f"no head of transformers answers a task of kind '{kind}'", where=where, do="use ptv2.load")
    if not type(model).__name__.endswith(f"For{answers}"):
        what = f"{type(model).__name__} has no head for a task of kind '{kind}'"
        raise UserError(what, where=where, do=f"load the model with AutoModelFor{answers}")
    pooling = artifact.config["head"].get("pooling", "cls") if answers == "SequenceClassification" else None
    head = artifact.state(f"heads.{task}.")
    names = {place: f"heads.{task}.{name}" for place, name in _places(model, head, pooling, where).items()}
    own = model.state_dict()
    if backbone:
        drawn = {f"{model.base_model_prefix}.{name}": name for name in artifact.state("backbone.model.")}
        names |= {place: f"backbone.model.{name}" for place, name in drawn.items() if place in own}
    tensors = {place: artifact.weights[name] for place, name in names.items()}
    config: Any = model.config
    put = PutHead(
        model,
        artifact,
        names,
        {name: own[name].clone() for name in tensors},
        {name: getattr(config, name) for name in ("id2label", "label2id", "problem_type")},
    )
    _copy(model, tensors)
    if not _computes(model, head, pooling):
        put.put_back()
        name, do = type(model).__name__, "use ptv2.load"
        if pooling in (None, "pooler", "dense"):  # there is another layer, or another activation
            raise UserError(f"{name} computes more than the trained head from its states", where=where, do=do)
        do = f"train with head.pooling=pooler or dense (last: a causal model), or {do}"
        raise UserError(f"{name} does not compute a head with head.pooling={pooling}", where=where, do=do)
    labels = artifact.about["labels"][task]
    if labels is not None and kind != "span":
        config.id2label, config.label2id = dict(enumerate(labels)), {name: i for i, name in enumerate(labels)}
    problems = {"multilabel": "multi_label_classification", "regression": "regression"}
    config.problem_type = problems.get(kind, "single_label_classification" if kind == "cls" else None)
    return put


def outer_layers(model: PreTrainedModel) -> dict[str, nn.Module]:
    """List the linear layers of a model above its base model, by their names."""
    inside = f"{model.base_model_prefix}."
    return {n: layer for n, layer in model.named_modules() if is_linear(layer) and not n.startswith(inside)}


def _places(model: PreTrainedModel, head: Mapping[str, Tensor], pooling: str | None, where: str) -> dict[str, str]:
    """Name the tensors of the model that a head's tensors take the place of, and these."""
    layers, own = outer_layers(model), model.state_dict()
    if not layers:
        raise UserError(f"{type(model).__name__} has no linear layer for it", where=where, do="use ptv2.load")
    out, pooler = list(layers)[-1], f"{model.base_model_prefix}.pooler.dense"
    found = {f"{out}.{part}": f"out.{part}" for part in ("weight", "bias")}
    if (bias := f"{out}.bias") not in own:
        if head["out.bias"].any():
            what = f"the layer '{out}' of {type(model).__name__} has no bias, and the trained head has one"
            raise UserError(what, where=where, do="use ptv2.load")
        del found[bias]
    if pooling == "dense":
        first = next(iter(layers)) if len(layers) == 2 else pooler
        found |= {f"{first}.{part}": f"pooling.dense.{part}" for part in ("weight", "bias")}
    for name, part in found.items():
        if name not in own or own[name].shape != head[part].shape:
            have = tuple(own[name].shape) if name in own else "not there"
            what = f"'{name}' of {type(model).__name__} is {have}, the trained head has {tuple(head[part].shape)}"
            raise UserError(what, where=where, do=f"load the model with num_labels={len(head['out.bias'])}")
    return found


@torch.no_grad()
def _copy(model: PreTrainedModel, tensors: Mapping[str, Tensor]) -> None:
    own = model.state_dict()
    for name, tensor in tensors.items():
        own[name].copy_(tensor)


@torch.no_grad()
def _computes(model: PreTrainedModel, head: Mapping[str, Tensor], pooling: str | None) -> bool:
    """Tell whether the model's logits for a few tokens are those of the head on its last states."""
    config = model.config
    ids_1T = torch.tensor([[i for i in range(config.vocab_size) if i != config.pad_token_id][-5:]], device=model.device)
    inputs = {"input_ids": ids_1T, "attention_mask": torch.ones_like(ids_1T)}
    with evaluating(model):
        states, out = model.base_model(**inputs), model(**inputs)
    read = states.last_hidden_state.float()
    weights = {name: tensor.to(model.device) for name, tensor in head.items()}
    if pooling == "pooler":
        read = states.pooler_output.float()
    elif pooling == "dense":
        read = torch.tanh(F.linear(read[:, 0], weights["pooling.dense.weight"], weights["pooling.dense.bias"]))
    elif pooling is not None:
        read = {"cls": read[:, 0], "mean": read.mean(1), "last": read[:, -1]}[pooling]
    wanted = F.linear(read, weights["out.weight"], weights["out.bias"])
    got = torch.stack([out.start_logits, out.end_logits], -1) if hasattr(out, "start_logits") else out.logits
    limit = CLOSE if model.dtype == torch.float32 else 0.05
    return bool((got.float() - wanted).abs().max() <= limit * wanted.abs().max().clamp(min=1))
