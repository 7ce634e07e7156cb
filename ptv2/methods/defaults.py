"""What `auto` stands for: a value for each key, by method, kind of task, training rows and backbone, with its reason.

The learning rates are the methods' own (`Method.rate`), the rest are settings that all methods of our own comparison
share (experiments/methods/table.md). `preset: official` takes the values of the paper's code instead.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ptv2.kinds import KINDS
from ptv2.methods.base import Method
from ptv2.methods.deep.rates import WRITING
from ptv2.methods.lengths import longest
from ptv2.methods.rates import STUDY

HEAD_RATE = 0.002
FORM, SLOTS = ["values", "slots"], 16
ENCODERS = {
    "bert", "roberta", "xlm-roberta", "electra", "distilbert", "albert", "modernbert", "camembert", "deberta",
    "deberta-v2",
}  # fmt: skip
"""Families of which golden tests prompt the feed-forward layers and the values."""
DECODERS = {"gpt2", "llama", "qwen3", "mistral"}
"""The same, of those that write texts."""
STEPS, EPOCHS = 400, (3, 40)
STEPS_OF_TEXTS = 200
WARMUP = 0.06


@dataclass(frozen=True)
class Choice:
    """A value that a run has chosen."""

    key: str
    value: Any
    reason: str

    def __str__(self) -> str:
        value = str(self.value).replace("'", "") if isinstance(self.value, list) else self.value
        return f"{self.key} {'null' if value is None else value}: {self.reason}"


@dataclass(frozen=True)
class Run:
    """What choices depend on."""

    methods: Mapping[str, type[Method]]  # by name; several of a union
    tasks: list[tuple[str, int]]  # kind and number of training rows
    family: str  # of the backbone
    size: Callable[[], int]  # of the backbone: its parameters
    is_decoder: bool  # that it has no encoder
    steps: Callable[[], int]  # optimizer steps an epoch
    plain: bool  # that `prompt` sets nothing which only keys and values have
    rate_is_given: bool
    forms: tuple[str, ...]  # of the prompt, as far as they are known

    @property
    def answers(self) -> set[str]:
        """What the answers of the tasks are, see `Features.answers`."""
        return {KINDS[kind].features.answers for kind, _ in self.tasks if kind in KINDS}

    @property
    def writes(self) -> bool:
        """Tell whether an answer is a text."""
        return "text" in self.answers

    @property
    def about(self) -> str:
        """What stands in a reason."""
        kinds, rows = ", ".join(sorted({kind for kind, _ in self.tasks})), sum(rows for _, rows in self.tasks)
        return f"{kinds}, {rows:,} rows"


def form(run: Run) -> Choice:
    """Choose `prompt.form`."""
    key, takes_forms = "prompt.form", all(method.takes_forms for method in run.methods.values())
    if run.rate_is_given:
        return Choice(key, "kv", "the official form, as optim.lr is given: other forms take other rates")
    if not takes_forms or not run.plain:
        return Choice(key, "kv", "the official form; others were compared without other settings")
    if run.family in DECODERS and run.writes:
        return Choice(key, FORM, f"ahead of kv on E2E in {WRITING}")
    if run.family in ENCODERS and not run.writes:
        return Choice(key, FORM, f"ahead of kv on four of five tasks of {STUDY}, level on the fifth")
    return Choice(key, "kv", "the official form; others were compared on encoders, and on decoders that write")


def length(run: Run) -> Choice:
    """Choose `prompt.length`."""
    if "slots" in run.forms:
        return Choice("prompt.length", SLOTS, f"slots in each layer, as in {STUDY}")
    positions, reasons = longest(run.tasks, run.size())
    return Choice("prompt.length", positions, "; ".join(reason.why for reason in reasons))


def rate(run: Run) -> Choice | None:
    """Choose `optim.lr`, the lowest of the methods' rates; None where one of them has none."""
    rows = sum(rows for _, rows in run.tasks)
    rates = [(name, method.rate_for(run.forms, run.answers, rows)) for name, method in run.methods.items()]
    known = [(rate.value, f"{rate.of or name}, {run.about}: {rate.source}") for name, rate in rates if rate is not None]
    return Choice("optim.lr", *min(known, key=lambda pair: pair[0])) if len(known) == len(rates) else None


def head_rate(run: Run) -> Choice:
    """Choose `optim.head_lr`; null, as `optim.lr`, where that is given or the whole backbone trains."""
    key = "optim.head_lr"
    if run.rate_is_given or any(method.trains_all for method in run.methods.values()) or run.writes:
        return Choice(key, None, "as optim.lr")
    return Choice(key, HEAD_RATE, f"for all methods beside full in {STUDY}")


def epochs(run: Run) -> Choice:
    """Choose `trainer.max_epochs`: as many as make the steps of our comparisons, within limits."""
    least, most = EPOCHS
    wanted = STEPS_OF_TEXTS if run.writes else STEPS
    steps = run.steps()
    value = min(most, max(least, round(wanted / steps)))
    why = f"about {wanted} steps ({steps:,} an epoch), at least {least} epochs and at most {most}"
    return Choice("trainer.max_epochs", value, why)


def pooling(run: Run) -> Choice:
    """Choose `head.pooling`."""
    if run.is_decoder:
        return Choice("head.pooling", "last", "the last token of a decoder has read all others")
    return Choice("head.pooling", "mean", "as in all of our comparisons; random prompts start lower at the first token")


def backbone_dropout(run: Run) -> Choice:
    """Choose `backbone.dropout`."""
    return Choice("backbone.dropout", 0.0, f"the frozen layers do not overfit; as in {STUDY}")


def prompt_dropout(run: Run) -> Choice:
    """Choose `prompt.dropout`."""
    return Choice("prompt.dropout", 0.0, f"as in {STUDY}; level with 0.1 in experiments/shape/dropout/table.md")


def warmup(run: Run) -> Choice:
    """Choose `optim.warmup`."""
    return Choice("optim.warmup", WARMUP, f"a proportion of all steps, as in {STUDY}")
