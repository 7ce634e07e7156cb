"""Extractive question answering: the answer is a span of the context (SQuAD 1.1 and 2.0 form).

Shapes: B windows, T tokens.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ptv2.errors import UserError
from ptv2.kinds.features import Explained, Feature, Features, Row, lost, share
from ptv2.kinds.grading import SPAN
from ptv2.kinds.options import COMMON, FLAG, Option, whole
from ptv2.kinds.span.answers import OUTSIDE, answers_of, best_threshold, first_sentence, locate, merge, token_span, trim
from ptv2.metrics.qa import row_f1
from ptv2.rows.arrays import Encoded
from ptv2.rows.rows import Rows

VALIDATION = "validation"
THRESHOLD = Option(
    lambda value: value == VALIDATION or (type(value) in (int, float) and not math.isnan(value)),
    f"use a number, or {VALIDATION}",
)
OPTIONS = {
    "stride": whole(0),
    "n_best": whole(1),
    "max_answer_tokens": whole(1),
    "answerable": FLAG,
    "null_threshold": THRESHOLD,
    "find_answers": FLAG,
}


@dataclass(frozen=True)
class SpanOptions:
    """`options` of a card of this kind; the defaults are those of the official code."""

    stride: int = 128  # context tokens that two neighbouring windows share
    n_best: int = 20  # spans kept of each window
    max_answer_tokens: int = 30
    answerable: bool = False  # SQuAD 1.1: every question has an answer, so one is always given
    null_threshold: float | str = 0.0  # no answer if its score is higher by more than this; validation: see `tune`
    find_answers: bool = False  # look for an answer that is not at its offset where else it stands in the context


@dataclass(frozen=True)
class Answer:
    """What is answered to a row's question."""

    text: str  # cut from the context; empty: no answer
    start: int | None  # its first character in the context
    probability: float  # among the spans kept and, where it may be given, no answer
    null_lead: float  # score of no answer less that of the best span


class SpanFeatures(Features):
    """inputs: `question` and `context`; label: {text: [...], answer_start: [...]}, both empty where there is no answer.

    As the official code: only the context is truncated, into windows that share `stride` tokens. An answer outside the
    window, or none, is labelled with the first token, whose score is that of no answer; over the windows of a row the
    lowest counts. The first answer is the one trained on.
    """

    grading = SPAN

    roles = ("question", "context")
    answers = "passage"
    several = True
    trivial = "the first sentence, or no answer"
    limits = ("answer_cut", "answer_split")
    valid_options = COMMON | OPTIONS

    def __init__(self, card: Any, tokenizer: Any, *args: Any, **kwargs: Any):
        super().__init__(card, tokenizer, *args, **kwargs)
        given = {name: value for name, value in card.options.items() if name in OPTIONS and value is not None}
        self.options = SpanOptions(**given)
        if not tokenizer.is_fast:
            raise UserError(
                f"kind 'span' needs the offsets of a fast tokenizer, '{type(tokenizer).__name__}' has none",
                where="backbone.name",
                do="use a backbone with a tokenizer.json",
            )

    @classmethod
    def has_labels(cls) -> bool:
        return False

    # -- rows to features --------------------------------------------------------------------------------------------

    def encode(
        self, row: Row, where: Callable[[], str], labelled: bool = True, training: bool = False
    ) -> list[Feature]:
        question = self.text("question", row, where).lstrip()  # of the two, only the context is cut
        context = self.text("context", row, where)
        answers = self._answers(row, context, where, training) if labelled else []
        special = self.tokenizer.num_special_tokens_to_add(pair=True)
        asked = len(self._ids(question))
        if self.card.max_length - special - asked <= self.options.stride:
            raise UserError(
                f"a question of {asked} tokens and stride {self.options.stride} do not fit max_length "
                f"{self.card.max_length}",
                where=where(),
                do="raise max_length, lower options.stride, or shorten the question",
            )
        windows = self.tokenizer(
            question,
            context,
            truncation="only_second",
            max_length=self.card.max_length,
            stride=self.options.stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        features = []
        for i, all_offsets in enumerate(windows["offset_mapping"]):
            offsets = [
                trim(context, *offset) if part == 1 else [OUTSIDE, OUTSIDE]
                for offset, part in zip(all_offsets, windows.sequence_ids(i), strict=True)
            ]
            feature = {k: windows[k][i] for k in self.tokenizer.model_input_names if k in windows}
            feature["offsets"] = offsets
            if labelled:
                feature["labels"] = token_span(offsets, answers[0]) if answers else [0, 0]
            features.append(feature)
        if all(offset[0] == OUTSIDE for feature in features for offset in feature["offsets"]):
            raise UserError("the context has no token", where=where(), do="remove the row or give it a text")
        limits = self._out_of_reach(features, answers[:1] if training else answers, context)
        return [feature | limits for feature in features]

    def _out_of_reach(self, features: list[Feature], answers: list[list[int]], context: str) -> dict[str, int]:
        """Say why no answer can be given, if so: tokens that the shortest has too many, or 1 if all are cut."""
        most, windows = self.options.max_answer_tokens, [feature["offsets"] for feature in features]
        over, split = [], []
        for answer in answers:
            spans = [
                last - first + 1 for first, last in (token_span(w, answer) for w in windows) if (first, last) != (0, 0)
            ]
            split.append(not spans)
            over.append((min(spans) if spans else len(self._ids(context[slice(*answer)]))) - most)
            if spans and over[-1] <= 0:
                break
        return {"answer_cut": max(0, min(over, default=0)), "answer_split": int(bool(split) and all(split))}

    def notices(self, encoded: Encoded) -> list[str]:
        long, split = lost(encoded, "answer_cut"), lost(encoded, "answer_split")
        said = []
        if long:
            limit = f"max_answer_tokens={self.options.max_answer_tokens}"
            said.append(f"the answers of {share(long, encoded)} rows are longer than {limit} and cannot be given")
        if split:
            limit = f"max_length={self.card.max_length} with stride={self.options.stride}"
            said.append(f"the answers of {share(split, encoded)} rows are whole in no window of {limit}")
        return said

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]

    def _answers(self, row: Row, context: str, where: Callable[[], str], training: bool) -> list[list[int]]:
        """Find where the answers begin and end (exclusive), without spaces around them; the first one is trained on."""
        texts, starts = answers_of(row, self.card.label, where)
        if not texts and self.options.answerable:
            do = "remove the row, or set task.options.answerable=false"
            raise UserError("has no answer, and the card says that every question has one", where=where(), do=do)
        found = []
        for text, start in zip(texts, starts, strict=True):
            at = locate(text, start, context, self.options.find_answers)
            if at is not None:
                found.append(trim(context, at, at + len(text)))
            elif not self.options.find_answers:
                there = context[max(start, 0) : max(start, 0) + len(text)]
                raise UserError(
                    f"answer '{text}' is not at offset {start} of the context, where '{there}' stands",
                    where=where(),
                    do="correct answer_start (it counts characters), or look for it: task.options.find_answers=true",
                )
        if texts and not found and training:
            raise UserError(f"answer '{texts[0]}' does not stand in the context", where=where(), do="remove the row")
        return found

    def collate(self, features: list[Feature], length: int | None = None) -> dict[str, Any]:
        """Add what decoding needs: two limits, `offsets` [B, T, 2], the characters of each token of the context (-1:
        another token), and `first` [B], the column of the first token.
        """
        batch = super().collate([{k: v for k, v in f.items() if k != "labels"} for f in features], length)
        width = batch["input_ids"].shape[1]
        left = self.tokenizer.padding_side == "left"
        batch["first"] = torch.tensor([width - len(f["input_ids"]) if left else 0 for f in features])
        batch["offsets"] = torch.full((len(features), width, 2), OUTSIDE)
        for row, first, feature in zip(batch["offsets"], batch["first"].tolist(), features, strict=True):
            row[first : first + len(feature["offsets"])] = torch.tensor(feature["offsets"])
        if "labels" in features[0]:
            batch["labels"] = torch.tensor([f["labels"] for f in features]) + batch["first"][:, None]
        return batch | {"n_best": self.options.n_best, "max_answer_tokens": self.options.max_answer_tokens}

    # -- outputs to answers ------------------------------------------------------------------------------------------

    def reference(self, row: Row) -> list[str]:
        return answers_of(row, self.card.label, lambda: self.card.name)[0]

    def prediction(self, row: Row, outputs: list[Any]) -> str:
        return self.answer(row, outputs).text

    def shown(self, row: Row, outputs: list[Any]) -> dict[str, Any]:
        answer = self.answer(row, outputs)
        shown = {"answer_start": answer.start, "score": round(answer.probability, 6)}
        return shown if self.options.answerable else shown | {"null_score_diff": round(answer.null_lead, 6)}

    def answer(self, row: Row, outputs: list[Any]) -> Answer:
        """Choose the best span over the row's windows, or no answer."""
        spans, null = merge(outputs)
        start, end, score = spans[0]
        lead = null - score
        chosen = self.options.null_threshold
        threshold = outputs[0]["tuned"] if isinstance(chosen, str) else chosen  # the one text allowed is `validation`
        none = not self.options.answerable and lead > threshold
        rivals = [s for _, _, s in spans[: self.options.n_best]] + ([] if self.options.answerable else [null])
        top = max(rivals)
        total = sum(math.exp(s - top) for s in rivals)
        probability = math.exp((null if none else score) - top) / total
        if none:
            return Answer("", None, probability, lead)
        return Answer(self._context(row)[start:end], start, probability, lead)

    def tune(self, rows: Rows, outputs: dict[int, list[Any]], references: list[list[str]]) -> float | None:
        """With `null_threshold: validation`, choose the one of best F1, as the official `best_f1_thresh`."""
        if self.options.answerable or self.options.null_threshold != VALIDATION:
            return None
        leads, answered, silent = [], [], []
        for i, (row, gold) in enumerate(zip(rows, references, strict=True)):
            spans, null = merge(outputs[i])
            start, end, score = spans[0]
            leads.append(null - score)
            answered.append(row_f1(self._context(row)[start:end], gold))
            silent.append(row_f1("", gold))
        return best_threshold(leads, answered, silent)

    def guesses(self, rows: Rows, training: list[Any], references: list[list[str]]) -> list[str]:
        """Answer the first sentence of each context, or nothing: whichever scores higher on these references."""
        sentences = [first_sentence(self._context(row)) for row in rows]
        silence = [""] * len(references)
        return max(sentences, silence, key=lambda texts: sum(map(row_f1, texts, references)))

    def _context(self, row: Row) -> str:
        return self.text("context", row, lambda: self.card.name)

    def explain(self, row: Row, feature: Feature) -> Explained:
        start, end = feature["labels"]
        characters = feature["offsets"][start][0], feature["offsets"][end][1]
        pieces = " ".join(self.pieces(feature["input_ids"])[start : end + 1])
        lines = [self.tokens(feature["input_ids"])]
        silent = {"spans": [(0, 0, 0.0)], "null": 1.0, "tuned": 0.0}
        if characters[0] < 0:  # the first token is not one of the context's
            return [*lines, "label: the first token (no answer in this window)"], silent
        lines.append(f"label: tokens {start} to {end} ({pieces}), characters {characters[0]} to {characters[1]}")
        return lines, silent | {"spans": [(*characters, 1.0)], "null": 0.0}
