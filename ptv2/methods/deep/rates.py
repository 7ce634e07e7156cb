"""The learning rates of the forms of a deep prompt."""

from collections.abc import Sequence, Set

from ptv2.methods.rates import Rate, studied

WRITING = "experiments/methods/e2e/table.md"
BESIDE = 1e-3, 6e-3, "conll2004 | deep-values-slots | span_f1 | 0.771 ± 0.013"
"""The rates that did best for forms beside attention, and the row that speaks for them."""
RATES = [
    studied(0.02, 3e-3, 2e-2, "conll2004 | deep-kv | span_f1 | 0.635 ± 0.005", of="kv"),
    *(
        studied(value, *BESIDE, of=forms)
        for forms, value in (("memory", 0.001), ("slots", 0.003), ("values+slots", 0.003), ("memory+slots", 0.001))
    ),
]
OF_TEXTS = [
    Rate(value, f"what E2E on a decoder chose in {WRITING}", of=forms)
    for forms, value in (
        ("kv", 0.02),
        ("memory", 0.0003),
        ("slots", 0.003),
        ("values+slots", 0.003),
        ("memory+slots", 0.0003),
    )
]

SIZES = "experiments/defaults/sizes/table.md"
OF_WORDS = Rate(
    0.002, "at 0.003 rare tags are not learned, in experiments/defaults/rates/table.md", "values+slots", (1e-3, 2e-3)
)
OF_FEW_LABELS = Rate(0.001, f"with 100 rows of questions steadier than 0.003, in {SIZES}", "values+slots", (1e-3, 3e-3))
FEW = 200  # training rows, between the 100 and the 300 of that table


def rate_of(forms: Sequence[str], answers: Set[str] = frozenset(), rows: int | None = None) -> Rate | None:
    """Return the rate of a union of forms; None for one that was not compared.

    Args:
        forms: of the prompt.
        answers: what those of the tasks are, see `Features.answers`.
        rows: for training, of all tasks; None: not known.
    """
    rates = OF_TEXTS if "text" in answers else RATES
    if "words" in answers:
        rates = [OF_WORDS, *rates]
    elif answers == {"label"} and rows is not None and rows < FEW:
        rates = [OF_FEW_LABELS, *rates]
    return next((rate for rate in rates if set(rate.of.split("+")) == set(forms)), None)
