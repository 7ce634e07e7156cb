"""The learning rates of the forms of a deep prompt."""

from collections.abc import Sequence

from ptv2.methods.rates import Rate, studied

GENERATION = "experiments/generation/config.yaml"
BESIDE = 1e-3, 6e-3, "conll2004 | deep-values-slots | span_f1 | 0.771 ± 0.013"
"""The rates that did best for forms beside attention, and the row that speaks for them."""
RATES = [
    studied(0.02, 3e-3, 2e-2, "conll2004 | deep-kv | span_f1 | 0.635 ± 0.005", of="kv"),
    *(
        studied(value, *BESIDE, of=forms)
        for forms, value in (("memory", 0.001), ("slots", 0.003), ("values+slots", 0.003), ("memory+slots", 0.001))
    ),
]
OF_TEXTS = Rate(0.005, f"as in {GENERATION}", of="kv")


def rate_of(forms: Sequence[str], writes: bool) -> Rate | None:
    """Return the rate of a union of forms; None for one that was not compared.

    Args:
        forms: of the prompt.
        writes: whether the answers of a task are texts.
    """
    if writes and set(forms) == {OF_TEXTS.of}:
        return OF_TEXTS
    return next((rate for rate in RATES if set(rate.of.split("+")) == set(forms)), None)
