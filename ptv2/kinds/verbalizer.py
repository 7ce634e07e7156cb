"""Classification by a template and a verbalizer: which of the labels' words the language model expects at the mask.

P-Tuning (Liu et al. 2021, "GPT Understands, Too"), after PET (Schick & Schütze 2021).

Shapes: B batch, T tokens, V vocabulary, C classes, L words of the label that has most.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ptv2.backbone import Backbone, States, space_before
from ptv2.config.places import WHERE, Piece, parse_template
from ptv2.config.schema import HeadConfig
from ptv2.errors import UserError, nearest
from ptv2.kinds.cls import ClsFeatures, ClsHead
from ptv2.kinds.cut import shortened
from ptv2.kinds.features import Explained, Feature, Features, Row
from ptv2.kinds.options import FILLED, SETTINGS
from ptv2.kinds.templates import Part

WORDS = "ptuning.verbalizer"
OPTIONS = {**ClsFeatures.valid_options, "template": FILLED, "verbalizer": SETTINGS}


@dataclass(frozen=True)
class Mark(Part):
    """A part of a text that is no words: virtual tokens, or the mask."""

    virtual: int = 0
    mask: bool = False


def _text(word: object) -> str:
    """Return a word or a label's name of a verbalizer as text.

    Raises:
        UserError: it is something else; YAML reads yes, no, on and off as true and false.
    """
    if isinstance(word, bool):
        do = 'put yes, no, on, off, true and false in quotes, e.g. ["yes"]'
        raise UserError(f"{str(word).lower()} stands where a word should", where=WORDS, do=do)
    if not isinstance(word, str | int | float):
        raise UserError(f"{word!r} stands where a word should", where=WORDS, do="give a word, or a list of words")
    return str(word)


class TemplateFeatures(ClsFeatures):
    """inputs: `text` and, for pairs, `pair`, at the places that `options.template` names; label: one of `labels`.

    `options.verbalizer` has one or several words per label, each one token: {positive: [great, good], negative: bad};
    without it, they are the label names. Words between virtual tokens, the mask and the ends are tokenised together. A
    causal language model has no mask: its answer is the next word, so the template ends there.
    """

    version = 1
    valid_options = OPTIONS

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.mask_id = cast("int | None", self.tokenizer.mask_token_id)
        self.template = self._resolved(parse_template(self.card.options["template"]))
        self.first, self.last = _ends(self.tokenizer)
        at = next(i for i, piece in enumerate(self.template) if piece.mask)
        if self.mask_id is None and at < len(self.template) - 1:
            what = "the backbone has no mask token: its answer is the next word, and the template goes on behind {mask}"
            raise UserError(what, where=WHERE, do="put {mask} at the end")
        before = self.template[at - 1] if at else Piece()
        spaced = before.words[-1:].isspace()
        self.words = self._words(space_before(self.tokenizer) if spaced else "")

    def _resolved(self, template: list[Piece]) -> list[Piece]:
        """Return the template with its inputs under the names of their roles."""
        inputs = self.card.inputs
        role_of = {field: role for role, field in inputs.items() if "{" not in field} | {role: role for role in inputs}
        pieces = []
        for piece in template:
            if piece.name is not None and piece.name not in role_of:
                known = nearest(piece.name, [*role_of, "mask", "prompt:3"])
                raise UserError(f"'{{{piece.name}}}' is no input of card '{self.card.name}'", where=WHERE, do=known)
            pieces.append(piece if piece.name is None else Piece(name=role_of[piece.name]))
        for role in inputs:
            if all(piece.name != role for piece in pieces):
                what = f"the template does not read the input '{role}' of card '{self.card.name}'"
                raise UserError(what, where=WHERE, do=f"put {{{role}}} into it")
        return pieces

    def _words(self, space: str) -> list[list[int]]:
        """Return the ids of each label's words."""
        names = self.labels.names
        given = self.card.options.get("verbalizer") or {name: name for name in names}
        given = {_text(label): words if isinstance(words, list) else [words] for label, words in given.items()}
        for label in given:
            if label not in names:
                what = f"unknown label '{label}' for card '{self.card.name}'"
                raise UserError(what, where=WORDS, do=nearest(label, names))
        for label in names:
            if not given.get(label) or any(word is None or not str(word).strip() for word in given[label]):
                what = f"label '{label}' of card '{self.card.name}' has no words"
                raise UserError(what, where=WORDS, do=f"write e.g. {{{label}: [good, great]}}")
        words = [[self._word(_text(word), label, space) for word in given[label]] for label in names]
        alike: dict[frozenset[int], str] = {}
        for label, ids in zip(names, words, strict=True):
            if (other := alike.setdefault(frozenset(ids), label)) != label:
                what = f"labels '{other}' and '{label}' have the same words, so their scores are always equal"
                raise UserError(what, where=WORDS, do="give each words of its own")
        return words

    def _word(self, word: str, label: str, space: str) -> int:
        ids = self.tokenizer(space + word, add_special_tokens=False)["input_ids"]
        if len(ids) != 1:
            pieces = " ".join(self.tokenizer.convert_ids_to_tokens(ids))
            what = f"the word '{word}' of label '{label}' is {len(ids)} tokens, not one: {pieces}"
            raise UserError(what, where=WORDS, do="use words of one token")
        if ids[0] == self.tokenizer.unk_token_id:
            what = f"the word '{word}' of label '{label}' is not in the backbone's vocabulary"
            raise UserError(what, where=WORDS, do="use another word")
        return ids[0]

    def encode(
        self, row: Row, where: Callable[[], str], labelled: bool = True, training: bool = False
    ) -> list[Feature]:
        text: list[Part] = []
        for piece in self.template:
            if piece.name is not None:
                text += self.parts(piece.name, row, where)
            elif piece.words:
                text.append(Part(piece.words))
            else:
                text.append(Mark("", None, piece.virtual, piece.mask))
        feature = self._placed(text)
        whole = len(feature["input_ids"])
        if (over := whole - self.card.max_length) > 0:
            (text,) = shortened(
                self.tokenizer,
                [text],
                over,
                self.card.options.get("truncate"),
                lambda texts: len(self._placed(texts[0])["input_ids"]) - self.card.max_length,
            )
            feature = self._placed(text)
            if (length := len(feature["input_ids"])) > self.card.max_length:
                what = f"the template alone takes {length} tokens, and max_length is {self.card.max_length}"
                raise UserError(what, where=self.card.name, do="raise max_length")
        feature["cut"] = whole - len(feature["input_ids"])
        if labelled:
            feature["labels"] = self._label(row, where)
        return [feature]

    def _placed(self, text: Sequence[Part]) -> Feature:
        """Encode a filled template; `virtual` are the columns of the virtual tokens, `answer_at` that of the answer."""
        ids, virtual, words = list(self.first), [], ""
        answer_at = None
        for i, part in enumerate([*text, Mark("")]):
            if not isinstance(part, Mark):
                words += part.text.lstrip() if i == 0 else part.text
                continue
            if words.strip():
                ids += self.tokenizer(words.rstrip(), add_special_tokens=False, verbose=False)["input_ids"]
            words = ""
            virtual += range(len(ids), len(ids) + part.virtual)
            ids += [self._filler()] * part.virtual
            if part.mask and self.mask_id is not None:
                answer_at = len(ids)
                ids.append(self.mask_id)
        if self.mask_id is not None:
            ids += self.last
        feature = {"input_ids": ids, "attention_mask": [1] * len(ids), "virtual": virtual}
        if "token_type_ids" in self.tokenizer.model_input_names:
            feature["token_type_ids"] = [0] * len(ids)
        return feature | {"answer_at": len(ids) - 1 if answer_at is None else answer_at}

    def _filler(self) -> int:
        """Return the id that stands at virtual tokens; its embedding is not read."""
        unknown = self.tokenizer.unk_token_id
        return cast(int, self.tokenizer.pad_token_id if unknown is None else unknown)

    def collate(self, features: list[Feature], length: int | None = None) -> dict[str, Any]:
        """Collate as usual, with `virtual_BT`, true at virtual tokens, and `answer_at_B`, the column of the answer."""
        batch = super().collate(features, length)
        batch["virtual_BT"] = torch.zeros_like(batch["input_ids"], dtype=torch.bool)
        for row, feature in enumerate(features):
            batch["virtual_BT"][row, feature["virtual"]] = True
        batch["answer_at_B"] = torch.tensor([feature["answer_at"] for feature in features])
        return batch

    def explain(self, row: Row, feature: Feature) -> Explained:
        lines, output = super().explain(row, feature)
        pieces = self.pieces(feature["input_ids"])
        for place, column in enumerate(feature["virtual"]):
            pieces[column] = f"[P{place}]"
        return [f"tokens ({len(pieces)}): {' '.join(pieces)}", *lines[1:]], output


def _ends(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the special tokens in front of a text and behind it."""
    whole, bare = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)["input_ids"]
    at = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
    return whole[:at], whole[at + len(bare) :]


class VerbalizerHead(ClsHead):
    """A label's logit is the mean of its words' logits at the mask; cross-entropy over labels."""

    reads = "answer"

    def __init__(self, config: HeadConfig, backbone: Backbone, classes: int):
        nn.Module.__init__(self)  # no layer of its own
        self.label_smoothing = config.label_smoothing
        self.register_buffer("class_weights", None, persistent=False)
        self.words_CL: Tensor
        self.real_CL: Tensor
        self.causal = backbone.is_causal

    def take(self, features: Features) -> None:
        """Take the words of the labels from the task's features."""
        features = cast(TemplateFeatures, features)
        if self.causal and features.mask_id is not None:
            what = "the backbone is causal, and its tokenizer has a mask token"
            raise UserError(what, where="backbone.name", do="use another backbone")
        words = [torch.tensor(ids) for ids in features.words]
        self.register_buffer("words_CL", pad_sequence(words, batch_first=True), persistent=False)
        real_CL = pad_sequence([torch.ones(len(ids)) for ids in words], batch_first=True)
        self.register_buffer("real_CL", real_CL, persistent=False)

    def forward(self, states: States) -> Tensor:
        assert states.logits_BTV is not None  # this head reads the logits at one place
        words_BCL = states.logits_BTV[:, 0].float()[:, self.words_CL]
        return (words_BCL * self.real_CL).sum(-1) / self.real_CL.sum(-1)
