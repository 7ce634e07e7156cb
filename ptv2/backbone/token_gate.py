"""The token gate: how much of each prompt position a layer gets, as the text in front of it asks for.

Adaptive Prefix Tuning (Zhang et al. 2023, arXiv 2305.15212) weights the keys and values of position p at a layer by
sigmoid(h w_p), h a state that comes into the layer. Its text was not at hand: the sigmoid of a linear map is recalled;
which state h is, how w starts and where the paper's scale of a layer joins were not read. Here h is the state of the
text's first token as the layer's attention reads it, the weight is 2 * sigmoid(h w_p), which is 1 at the start (w = 0:
an untrained gate leaves the prompt as it was), and there is no scale of the layer: keys and values that are learned
hold it.

Shapes: B batch, T tokens, P prompt positions, W width of the hidden states.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ptv2.backbone.injection import PLACE, Place, repeated
from ptv2.backbone.sites import Site


def take_token_gates(sites: Sequence[Site]) -> None:
    """Let each site's module weight the prompt positions by its own states; once for a backbone."""
    for site in sites:
        site.module.register_forward_pre_hook(_see, with_kwargs=True)


def _see(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    place: Place = getattr(module, PLACE)
    if place.prompt is not None and place.prompt.token_gate_BPW is not None:
        states_BTW = args[0] if args else kwargs["hidden_states"]
        if (packing := place.state.injection.packing) is not None:
            states_BTW = packing.rows(states_BTW)
        place.weights_BP = token_weights(place.prompt.token_gate_BPW, states_BTW)


def token_weights(gate_BPW: Tensor, states_BTW: Tensor) -> Tensor:
    """Return the weight of each prompt position, [B, P]: 2 * sigmoid of the first state's product with its gate."""
    first_BW1 = states_BTW[:, 0, :, None].to(gate_BPW.dtype)
    return 2 * torch.sigmoid(repeated(gate_BPW, first_BW1.shape[0]) @ first_BW1).squeeze(2)
