"""Text generation: a target text for a source text, by an encoder-decoder or a decoder-only model.

Shapes: B batch, T tokens (of the target; of source and target where they are one sequence), V words.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from transformers import GenerationConfig

from ptv2.backbone import Backbone, Injection, States
from ptv2.config.schema import HeadConfig
from ptv2.errors import Joint, UserError, nearest
from ptv2.kinds.features import IGNORE, Explained, Feature, Features, Row
from ptv2.kinds.grading import SEQ2SEQ
from ptv2.kinds.head import Head
from ptv2.kinds.options import COMMON, CUT, FIELD, NUMBERS, RESERVED, SETTINGS, TEXT, check_options, whole
from ptv2.kinds.templates import Part, value_at
from ptv2.rows.arrays import Encoded, counts
from ptv2.rows.labels import missing
from ptv2.rows.rows import Rows
from ptv2.rows.table import Table


class Seq2SeqFeatures(Features):
    """inputs: `source`; label: a text, or a list of reference texts (dotted where nested: `annotations.text`).

    A decoder-only model reads source, separator, target and end of text in one sequence, with the loss on the target
    alone; an encoder-decoder has them apart. Training rows with several references become one feature each. Options:
    `max_target_length` (64), `separator` (decoder-only, a line break), `group_by`: a field whose equal values are one
    row with several references when scored (E2E lists one reference a row), `references`: a field with all references
    of a row that is scored, where the row has it (DialogSum's test), `generation`: settings of transformers'
    `generate`.
    """

    grading = SEQ2SEQ

    roles = ("source",)
    answers = "text"
    several = True
    trivial = "the training text of median length"
    limits = ("cut", "target_cut")
    valid_options = (
        COMMON
        | CUT
        | {
            "max_target_length": whole(2),  # tokens, the end of the text included
            "separator": TEXT,
            "group_by": FIELD,
            "references": FIELD,
            "generation": SETTINGS,
        }
    )

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.decoder_only and self.tokenizer.eos_token_id is None:
            what = "the tokenizer names no token for the end of a text"
            raise UserError(what, where="backbone.name", do="name its eos_token in tokenizer_config.json")
        self.generation()  # what cannot be is refused before anything is read

    @classmethod
    def has_labels(cls) -> bool:
        return False

    def prepare(self, rows: Rows) -> Rows:
        """Make the rows to score: those of one group become one, with all references."""
        field = self.card.options.get("group_by")
        if field is None or rows.split == "train":
            return rows
        if field not in rows.data.column_names:
            do = nearest(field, rows.data.column_names)
            raise UserError(f"no column '{field}'", where=f"{self.card.name}.options.group_by", do=do)
        references: dict[str, list[Any]] = {}
        first: dict[str, int] = {}
        for index, row in enumerate(rows):
            group = repr(index if missing(row[field]) else (row[field],))  # a row without one stands alone
            target = value_at(row, self.card.label)
            first.setdefault(group, index)
            references.setdefault(group, []).extend(target if isinstance(target, list) else [target])
        grouped = rows.select(list(first.values()))
        together = zip(grouped, references.values(), strict=True)
        return grouped.with_data(Table(row | {self.card.label: texts} for row, texts in together))

    def encode(
        self, row: Row, where: Callable[[], str], labelled: bool = True, training: bool = False
    ) -> list[Feature]:
        source = self.parts("source", row, where)
        targets = self._targets(row, where) if labelled else [None]
        more = self.card.options.get("references")
        if labelled and more and value_at(row, more):
            self._texts(value_at(row, more), more, where)
        return [self._feature(source, target) for target in (targets if training else targets[:1])]

    def extent(self, encoded: Encoded) -> tuple[np.ndarray, list[np.ndarray]]:
        texts, widths = super().extent(encoded)
        return texts, widths if self.decoder_only else [*widths, counts(encoded, "labels")]

    def _targets(self, row: Row, where: Callable[[], str]) -> list[str]:
        return self._texts(value_at(row, self.card.label), self.card.label, where)

    def _texts(self, value: Any, field: str, where: Callable[[], str]) -> list[str]:
        targets = [_text(target) for target in (value if isinstance(value, list) else [value])]
        bad = [i for i, text in enumerate(targets, start=1) if not isinstance(text, str) or not text.strip()]
        if bad or not targets:
            which = f" in text {bad[0]} of {len(targets)}" if len(targets) > 1 else ""
            is_empty = not targets or targets[bad[0] - 1] is None or isinstance(targets[bad[0] - 1], str)
            what = f"field '{field}' is {'empty' if is_empty else 'no text'}{which}"
            raise UserError(what, where=where(), do="give it a target text")
        return targets

    def _feature(self, source: list[Part], target: str | None) -> Feature:
        longest = self.longest_target()
        if not self.decoder_only:
            feature = self.fitted(source)
            if target is not None:
                ids = self.tokenizer(text_target=target)["input_ids"]
                end = ids[-1:] if ids[-1:] == [self.tokenizer.eos_token_id] else []
                cut = max(0, len(ids) - longest)
                feature |= {"labels": ids[: longest - len(end)] + end if cut else ids, "target_cut": cut}
            return feature
        separator = self.card.options.get("separator")
        separator = self.tokenizer("\n" if separator is None else separator, add_special_tokens=False)["input_ids"]
        room = self.card.max_length - len(separator)
        if room < 1:
            problem = f"the separator is {len(separator)} tokens long, max_length {self.card.max_length}"
            raise UserError(problem, where=self.card.name, do="raise max_length: no tokens are left for the source")
        read = self.fitted(source, room=room)
        ids = read["input_ids"]
        ids = (ids[:-1] if ids[-1:] == [self.tokenizer.eos_token_id] else ids) + separator
        feature = {"input_ids": ids, "attention_mask": [1] * len(ids), "source_length": len(ids), "cut": read["cut"]}
        if target is not None:
            text = self.tokenizer(target, add_special_tokens=False)["input_ids"]
            kept = [*text[: longest - 1], self.tokenizer.eos_token_id]
            feature |= {
                "input_ids": ids + kept,
                "attention_mask": [1] * (len(ids) + len(kept)),
                "labels": [IGNORE] * len(ids) + kept,
                "target_cut": max(0, len(text) + 1 - longest),
            }
        return feature

    def longest(self) -> int:
        target = max(self.longest_target(), self.generation()["max_new_tokens"])
        return self.card.max_length + target if self.decoder_only else max(self.card.max_length, target)

    def longest_target(self) -> int:
        """Return the largest number of tokens of a target, its end included."""
        return self.card.options.get("max_target_length") or 64

    def generation(self) -> dict[str, Any]:
        """Make the settings of transformers' `generate`: as long as the longest target, the rest from the card.

        Raises:
            UserError: a setting that `generate` does not know, or that a card cannot give.
        """
        tokenizer, given = self.tokenizer, dict(self.card.options.get("generation") or {})
        valid = {name for name in vars(GenerationConfig()) if not name.startswith("_")} - set(RESERVED)
        where = f"{self.card.name}.options.generation"
        for name in given:
            if name not in valid:
                raise UserError(f"no setting '{name}'", where=where, do=RESERVED.get(name) or nearest(name, valid))
        check_options({name: value for name, value in given.items() if name in NUMBERS}, NUMBERS, where)
        settings = {"max_new_tokens": self.longest_target(), "do_sample": False, "num_beams": 1}
        ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
        settings |= {name: value for name, value in ids.items() if value is not None}
        settings |= {name: value for name, value in given.items() if value is not None}
        try:
            GenerationConfig(**settings)
        except (ValueError, TypeError, AttributeError) as error:
            raise UserError(f"impossible settings ({error})", where=where, do="correct them") from error
        return settings

    def notices(self, encoded: Encoded) -> list[str]:
        said = super().notices(encoded)
        if "target_cut" in encoded.column_names and (cut := sum(map(bool, encoded["target_cut"][:]))):
            longest = self.longest_target()
            said.append(f"{cut} of {len(encoded)} targets are longer than max_target_length={longest} and were cut")
        return said

    def reference(self, row: Row) -> list[str]:
        more = self.card.options.get("references")
        value = (value_at(row, more) if more else None) or value_at(row, self.card.label)
        return [_text(target) for target in (value if isinstance(value, list) else [value])]

    def prediction(self, row: Row, outputs: list[Any]) -> str:
        return outputs[0].get("text", "")

    def shown(self, row: Row, outputs: list[Any]) -> dict[str, Any]:
        """Return the text under a name that says that the model wrote it; none where no metric needed one."""
        return {"generated": outputs[0]["text"]} if "text" in outputs[0] else {}

    def side(self, row: Row, outputs: list[Any]) -> dict[str, Any]:
        """Return the log-likelihood of the first reference, for perplexity, and the group."""
        likelihood = {key: outputs[0][key] for key in ("nll", "tokens") if outputs and key in outputs[0]}
        return super().side(row, outputs) | likelihood

    def baseline(self, training: list[list[str]], references: list[list[str]]) -> list[str]:
        """Predict the training reference of median length, for every row."""
        texts = sorted((refs[0] for refs in training), key=len)
        return [texts[len(texts) // 2]] * len(references)

    def collate(self, features: list[Feature], length: int | None = None) -> dict[str, Any]:
        """Collate training inputs padded on the right; for decoder-only also the sources alone, padded on the left."""
        pad = cast(int, self.tokenizer.pad_token_id)  # a backbone's tokenizer has one
        batch: dict[str, Any] = {
            "input_ids": self._pad([f["input_ids"] for f in features], pad, length=length),
            "attention_mask": self._pad([f["attention_mask"] for f in features], 0, length=length),
            "row": torch.tensor([f["row"] for f in features]),
        }
        if "labels" in features[0]:
            same = length if self.decoder_only else None
            batch["labels"] = self._pad([f["labels"] for f in features], IGNORE, length=same)
            batch["terms"] = int(predicted(batch["labels"], self.decoder_only).sum())
        if self.decoder_only:
            sources = [f["input_ids"][: f["source_length"]] for f in features]
            batch["source_ids"] = self._pad(sources, pad, left=True)
            batch["source_mask"] = self._pad([[1] * len(ids) for ids in sources], 0, left=True)
        return batch

    @staticmethod
    def _pad(rows: list[list[int]], value: int, left: bool = False, length: int | None = None) -> torch.Tensor:
        width = max(max(map(len, rows)), length or 0)
        pads = [[value] * (width - len(row)) for row in rows]
        return torch.tensor([pad + row if left else row + pad for row, pad in zip(rows, pads, strict=True)])

    def explain(self, row: Row, feature: Feature) -> Explained:
        ids = [label for label in feature["labels"] if label != IGNORE]
        source = feature["input_ids"][: feature.get("source_length")]
        lines = [self.tokens(source, "source, tokens"), self.tokens(ids, "target, tokens")]
        text = cast(str, self.tokenizer.decode(ids, skip_special_tokens=True))  # a list only of several sequences
        return lines, {"text": text.strip()}


def predicted(labels_BT: Tensor, decoder_only: bool) -> Tensor:
    """Tell which labels are predicted: nothing stands before a decoder-only model's first."""
    return (labels_BT[:, 1:] if decoder_only else labels_BT) != IGNORE


def _text(target: Any) -> Any:
    """Write a number as its text; true and false are not numbers."""
    return str(target) if isinstance(target, (int, float)) and not isinstance(target, bool) else target


class Seq2SeqHead(Head):
    """The mean of what the backbone finds the target's tokens cost; text by `generate`, with the family's cache."""

    reads, asks = "logits", "targets"  # a head of your own that reads logits sets `asks` to None

    def __init__(self, config: HeadConfig, backbone: Backbone, classes: int):
        nn.Module.__init__(self)  # no layer of its own
        self.decoder_only = not backbone.is_encoder_decoder
        self.settings: dict[str, Any] = {}  # of transformers' `generate`, from the card

    def forward(self, states: States) -> Tensor | None:
        """Return the negative log-likelihood of each target token; None for rows without a target."""
        return states.nll_BT

    def loss(self, nll_BT: Tensor, batch: dict[str, Any]) -> Tensor:
        return nll_BT.sum() / self.terms(batch)

    def terms(self, batch: dict[str, Any]) -> int:
        return batch["terms"]

    def decode(self, nll_BT: Tensor | None, batch: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
        """Sum the negative log-likelihood of each row's target in float64, and count its tokens."""
        if "labels" not in batch:
            return [{} for _ in batch["row"]]
        assert nll_BT is not None  # only rows without a target have none
        counts = predicted(batch["labels"], self.decoder_only).sum(1).tolist()
        sums = nll_BT.cpu().double().sum(1).tolist()  # not every device has float64
        return [{"nll": nll, "tokens": n} for nll, n in zip(sums, counts, strict=True)]

    def generate(self, backbone: Backbone, prompts: Injection, batch: dict[str, Any]) -> list[str]:
        """Generate a text for each row's source."""
        ids_BT = self.generate_ids(backbone, prompts, batch, self.settings)
        texts = backbone.tokenizer.batch_decode(ids_BT, skip_special_tokens=True)
        return [text.strip() for text in texts]

    def generate_ids(
        self, backbone: Backbone, prompts: Injection, batch: dict[str, Any], settings: dict[str, Any]
    ) -> Tensor:
        """Generate the ids [B, T] of a text for each row's source.

        Raises:
            Joint: `generate` refuses the settings.
        """
        if self.decoder_only:
            inputs = {"input_ids": batch["source_ids"], "attention_mask": batch["source_mask"]}
        else:
            inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
        settings = settings | ({"tokenizer": backbone.tokenizer} if "stop_strings" in settings else {})
        device, sampling = inputs["input_ids"].device, bool(settings.get("do_sample"))
        # The seed is the rows' own: what was written can be written again, and training continues undisturbed.
        with torch.random.fork_rng([device] if device.type == "cuda" else [], enabled=sampling):
            if sampling:
                torch.manual_seed(int(batch["row"][0]))
            try:
                return backbone.generate(inputs, prompts, settings)
            except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
                # transformers looks at some values only when it generates
                what = f"`generate` refuses these settings ({error})"
                raise Joint(what, where="task.options.generation", do="correct them") from error
