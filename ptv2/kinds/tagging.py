"""Token tagging: one label per word, on its first piece. Shapes: B batch, T tokens, C tags."""

from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from transformers import BatchEncoding, PreTrainedTokenizer

from ptv2.backbone import States, space_before
from ptv2.config.cards import TaskCard
from ptv2.errors import UserError
from ptv2.kinds.features import IGNORE, Explained, Feature, Features, Row, lost, one_label, share
from ptv2.kinds.grading import TAGGING
from ptv2.kinds.head import Head
from ptv2.kinds.options import FIELD, GROUP, whole
from ptv2.kinds.tag_scheme import OUTSIDE, check_tags
from ptv2.rows.arrays import Encoded

SPAN_METRICS = {"span_f1", "span_f1_no_v"}


class TaggingFeatures(Features):
    """inputs: `tokens`, a list of words; label: a list of as many tags.

    As the official code: the label stands on a word's first piece, the other pieces carry no loss. Words that
    truncation cuts off are predicted as O, so they count in the score.

    For semantic roles, `predicate` is a field with the index of the predicate's word, or the word itself. It is read
    after the sentence (tokens, separator, predicate; official tasks/srl/dataset.py) and carries no label.
    """

    grading = TAGGING

    roles = ("tokens",)
    answers = "words"
    trivial = "O for every word, or the commonest tag"
    optional_roles = ("predicate",)
    first_name = OUTSIDE
    by_word = True
    valid_options = GROUP | {
        "spans_column": FIELD,
        "text_column": FIELD,
        "token_column": whole(),
        "tag_column": whole(),
    }

    version = 5

    def __init__(self, card: Any, tokenizer: Any, *args: Any, **kwargs: Any):
        super().__init__(card, tokenizer, *args, **kwargs)
        # A list of words has no spaces, so they are put back; the official code asks the tokenizer for them
        # (add_prefix_space), which not all can do.
        self.blank = space_before(tokenizer)

    @classmethod
    def label_values(cls, value: object, field: str, where: Callable[[], str]) -> list[object]:
        if not isinstance(value, list):
            raise UserError(f"field '{field}' does not hold a list of tags", where=where(), do="give one tag per word")
        return [one_label(tag, f"{field}[{i}]", where) for i, tag in enumerate(value)]

    @classmethod
    def check_names(cls, card: TaskCard, names: list[str]) -> None:
        if SPAN_METRICS & set(card.metrics):
            check_tags(names, f"{card.name}.labels")

    def encode(
        self, row: Row, where: Callable[[], str], labelled: bool = True, training: bool = False
    ) -> list[Feature]:
        field = self.card.inputs["tokens"]
        words = row.get(field)
        if not words or not isinstance(words, list):
            raise UserError(f"field '{field}' does not hold words", where=where(), do="remove the row or give it words")
        if (odd := next((word for word in words if not isinstance(word, str) and word is not None), None)) is not None:
            raise UserError(f"field '{field}' holds {odd}, which is not a text", where=where(), do="write it in quotes")
        if any(word is None or not word.strip() for word in words):
            raise UserError(f"field '{field}' holds an empty word", where=where(), do="remove the word and its tag")
        settings = {"truncation": "only_first", "max_length": self.card.max_length}
        encoded, word_of = self._encode_words(words, row, where, settings)
        cut = 0
        if len(word_of) >= self.card.max_length:  # a shorter row has lost nothing
            _, whole = self._encode_words(words, row, where, {"verbose": False})
            cut = len({*whole} - {*word_of})
        first_of: dict[int, int] = {}
        for position, word in enumerate(word_of):
            if word is not None:
                first_of.setdefault(word, position)
        feature = dict(encoded) | {"words": list(first_of), "first_pieces": list(first_of.values()), "cut": cut}
        if labelled:
            tags = row.get(self.card.label)
            if not isinstance(tags, list) or len(tags) != len(words):
                count = len(tags) if isinstance(tags, list) else "no"
                raise UserError(f"{len(words)} words and {count} tags", where=where(), do="give one tag per word")
            labels = [IGNORE] * len(feature["input_ids"])
            ids = [self.labels.id(tag, where()) for tag in self.label_values(tags, self.card.label, where)]
            for word, position in first_of.items():
                labels[position] = ids[word]
            feature["labels"] = labels
        return [feature]

    def notices(self, encoded: Encoded) -> list[str]:
        if not (cut := lost(encoded, "cut")):
            return []
        scored = OUTSIDE if OUTSIDE in self.labels.ids else "wrong"
        what = f"words behind max_length={self.card.max_length} are not read, and scored as {scored}"
        return [f"{what}: {sum(cut.values())}, in {share(cut, encoded)} rows"]

    def _encode_words(
        self, words: list[str], row: Row, where: Callable[[], str], settings: dict[str, Any]
    ) -> tuple[BatchEncoding, list[int | None]]:
        """Encode the words and, for semantic roles, the predicate after them; and tell each token's word."""
        spaced = [self.blank + word for word in words]
        predicate, room = None, self.card.max_length
        if "predicate" in self.card.inputs:
            predicate = [self.blank + self._predicate(words, row, where)]
            special = self.tokenizer.num_special_tokens_to_add(pair=True)
            room -= len(self._pieces(predicate)[0]) + special
            if room < 1:
                what = f"the predicate '{predicate[0].strip()}' leaves no tokens for the sentence"
                raise UserError(what, where=where(), do=f"raise max_length ({self.card.max_length})")
        if not self.tokenizer.is_fast:
            return self._encode_pieces(spaced, predicate, settings)
        encoded = self.tokenizer(spaced, predicate, is_split_into_words=True, **settings)
        parts = zip(encoded.word_ids(), encoded.sequence_ids(), strict=True)
        return encoded, [word if part == 0 else None for word, part in parts]

    def _encode_pieces(
        self, words: list[str], predicate: list[str] | None, settings: dict[str, Any]
    ) -> tuple[BatchEncoding, list[int | None]]:
        """Encode as `_encode_words`, with a tokenizer that does not say which word a token comes from."""
        ids, word_of = self._pieces(words)
        after = self._pieces(predicate)[0] if predicate else None
        tokenizer = cast(PreTrainedTokenizer, self.tokenizer)  # what is not fast
        encoded = tokenizer.prepare_for_model(ids, after, return_special_tokens_mask=True, **settings)
        special = encoded.pop("special_tokens_mask")
        kept = iter(word_of[: special.count(0) - len(after or ())])
        return encoded, [None if mark else next(kept, None) for mark in special]

    def _pieces(self, words: list[str]) -> tuple[list[int], list[int]]:
        """Return the token ids of the words, each tokenised alone, and the number of the word of each."""
        cut = [self.tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
        return [i for ids in cut for i in ids], [n for n, ids in enumerate(cut) for _ in ids]

    def _predicate(self, words: list[str], row: Row, where: Callable[[], str]) -> str:
        """Return the predicate's word."""
        field = self.card.inputs["predicate"]
        value = row.get(field)
        if isinstance(value, str) and value.strip():
            if value.strip().isdecimal() and value not in words:
                what = f"field '{field}' is the text '{value}', which is none of the words"
                raise UserError(what, where=where(), do="write the index of the predicate as a number, without quotes")
            return value
        if isinstance(value, bool) or not isinstance(value, int):
            do = "write the predicate, or its index as a whole number"
            raise UserError(f"field '{field}' is '{value}', neither a word nor its index", where=where(), do=do)
        if not 0 <= value < len(words):
            what = f"field '{field}' is {value}, outside the {len(words)} words"
            raise UserError(what, where=where(), do=f"use 0 to {len(words) - 1}")
        return words[value]

    def reference(self, row: Row) -> list[str]:
        return [self.labels.names[self.labels.id(tag, self.card.name)] for tag in row[self.card.label]]

    def prediction(self, row: Row, outputs: list[Any]) -> list[str | None]:
        """Return the tags of the words; those without a piece in the input are O (a word can have no piece at all), or
        null where no tag is O.
        """
        tags = [OUTSIDE if OUTSIDE in self.labels.ids else None] * len(row[self.card.inputs["tokens"]])
        for word, tag in outputs[0]["tags"].items():
            tags[word] = tag
        return tags

    def collate(self, features: list[Feature], length: int | None = None) -> dict[str, Any]:
        batch = super().collate(features, length)
        width = batch["input_ids"].shape[1]
        left = self.tokenizer.padding_side == "left"
        batch["first_pieces"] = [
            {
                word: position + (width - len(f["input_ids"]) if left else 0)
                for word, position in zip(f["words"], f["first_pieces"], strict=True)
            }
            for f in features
        ]  # per row: word -> column of its first piece
        return batch | ({"terms": int((batch["labels"] != IGNORE).sum())} if "labels" in batch else {})

    def collate_labels(self, labels: list[Any], length: int) -> torch.Tensor:
        rows = torch.full((len(labels), length), IGNORE)
        left = self.tokenizer.padding_side == "left"
        for row, ids in zip(rows, labels, strict=True):
            row[length - len(ids) if left else 0 :][: len(ids)] = torch.tensor(ids)
        return rows

    def baseline(self, training: list[list[str]], references: list[list[str]]) -> list[list[str]]:
        """Predict O everywhere, or where no tag is O, the commonest one."""
        usual = OUTSIDE
        if usual not in self.labels.ids:
            usual = Counter(tag for tags in training for tag in tags).most_common(1)[0][0]
        return [[usual] * len(tags) for tags in references]

    def explain(self, row: Row, feature: Feature) -> Explained:
        """Write pieces as `piece/tag`; those without a tag carry no loss."""
        tags = [None if label == IGNORE else self.labels.names[label] for label in feature["labels"]]
        pieces = [f"{p}/{t}" if t else p for p, t in zip(self.pieces(feature["input_ids"]), tags, strict=True)]
        words = zip(feature["words"], feature["first_pieces"], strict=True)
        return [f"tokens ({len(pieces)}): {' '.join(pieces)}"], {"tags": {word: tags[place] for word, place in words}}


class TaggingHead(Head):
    """dropout -> Linear on every token; cross-entropy over first pieces."""

    plain_class = "TokenClassification"
    smooths = weighs = True
    votes = ("mean", "majority")

    def forward(self, states: States) -> Tensor:
        assert states.last_BTD is not None  # this head reads states
        return self.out(self.dropout(states.last_BTD.float()))

    def loss(self, logits_BTC: Tensor, batch: dict[str, Any]) -> Tensor:
        return self.cross_entropy(logits_BTC.flatten(0, 1), batch["labels"].flatten())

    def terms(self, batch: dict[str, Any]) -> int:
        return batch["terms"]

    def decode(self, logits_BTC: Tensor, batch: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
        best_BT = logits_BTC.argmax(-1).tolist()
        return [
            {"tags": {word: names[tags[position]] for word, position in pieces.items()}}
            for tags, pieces in zip(best_BT, batch["first_pieces"], strict=True)
        ]
