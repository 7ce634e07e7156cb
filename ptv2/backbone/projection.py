"""Keys and values that a site's frozen projections make of any hidden states.

Shapes: P prompt positions, D width, G key/value heads.
"""

from contextlib import suppress

from torch import Tensor

from ptv2.backbone.injection import Call, PromptState
from ptv2.backbone.sites import Observation


class _Captured(Exception):
    """Ends an attention module's forward once its keys and values are known."""


def project(state: PromptState, seen: Observation, hidden_PD: Tensor) -> tuple[Tensor, Tensor]:
    """Compute keys [1, G, P, D] and values by a site's frozen projections of hidden states; differentiable.

    `seen` is the site's observation on any P tokens: it holds what else the module needs, e.g. rotary tables.
    """
    found: list[Call] = []

    def stop(call: Call) -> None:
        found.append(call)
        raise _Captured

    module = seen.call.module
    states_1PD = hidden_PD[None].to(seen.hidden_BTD.dtype)
    kwargs = dict(seen.kwargs)
    if kwargs.get("key_value_states") is not None:  # cross attention projects the encoder's states
        kwargs["key_value_states"] = states_1PD
    with state.recording(stop), suppress(_Captured):
        module.forward(states_1PD, *seen.args, **kwargs)
    return found[0].key_BGSD, found[0].value_BGSE
