"""What a forward pass of the backbone hands to the heads.

Shapes: B batch, T tokens, D width.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class States:
    """What a head reads: the last states, a language model's logits over the vocabulary V, or what targets cost it."""

    last_BTD: Tensor | None
    mask_BT: Tensor
    pooled_BD: Tensor | None = None  # the backbone's own pooler, where it has one
    # over the target's positions (encoder-decoder), the input's (decoder-only), or of the one that is read
    logits_BTV: Tensor | None = None
    nll_BT: Tensor | None = None  # negative log-likelihood of each target token, see `targets.py`

    def split(self, rows: list[int]) -> list["States"]:
        """Split into the states of so many rows each."""
        held = (self.last_BTD, self.mask_BT, self.pooled_BD, self.logits_BTV, self.nll_BT)
        split = [[None] * len(rows) if states is None else states.split(rows) for states in held]
        return [States(*parts) for parts in zip(*split, strict=True)]
