"""Predictions as the SuperGLUE server takes them: a zip with a file of JSON lines for each of its ten tasks.

Source of the form: super.gluebenchmark.com/faq, and what jiant's benchmark formatter writes. Labels are words (of
BoolQ and WiC `true` and `false`, of WSC `True` and `False`), a choice of COPA is a number, answers of MultiRC are
nested below their paragraph and question, and those of ReCoRD are texts under the number of their query.
"""

import json
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from ptv2.errors import UserError, nearest
from ptv2.model.predictions import Record

Lines = list[dict[str, Any]]


def _named(*names: str, lower: bool = False) -> Callable[[list[Record]], Lines]:
    """Make a form whose labels are these names."""

    def lines(records: list[Record]) -> Lines:
        for record in records:
            if record["prediction"] not in names:
                what = f"row {record['row']}: '{record['prediction']}' is none of the labels {', '.join(names)}"
                raise UserError(what, do="answer with an artifact whose label names are those of the published card")
        words = [str(record["prediction"]) for record in records]
        return [
            {"idx": r["idx"], "label": word.lower() if lower else word} for r, word in zip(records, words, strict=True)
        ]

    return lines


def _copa(records: list[Record]) -> Lines:
    return [{"idx": record["idx"], "label": int(record["prediction"]["index"])} for record in records]


def _multirc(records: list[Record]) -> Lines:
    paragraphs: dict[int, dict[int, Lines]] = {}
    for record in records:
        idx, label = record["idx"], int(record["prediction"] in ("True", 1, True))
        answers = paragraphs.setdefault(idx["paragraph"], {}).setdefault(idx["question"], [])
        answers.append({"idx": idx["answer"], "label": label})
    return [
        {
            "idx": paragraph,
            "passage": {"questions": [{"idx": question, "answers": answers} for question, answers in found.items()]},
        }
        for paragraph, found in paragraphs.items()
    ]


def _record(records: list[Record]) -> Lines:
    return [{"idx": record["idx"]["query"], "label": record["prediction"]} for record in records]


ENTAILS = _named("entailment", "not_entailment")
FORMS: dict[str, tuple[str, Callable[[list[Record]], Lines]]] = {
    "boolq": ("BoolQ", _named("False", "True", lower=True)),
    "cb": ("CB", _named("entailment", "contradiction", "neutral")),
    "copa": ("COPA", _copa),
    "multirc": ("MultiRC", _multirc),
    "record": ("ReCoRD", _record),
    "rte": ("RTE", ENTAILS),
    "wic": ("WiC", _named("False", "True", lower=True)),
    "wsc": ("WSC", _named("False", "True")),
    "axb": ("AX-b", ENTAILS),
    "axg": ("AX-g", ENTAILS),
}
"""Last part of a card's name -> name of its file, and what writes its lines."""


class SuperglueZip:
    """Take records one by one and put them into a zip: `with SuperglueZip(path, cards) as file: file.add(record)`.

    A zip that is there already keeps the files of other tasks. Where an error ends the block, it stays as it was.

    Args:
        path: of the zip.
        cards: name of each task -> name of its card, whose last part says the file.
        name: of the file instead, e.g. AX-b, which a model of RTE answers; None: as the card says.

    Raises:
        UserError: no zip, an unknown name, a card of another benchmark, rows without `idx`, unknown labels.
    """

    def __init__(self, path: Path, cards: Mapping[str, str], name: str | None = None):
        if path.suffix.lower() != ".zip":
            raise UserError(f"'{path.suffix}' is no ending of a zip", where=path, do="end it in .zip")
        known = {file: key for key, (file, _) in FORMS.items()}
        if name is not None and name not in known:
            raise UserError(f"no file '{name}' in a submission", where="--superglue-name", do=nearest(name, known))
        self.path, self.records = path, dict[str, list[Record]]()
        self.forms = {task: known[name] if name else card.rpartition("/")[2] for task, card in cards.items()}
        for task, form in self.forms.items():
            if form not in FORMS:
                do = f"SuperGLUE has {', '.join(FORMS)}; or name the file with --superglue-name"
                raise UserError(f"its card '{cards[task]}' is no task of SuperGLUE", where=f"task '{task}'", do=do)
        self.said = ""

    def __enter__(self) -> "SuperglueZip":
        return self

    def add(self, record: Record) -> None:
        """Take the next record."""
        task = record["task"] if len(self.forms) > 1 else next(iter(self.forms))
        if "idx" not in record:
            raise UserError("has no field idx, by which the server knows it", where=f"row {record['row']}")
        self.records.setdefault(self.forms[task], []).append(record)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self._write()

    def _write(self) -> None:
        made = {f"{FORMS[form][0]}.jsonl": _lines_of(form, records) for form, records in self.records.items()}
        part = self.path.with_name(f"{self.path.name}.part")
        try:
            with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as file:
                for name, text in (self._kept(made) | made).items():
                    file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
                held = set(file.namelist())
            part.replace(self.path)
        except OSError as error:
            what = f"cannot be written ({error.strerror})"
            raise UserError(what, where=self.path, do="choose another file") from error
        finally:
            part.unlink(missing_ok=True)
        missing = [f"{file}.jsonl" for file, _ in FORMS.values() if f"{file}.jsonl" not in held]
        self.said = f"{self.path}: {', '.join(made)}" + (f"; not in it yet: {', '.join(missing)}" if missing else "")

    def _kept(self, made: Mapping[str, str]) -> dict[str, str]:
        """Read what a zip that is there holds of other tasks."""
        if not self.path.exists():
            return {}
        try:
            with zipfile.ZipFile(self.path) as file:
                return {name: file.read(name).decode() for name in file.namelist() if name not in made}
        except (zipfile.BadZipFile, UnicodeDecodeError) as error:
            raise UserError("is no zip of a submission", where=self.path, do="choose another file") from error


def _lines_of(form: str, records: list[Record]) -> str:
    """Write the lines of a task.

    Raises:
        UserError: a row occurs twice, or answer or idx are not of its form.
    """
    file, lines = FORMS[form]
    keys = [json.dumps(record["idx"], sort_keys=True) for record in records]
    if len(set(keys)) < len(keys):
        twice = Counter(keys).most_common(1)[0][0]
        raise UserError(f"idx {twice} occurs twice", where=f"{file}.jsonl", do="give each row once")
    try:
        made = lines(records)
    except (TypeError, KeyError, ValueError) as error:
        what = f"its answers or idx are not those of {file} ({type(error).__name__}: {error})"
        raise UserError(what, where=f"{file}.jsonl", do="give the published rows") from error
    except UserError as error:
        raise UserError(str(error), where=f"{file}.jsonl") from error
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in made)
