"""Texts that are longer than a backbone may read: which of their words go, and how many tokens are lost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from transformers import BatchEncoding, PreTrainedTokenizerBase

from ptv2.kinds.templates import Part, joined

Texts = Sequence[Sequence[Part]]


def encode_cut(
    tokenizer: PreTrainedTokenizerBase, texts: Texts, max_length: int, field: str | None = None
) -> dict[str, Any]:
    """Encode a text or a pair as the tokenizer does, in `max_length` tokens at most; `cut` counts those that are lost.

    A text that is one field, and a pair of such, is cut by the tokenizer: its end, of a pair the longer text first. A
    template keeps its words: its longest field is shortened at its end, until the next one is as long.

    Args:
        tokenizer: the backbone's.
        texts: one or two, each in parts.
        max_length: tokens, special ones included.
        field: the field that is shortened before all others.
    """
    whole = dict(_encoded(tokenizer, texts, verbose=False))
    over = len(whole["input_ids"]) - max_length
    if over <= 0:
        return whole | {"cut": 0}
    if field is not None or any(len(parts) > 1 for parts in texts):

        def excess(made: Texts) -> int:
            return len(_encoded(tokenizer, made, verbose=False)["input_ids"]) - max_length

        texts = shortened(tokenizer, texts, over, field, excess)
    encoded = dict(_encoded(tokenizer, texts, truncation=True, max_length=max_length))
    return encoded | {"cut": len(whole["input_ids"]) - len(encoded["input_ids"])}


def _encoded(tokenizer: PreTrainedTokenizerBase, texts: Texts, **settings: Any) -> BatchEncoding:
    text, *pair = map(joined, texts)
    return tokenizer(text, pair[0] if pair else None, **settings)


@dataclass
class _Field:
    """A field that may lose tokens at its end."""

    place: tuple[int, int]  # of the part: text, part
    part: Part
    ends: list[int]  # of its tokens, in characters
    kept: int  # tokens

    def shortened(self) -> Part:
        return replace(self.part, text=self.part.text[: self.ends[self.kept - 1]] if self.kept else "")


def shortened(
    tokenizer: PreTrainedTokenizerBase, texts: Texts, over: int, field: str | None, excess: Callable[[Texts], int]
) -> list[list[Part]]:
    """Cut the fields of the texts until they fit; words that are too long without any field stay as they are.

    Args:
        tokenizer: the backbone's.
        texts: one or two, each in parts.
        over: by how many tokens they are too long.
        field: the field that is shortened before all others.
        excess: counts how many of them are left.
    """
    made = [list(parts) for parts in texts]
    fields = []
    for i, parts in enumerate(made):
        for j, part in enumerate(parts):
            ends = _token_ends(tokenizer, part.text) if part.field is not None else []
            fields.append(_Field((i, j), part, ends, len(ends)))
    while over > 0 and any(one.kept for one in fields):
        _drop([one for one in fields if one.kept and one.part.field == field] or fields, over)
        for one in fields:
            if one.kept < len(one.ends):
                made[one.place[0]][one.place[1]] = one.shortened()
        over = excess(made)
    return made


def _drop(fields: list[_Field], over: int) -> None:
    """Take `over` tokens from the fields, or as many as they have, from the longest one first."""
    while over > 0:
        longest = max(fields, key=lambda one: one.kept)
        if not longest.kept:
            return
        others = max((one.kept for one in fields if one is not longest), default=0)
        taken = min(over, max(1, longest.kept - others))
        longest.kept -= taken
        over -= taken


def _token_ends(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Where each token of a text ends; by a tokenizer without offsets, where its word does."""
    if tokenizer.is_fast:
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return [end for _, end in encoded["offset_mapping"]]
    ends, at = [], 0
    for word in text.split():
        at = text.index(word, at) + len(word)
        ends += [at] * len(tokenizer.tokenize(word))
    return ends
