"""Where a prompt starts: drawn, zero, what the frozen backbone computes for a text, or an earlier artifact."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ptv2.artifact.artifact import Artifact
from ptv2.backbone import Backbone, Site
from ptv2.config.schema import PromptConfig
from ptv2.errors import UserError
from ptv2.methods.base import Artifacts
from ptv2.methods.deep.forms import Part
from ptv2.methods.deep.sharing import LowRankVectors
from ptv2.methods.deep.slots import choose_slots

FREQUENT = 5000  # Lester et al. 2021, section 3.2: sample from the 5,000 most common tokens


def initial_vectors(
    config: PromptConfig, parts: Sequence[Part], backbone: Backbone, artifacts: Artifacts, task: str | None = None
) -> list[Tensor]:
    """Make the matrix [P, F] of each part as `config.init` says: what tasks share, or those of one `task`.

    Forms outside of the softmax have a start of their own, but for an artifact's.

    Raises:
        UserError: unknown init, a text without tokens, an artifact that does not fit.
    """
    start = config.start
    kind = start.kind
    if kind == "artifact":

        def problem(artifact: Artifact, held_PF: list[Tensor]) -> tuple[str, str] | None:
            return misfit(artifact, held_PF, config, parts, backbone.sites)

        return artifact_vectors(config, backbone, artifacts, task, problem)
    attended = [part for part in parts if part.in_softmax]
    if kind == "normal":  # the official code's initialisation
        vectors = [torch.randn(part.attended) * config.init_std for part in attended]
    elif kind == "uniform":
        vectors = [torch.rand(part.attended) - 0.5 for part in attended]
    elif kind in ("zero", "retrieve"):  # fit puts what it retrieves in the place of these zeros
        vectors = [torch.zeros(part.attended) for part in attended]
    else:
        longest = max(part.slot.length for part in attended)
        ids_P = vocab_ids(longest, backbone) if start.text is None else text_ids(start.text, longest, backbone)
        vectors = _vectors_of_tokens(ids_P, attended, backbone)
    gated = zip(attended, vectors, strict=True)  # token gates start as zeros
    made = (F.pad(vector_PF, (0, part.size[1] - vector_PF.shape[1])) for part, vector_PF in gated)
    return [next(made) if part.in_softmax else part.form.start(part.slot) for part in parts]


def initial_factors(own: Mapping[str, LowRankVectors], config: PromptConfig, artifacts: Artifacts) -> None:
    """Put an artifact's low-rank matrix of each task in the place of ones, if `config.init` names one that has it.

    Raises:
        UserError: it is of another rank or size.
    """
    path, named = config.start.path, config.start.task
    if path is None:
        return
    artifact = artifacts[path]
    if artifact.sharing != "shared+task":
        return
    if named is not None:
        artifact.check_task(named)
    for task, mine in own.items():
        held = artifact.state(f"prompt.own.{named or task}.")
        if not held:
            continue
        if {k: v.shape for k, v in held.items()} != {k: v.shape for k, v in mine.state_dict().items()}:
            do = "set prompt.rank to the artifact's value"
            raise UserError("has low-rank matrices of another size", where=path, do=do)
        mine.load_state_dict(held)


def initial_gates(
    config: PromptConfig, heads: Sequence[int], tasks: Sequence[str], artifacts: Artifacts
) -> list[Tensor]:
    """Make a gate per prompted layer: [H] where tasks share it, else [tasks, H]; zeros, or an artifact's."""
    path, named = config.start.path, config.start.task
    own = [len(tasks)] if config.sharing != "shared" else []
    if path is None:
        return [torch.zeros(*own, h) for h in heads]
    artifact = artifacts[path]
    if not own:
        return artifact.gates(heads, named)
    return [torch.stack(gates) for gates in zip(*(artifact.gates(heads, named or t) for t in tasks), strict=True)]


def text_ids(text: str, length: int, backbone: Backbone) -> Tensor:
    """Return the token ids of the text, repeated or cut to `length`."""
    ids = backbone.tokenizer(text, add_special_tokens=False)["input_ids"]
    if not ids:
        raise UserError("the text has no tokens", where="prompt.init", do="write text:<some words>")
    return torch.tensor((ids * (length // len(ids) + 1))[:length])


def vocab_ids(length: int, backbone: Backbone) -> Tensor:
    """Draw token ids from the frequent part of the vocabulary (ids rise as frequency falls), distinct if enough."""
    special = set(backbone.tokenizer.all_special_ids)
    size = len(backbone.tokenizer)
    # WordPiece vocabularies open with reserved tokens and single characters: words start behind them.
    first = min(1000, size // 10)
    ids = [i for i in range(first, min(first + FREQUENT, size)) if i not in special]
    return torch.tensor(ids)[torch.randperm(len(ids))].repeat(length // len(ids) + 1)[:length]


def _vectors_of_tokens(ids_P: Tensor, parts: Sequence[Part], backbone: Backbone) -> list[Tensor]:
    """Compute with the bare backbone the vectors of the tokens: keys and values, or the states it projects."""
    seen = backbone.observe(ids_P)
    vectors = []
    for part in parts:
        here = seen[part.slot.index]
        if part.name == "hidden":
            vector_PF = here.hidden_BTD[0]
        else:
            key_PGD, value_PGE = here.call.key_BGSD[0].transpose(0, 1), here.call.value_BGSE[0].transpose(0, 1)
            vector_PF = torch.cat([key_PGD.flatten(1), value_PGE.flatten(1)], dim=1)
        vectors.append(vector_PF[: part.slot.length].float().cpu())
    return vectors


def artifact_vectors(
    config: PromptConfig,
    backbone: Backbone,
    artifacts: Artifacts,
    task: str | None,
    misfit: Callable[[Artifact, list[Tensor]], tuple[str, str] | None],
) -> list[Tensor]:
    """Return the vectors of the artifact that `config.init` names: what tasks share, or those of one `task`.

    Raises:
        UserError: another backbone, no such task, or `misfit` says why they cannot be used.
    """
    path, named = config.start.path, config.start.task
    assert path is not None  # of artifact:<path>
    artifact = artifacts[path]
    artifact.check_backbone(backbone)
    if named is not None:
        artifact.check_task(named)
    if config.sharing == "shared+task" and artifact.sharing == "shared+task":
        named = None  # the shared vectors; the task's matrix comes from `initial_factors`
    vectors_PF = artifact.prompt_vectors(named or (task if task in artifact.tasks else None))
    if (problem := misfit(artifact, vectors_PF)) is not None:
        what, do = problem
        raise UserError(what, where=path, do=do)
    return vectors_PF


def misfit(
    artifact: Artifact, vectors_PF: Sequence[Tensor], config: PromptConfig, parts: Sequence[Part], sites: list[Site]
) -> tuple[str, str] | None:
    """Say why an artifact's vectors cannot be the start of this prompt, and what to do; None where they can."""
    held, shapes = artifact.prompt_config(), [part.size for part in parts]
    if vectors_PF and held.token_gate != config.token_gate:
        word = "with" if held.token_gate else "without"
        return f"was trained {word} prompt.token_gate", f"set prompt.token_gate={str(held.token_gate).lower()}"
    if "memory" in held.forms and "memory" in config.forms and held.memory != config.memory:
        return "was trained with other values of prompt.memory", "set prompt.memory to the artifact's values"
    fits = held.forms == config.forms and [tuple(vector_PF.shape) for vector_PF in vectors_PF] == shapes
    slots = choose_slots(config, sites)
    if not fits or choose_slots(held, sites) != slots:
        has = "no prompt"
        if vectors_PF:
            has = f"form '{'+'.join(held.forms)}' with {_counted([tuple(vector_PF.shape) for vector_PF in vectors_PF])}"
        asked = "+".join(config.forms)
        what = f"holds {has}, the config asks for form '{asked}' with {_counted(shapes)}"
        what += ", at other layers or places of the backbone" if fits else ""
        return what, "set prompt.form, prompt.length and prompt.layers to the artifact's values"
    for key in ("gate", "position_offset"):
        if getattr(held, key) and not getattr(config, key):
            return f"was trained with prompt.{key}", f"set prompt.{key}=true"
    return None


def _counted(shapes: Sequence[tuple[int, ...]]) -> str:
    """Write how many vectors there are of each shape."""
    return " and ".join(f"{count} layers of {shape}" for shape, count in Counter(shapes).items())
