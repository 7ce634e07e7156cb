"""One pass through the backbone for pieces of several artifacts and tasks.

Each row has its own artifact's prompt: they are padded to the longest and masked, and a layer that an artifact leaves
alone is left alone for its rows. Pieces of one task of one artifact go the way that `predict` goes.

Shapes: B rows of the batch.
"""

from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import Tensor

from ptv2.backbone import Backbone, Injection
from ptv2.data.collate import moved
from ptv2.exchange.per_row import of_rows
from ptv2.kinds.head import Head
from ptv2.kinds.seq2seq import Seq2SeqHead
from ptv2.model.prompted import joined as joined_inputs
from ptv2.service.jobs import Piece
from ptv2.service.residents import Joined, Residents
from ptv2.service.waiting import Taken


@dataclass
class Group:
    """The pieces of one task of one artifact."""

    joined: Joined
    task: str
    pieces: list[tuple[int, Piece]] = field(default_factory=list)  # with their places among those that were taken

    @property
    def head(self) -> Head:
        return self.joined.module.head(self.task)

    @property
    def features(self) -> list[dict[str, Any]]:
        return [piece.feature for _, piece in self.pieces]

    def injection(self) -> Injection:
        """Return what the backbone gets of the prompt, for a batch of any size."""
        return self.joined.module.method(1, self.joined.module.numbers[self.task])

    def decode(self, logits: Tensor, part: dict[str, Any]) -> list[dict[str, Any]]:
        return self.head.decode(logits, part, self.joined.data[self.task].label_names())


@torch.no_grad()
def run(residents: Residents, taken: Taken) -> list[dict[str, Any]]:
    """Return what the heads decode for each piece, all of one key."""
    groups: dict[tuple[int, str], Group] = {}
    for place, (job, piece) in enumerate(taken):
        group = groups.setdefault((id(job.joined), piece.task), Group(job.joined, piece.task))
        group.pieces.append((place, piece))
    made, first = list(groups.values()), next(iter(groups.values()))
    if first.joined.reads_drawn:
        residents.put_drawn(first.joined)
    residents.backbone.position_shift = first.joined.shift if len(made) == 1 else 0
    if first.head.reads == "logits":
        decoded = _written(residents.backbone, made, taken[0][0].settings)
    elif len(made) == 1:
        batch = _collated(first, None, residents.backbone)
        ((part, logits),) = first.joined.module.read(batch)
        decoded = [first.decode(logits, part)]
    else:
        decoded = _decoded(residents.backbone, made)
    outputs: list[dict[str, Any]] = [{}] * len(taken)
    for group, own in zip(made, decoded, strict=True):
        for (place, _), output in zip(group.pieces, own, strict=True):
            outputs[place] = output
    return outputs


def _decoded(backbone: Backbone, groups: list[Group]) -> list[list[dict[str, Any]]]:
    """Decode what the heads of all groups read of one pass."""
    texts = (ids for group in groups for feature in group.features for ids in _texts(feature["input_ids"]))
    length = max(map(len, texts))
    parts = [_collated(group, length, backbone) for group in groups]
    counts = [len(part["input_ids"]) for part in parts]
    states = backbone(joined_inputs(parts, groups[0].head.reads), _of_groups(groups, counts, backbone))
    split = states.split(counts)
    return [group.decode(group.head(own), part) for group, own, part in zip(groups, split, parts, strict=True)]


def _written(backbone: Backbone, groups: list[Group], settings: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Generate a text for each piece, of all groups together; `settings` stand beside the card's."""
    head = cast(Seq2SeqHead, groups[0].head)
    features = [feature for group in groups for feature in group.features]
    data = groups[0].joined.data[groups[0].task]
    batch = moved(data.features.collate(features), backbone.device)
    if len(groups) == 1:
        injection = groups[0].joined.module.prompts(batch | {"task": groups[0].task})
    else:
        injection = _of_groups(groups, [len(group.pieces) for group in groups], backbone)
    made = head.settings | settings
    ids_BT = head.generate_ids(backbone, injection, batch, made)
    texts = backbone.tokenizer.batch_decode(ids_BT, skip_special_tokens=True)
    written_BT = ids_BT[:, 1:] if backbone.is_encoder_decoder else ids_BT  # a decoder starts from a token of its own
    ends, most = made.get("eos_token_id"), made.get("max_new_tokens")
    pad = cast(int | None, backbone.tokenizer.pad_token_id)
    outputs = [_output(text, ids, ends, pad, most) for text, ids in zip(texts, written_BT.tolist(), strict=True)]
    split, at = [], 0
    for group in groups:
        split.append(outputs[at : at + len(group.pieces)])
        at += len(group.pieces)
    return split


def _output(text: str, ids: list[int], ends: Any, pad: int | None, most: int | None) -> dict[str, Any]:
    """Return a text with the number of its tokens, its end included, and whether it ended by itself.

    A text that a stop string ends has no end token; it is padded to the longest of its batch.
    """
    end = set(ends) if isinstance(ends, list) else {ends}
    place = next((i for i, token in enumerate(ids) if token in end), None)
    last = next((i for i in reversed(range(len(ids))) if ids[i] != pad), -1)
    written = (last if place is None else place) + 1
    ended = place is not None or written < len(ids) or (most is not None and written < most)
    return {"text": text.strip(), "written": written, "ended": ended}


def _of_groups(groups: list[Group], counts: list[int], backbone: Backbone) -> Injection:
    """Give each row the prompt of its group, and its real tokens their first position."""
    pick_B = torch.arange(len(groups)).repeat_interleave(torch.tensor(counts)).to(backbone.device)
    injections = [group.injection() for group in groups]
    injection = of_rows(injections, pick_B) if any(injections) else Injection()
    shifts = torch.tensor([group.joined.shift for group in groups], device=backbone.device)
    return replace(injection, shift=shifts[pick_B][:, None] if shifts.any() else 0)


def _collated(group: Group, length: int | None, backbone: Backbone) -> dict[str, Any]:
    batch = group.joined.data[group.task].features.collate(group.features, length) | {"task": group.task}
    return moved(batch, backbone.device)


def _texts(ids: list[Any]) -> list[list[int]]:
    """Return the token ids of each text of a feature: one text, or one per choice."""
    return ids if ids and isinstance(ids[0], list) else [ids]
