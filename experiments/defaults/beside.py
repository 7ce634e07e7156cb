"""What a run chooses by itself, beside the best setting of the studies of sizes: written into docs/defaults.md.

Run: python -m experiments.defaults.beside
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

from experiments.pages import filled
from ptv2.backbone import backbone_about
from ptv2.config.names import parse_forms
from ptv2.config.schema import Config
from ptv2.methods import defaults, methods_named
from ptv2.metrics.table import METRICS
from ptv2.runtime.files import write_text
from ptv2.study.config import read_study

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "defaults.md"
STUDIES = ("sizes", "sizes_long", "sizes_decoder")
MARKS = ("<!-- sizes: written by python -m experiments.defaults.beside -->", "<!-- end -->")
SIZES = (100, 300, 1000)
POINT = 0.01


@dataclass(frozen=True)
class Kind:
    """One kind of task on one backbone: the scores of all settings by number of rows, and which is the default."""

    name: str
    metric: str
    seeds: int
    test_rows: int
    scores: dict[int, dict[str, float]]  # number of rows -> setting -> mean over the seeds
    default: dict[int, str]

    def best(self, scores: dict[str, float]) -> float:
        return max(scores.values()) if METRICS[self.metric].higher_is_better else min(scores.values())

    @property
    def one_setting(self) -> float:
        """The best mean over all numbers of rows that one setting has, of those that ran for each."""
        common = set.intersection(*(set(scores) for scores in self.scores.values()))
        return self.best({setting: mean(scores[setting] for scores in self.scores.values()) for setting in common})

    @property
    def of_default(self) -> float:
        return mean(scores[self.default[size]] for size, scores in self.scores.items())

    @property
    def near(self) -> list[bool]:
        """Tell for each number of rows whether the default is within a point of the best setting."""
        return [abs(self.best(of) - of[self.default[size]]) <= POINT for size, of in self.scores.items()]

    def cells(self) -> list[str]:
        found = []
        for size in SIZES:
            of = self.scores[size]
            own, best = of[self.default[size]], self.best(of)
            found.append(f"{own:.3f}" if own == best else f"{own:.3f} (best {best:.3f})")
        return [
            self.name,
            self.metric,
            *found,
            f"{self.of_default:.3f} ({self.one_setting:.3f})",
            f"{self.seeds}, {self.test_rows}",
        ]


def main() -> None:
    """Write the table and what follows from it."""
    found = [kind for name in STUDIES for kind in kinds(name)]
    write_text(PAGE, filled(PAGE.read_text(encoding="utf-8"), MARKS, told(found)))


def kinds(name: str) -> list[Kind]:
    """Read the kinds of a study from its committed table."""
    study = read_study(ROOT / "experiments" / "defaults" / f"{name}.yaml")
    lines = (ROOT / "experiments" / "defaults" / name / "table.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["task"] in study.config.tasks]
    settings = {m: study.run_config(next(t for t, of in study.pairs if of == m), m) for m in study.config.methods}
    made = []
    for kind in dict.fromkeys(row["task"].rpartition("-")[0] for row in rows):
        own = [row for row in rows if row["task"].rpartition("-")[0] == kind]
        scores: dict[int, dict[str, float]] = {size: {} for size in SIZES}
        for row in own:
            scores[int(row["task"].rpartition("-")[2])][row["method"]] = row["mean"]["score"]
        config = study.run_config(own[0]["task"], own[0]["method"])
        seeds, test_rows = min(len(row["seeds"]) for row in own), config.data.limit["test"]
        default = {size: chosen(config, size, settings) for size in SIZES}
        said = f"{kind} (decoder)" if backbone_about(config.backbone)[1] else kind
        made.append(Kind(said, own[0]["metric"], seeds, test_rows, scores, default))
    return made


def chosen(config: Config, rows: int, settings: dict[str, Config]) -> str:
    """Name the setting that a run on the config's task with so many rows would choose by itself."""
    family, is_decoder = backbone_about(config.backbone)
    (card,) = config.tasks.values()
    run = defaults.Run(
        methods=methods_named("deep"),
        tasks=[(card.kind, rows)],
        family=family,
        size=lambda: 0,
        is_decoder=is_decoder,
        steps=lambda: 1,
        plain=True,
        rate_is_given=False,
        forms=(),
    )
    forms = parse_forms(defaults.form(run).value)
    rate = defaults.rate(replace(run, forms=forms))
    assert rate is not None
    return next(m for m, of in settings.items() if (of.prompt.forms, of.optim.lr) == (forms, rate.value))


def told(found: list[Kind]) -> str:
    """Say the table, and how often the default is near the best."""
    head = ["rows of", "score", *(f"{size:,} rows" for size in SIZES), "mean (best setting)", "seeds, test rows"]
    table = [head, ["---"] * len(head), *(kind.cells() for kind in found)]
    lines = [f"| {' | '.join(row)} |" for row in table]
    scored = [kind for kind in found if METRICS[kind.metric].higher_is_better]
    near = [is_near for kind in scored for is_near in kind.near]
    level = [kind.name for kind in scored if kind.one_setting - kind.of_default <= POINT]
    return "\n".join(
        [
            *lines,
            "",
            f"Within a point of the best setting for that number of rows in {sum(near)} of {len(near)}. Over all three",
            f"numbers, within a point of the best single setting on {len(level)} of {len(scored)}: {', '.join(level)}.",
        ]
    )


if __name__ == "__main__":
    main()
