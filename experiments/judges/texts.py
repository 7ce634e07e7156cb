"""BLEU, chrF and ROUGE beside the command lines of sacrebleu and rouge-score, on files that both read."""

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean

from experiments.judges.judge import Case, Judge
from experiments.judges.sources import read
from ptv2.metrics.split import Split
from ptv2.metrics.table import score
from ptv2.metrics.text import bleu_settings

ROUGE = {"rouge1": "rouge1", "rouge2": "rouge2", "rouge_l": "rougeL"}
ROWS, MOST = 500, 3  # texts of a set, and references of one


def sets() -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Yield name, predictions and references; a prediction is another row's text, or the beginning of the source."""
    by_meaning: dict[str, list[str]] = {}
    for row in read("e2e_nlg", "test"):
        by_meaning.setdefault(row["meaning_representation"], []).append(row["human_reference"])
    texts = [references for references in by_meaning.values() if len(references) >= MOST][:ROWS]
    for count in (1, MOST):
        name = "E2E" if count == 1 else f"E2E, {count} references"
        yield name, [texts[i - 1][0] for i in range(len(texts))], [references[:count] for references in texts]
    rows = read("dialogsum", "test", ROWS)
    yield "DialogSum", [" ".join(row["dialogue"].split()[:30]) for row in rows], [[row["summary"]] for row in rows]
    rows = read("xsum", "test", ROWS)
    yield "XSum", [row["document"].partition("\n")[0] for row in rows], [[row["summary"]] for row in rows]


def sacrebleu_scores(folder: Path, references: int, tokenizer: str) -> dict[str, float]:
    """Run sacrebleu's command on the files of a folder."""
    files = [str(folder / f"ref{i}") for i in range(references)]
    line = [sys.executable, "-m", "sacrebleu", *files, "-i", str(folder / "pred"), "-m", "bleu", "chrf", "-w", "12"]
    done = subprocess.run([*line, "-tok", tokenizer, "-f", "json"], capture_output=True, text=True, check=True)
    return {found["name"].lower().removesuffix("2"): found["score"] / 100 for found in json.loads(done.stdout)}


def rouge_scores(folder: Path) -> dict[str, float]:
    """Run rouge-score's command on the first references: a line of its file is a row; the mean is ours."""
    line = [sys.executable, "-m", "rouge_score.rouge", f"--target_filepattern={folder / 'ref0'}"]
    line += [f"--prediction_filepattern={folder / 'pred'}", f"--output_filename={folder / 'rouge.csv'}"]
    line += ["--use_stemmer=true", "--aggregate=false", f"--rouge_types={','.join(ROUGE.values())}"]
    subprocess.run(line, capture_output=True, text=True, check=True)
    with (folder / "rouge.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {name: mean(float(row[f"{key}-F"]) for row in rows) for name, key in ROUGE.items()}


def write(folder: Path, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """Write a text a line: predictions, and one file for each reference of a row."""
    columns = {"pred": predictions} | {f"ref{i}": column for i, column in enumerate(zip(*references, strict=True))}
    for name, texts in columns.items():
        (folder / name).write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")


def cases() -> Iterator[Case]:
    for name, predictions, references in sets():
        predictions = [" ".join(text.split()) for text in predictions]
        references = [[" ".join(text.split()) for text in refs] for refs in references]
        split, of = Split(predictions, references, language="en"), f"{len(predictions):,} texts"
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            write(folder, predictions, references)
            theirs = sacrebleu_scores(folder, len(references[0]), bleu_settings(split)["tokenizer"])
            theirs |= rouge_scores(folder) if len(references[0]) == 1 else {}
        for metric, value in score(list(theirs), split).items():
            yield Case(f"{name}: {metric}", of, theirs[metric], value)


JUDGE = Judge(
    "their commands",
    "Generated text: sacrebleu and rouge-score",
    "Corpus BLEU and chrF, and ROUGE with stemming, averaged over the rows of its file, which has six decimals. "
    "Predictions are texts at hand: another row's reference, or the beginning of the source.",
    ("sacrebleu", "rouge-score"),
    1e-6,
    cases,
)
