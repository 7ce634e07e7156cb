"""What to try where a run is no better than the trivial answer: settings, and the tables of ours that speak for them.

Each is a rule, in the order in which they are worth trying; the first three that hold are said. A row of a table stands
here as it stands in its file under experiments/ (a test compares them).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from ptv2.config.schema import Config
from ptv2.data.taskdata import TaskData
from ptv2.kinds import KINDS
from ptv2.methods import Method, method_named
from ptv2.methods.lengths import FEW_ROWS, Reason
from ptv2.methods.rates import STUDY as METHODS
from ptv2.methods.rates import Rate
from ptv2.metrics.table import METRICS, goodness

KINDS_STUDY = "experiments/kinds/table.md"
TRANSFER, VARIANTS = "experiments/transfer/table.md", "experiments/transfer/variants/table.md"
TRIED = 3


@dataclass(frozen=True)
class Facts:
    """What a rule may ask for."""

    config: Config
    kind: str
    rows: int  # for training

    @property
    def method(self) -> type[Method]:
        return method_named(self.config.method)

    @property
    def rate(self) -> Rate | None:
        """What is known of the rates of the method, where it trains alone."""
        return self.method.rate_for(self.config.prompt.forms, {self.answers} - {"text"}, self.rows)

    @property
    def answers(self) -> str:
        return KINDS[self.kind].features.answers


@dataclass(frozen=True)
class Try:
    """A setting to try, or a command, and why."""

    setting: str
    when: Callable[[Facts], bool]
    reason: Reason


def _rate(facts: Facts) -> list[Try]:
    """Make the rule for a rate outside of those that did best for the method."""
    rate = facts.rate
    if rate is None or rate.best is None or rate.best[0] <= facts.config.optim.lr <= rate.best[1]:
        return []
    low, high = rate.best
    why = f"rates of {low:g} to {high:g} did best for it" if low < high else f"a rate of {low:g} did best for it"
    return [
        Try(f"optim.lr={rate.value:g}", lambda _: True, Reason(why, METHODS if rate.row else rate.source, rate.row))
    ]


def _kv(facts: Facts) -> bool:
    return facts.method.takes_forms and facts.config.prompt.forms == ("kv",) and facts.rows > FEW_ROWS


def _few(facts: Facts) -> bool:
    deep = facts.method.takes_forms and not facts.config.prompt.start.earlier
    return deep and facts.rows <= FEW_ROWS and len(facts.config.tasks) == 1


ONE_SEED = Reason("one seed is no result: on entailment the standard deviation was 0.036", METHODS, "0.525 ± 0.036")
TRIES = (
    Try(
        "prompt.init=retrieve:runs",
        lambda facts: _few(facts) and facts.answers == "passage",
        Reason(
            "with 64 rows of questions a prompt pretrained on the kind reached 0.317, random starts 0.078",
            TRANSFER,
            "squadshifts_new_wiki | 64 | same kind | 0.317 ± 0.018",
        ),
    ),
    Try(
        "head.pooling=mean",
        lambda facts: facts.answers == "label" and facts.config.head.pooling == "cls",
        Reason(
            "with 64 rows of sentiment 0.709 instead of 0.574, which is what the first token gave",
            VARIANTS,
            "sst2 | reads the first token | scratch | 0.574 ± 0.060",
        ),
    ),
    Try(
        "prompt.init=retrieve:runs",
        lambda facts: _few(facts) and facts.answers == "words",
        Reason(
            "with 64 rows of entities a prompt pretrained on the kind reached 0.566, random starts 0.436",
            TRANSFER,
            "conll2004 | 64 | same kind | 0.566 ± 0.031",
        ),
    ),
    Try(
        "prompt.init=retrieve:runs",
        lambda facts: _few(facts) and facts.answers == "label",
        Reason(
            "with 64 rows of sentiment a prompt pretrained on the kind reached 0.784, random starts 0.713",
            TRANSFER,
            "sst2 | 64 | same kind | 0.784 ± 0.033",
        ),
    ),
    Try(
        "prompt.form=[values,slots] optim.lr=0.003",
        lambda facts: _kv(facts) and facts.answers == "passage",
        Reason(
            "on questions 0.438, keys and values 0.271", METHODS, "squad | deep-values-slots | squad_f1 | 0.438 ± 0.013"
        ),
    ),
    Try(
        "prompt.form=[values,slots] optim.lr=0.003",
        lambda facts: _kv(facts) and facts.answers == "words",
        Reason(
            "on entities 0.771, keys and values 0.635",
            METHODS,
            "conll2004 | deep-values-slots | span_f1 | 0.771 ± 0.013",
        ),
    ),
    Try(
        "prompt.form=[values,slots] optim.lr=0.003",
        lambda facts: _kv(facts) and facts.answers == "label",
        Reason(
            "on paraphrases 0.728, keys and values 0.711",
            METHODS,
            "mrpc | deep-values-slots | accuracy | 0.728 ± 0.011",
        ),
    ),
    Try(
        "trainer.max_epochs=12",
        lambda facts: 0 < (facts.config.trainer.get("max_epochs") or 12) < 12,
        Reason(
            "paraphrases stayed below the trivial 0.667 in five epochs (0.637), and reached 0.711 in twelve at another "
            "rate",
            KINDS_STUDY,
            "glue/mrpc | 0.637 | 0.667",
        ),
    ),
    Try(
        "method=full optim.lr=1e-4",
        lambda facts: not facts.method.trains_all,
        Reason(
            "does every weight learn it? On entities 0.777; where it does not either, look at data and steps",
            METHODS,
            "conll2004 | full | span_f1 | 0.777 ± 0.005",
        ),
    ),
    Try(
        "method=head optim.lr=2e-3",
        lambda facts: bool(facts.method.words) and facts.answers != "text",
        Reason(
            "do the frozen states hold the answer? On classes of questions 0.803, majority 0.188",
            METHODS,
            "trec | head | accuracy | 0.803 ± 0.009",
        ),
    ),
    Try(
        "optim.warmup=0.1",
        lambda facts: facts.config.optim.warmup < 0.06,
        Reason("a proportion of all steps; every run of our study of methods had 0.06", METHODS),
    ),
    Try("seed=12", lambda facts: facts.config.seed != 12, ONE_SEED),
    Try("seed=13", lambda facts: facts.config.seed == 12, ONE_SEED),
    Try(
        "data.batch_size=8",
        lambda facts: facts.config.data.batch_size > 8,
        Reason("more steps an epoch; the study of transfer had 16 rows a step, of questions 8", TRANSFER),
    ),
)


def passed(metric: str, value: float, trivial: float | None) -> bool:
    """Tell whether a score is better than that of the trivial answer; one that has none is, and so is a perfect one.

    A difference that a logged score, which is rounded to float32, cannot show is none.
    """
    if trivial is None or (METRICS[metric].higher_is_better and value >= 1):
        return True
    return goodness(metric, value) > goodness(metric, trivial) and not math.isclose(value, trivial, rel_tol=1e-6)


def what_to_try(facts: Facts) -> list[Try]:
    """List the first three rules that hold: another rate, if this one did badly for the method, then `TRIES`."""
    return [*_rate(facts), *(rule for rule in TRIES if rule.when(facts))][:TRIED]


def block(config: Config, data: TaskData, said: str, ended_by: str | None = None) -> list[str]:
    """Say in lines that a task was not learned, and the three things to try.

    Args:
        config: of the run.
        data: of the task.
        said: task, metric and both scores.
        ended_by: the setting that ended training early, if one did: it may have ended it too soon.
    """
    facts = Facts(config, data.card.kind, len(data.rows["train"].data))
    tries = what_to_try(facts)
    wide = max(len(rule.setting) for rule in tries)
    early = f" {ended_by} ended training early: raise it first." if ended_by else ""
    lines = [f"not learned: {said} ({data.features.trivial}).{early} Try, one at a time:"]
    lines += [f"  {rule.setting:<{wide}}  {rule.reason.why} ({rule.reason.source})" for rule in tries]
    return [*lines, "  the rest is in docs/troubleshooting.md"]
