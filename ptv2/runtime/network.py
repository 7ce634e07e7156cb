"""Whether the hub can be reached: asked once, so that a machine without a network does not wait for retries."""

import sys
from functools import cache

from huggingface_hub import constants
from huggingface_hub.utils import get_session

SECONDS = 5


@cache
def hub_answers() -> bool:
    """Ask the hub for an answer of any kind; where none comes, what is cached is used as with HF_HUB_OFFLINE=1.

    Nothing is asked where HF_HUB_OFFLINE is set: then it counts as reachable, and the libraries say what they lack.
    """
    if constants.HF_HUB_OFFLINE:
        return True
    try:
        get_session().head(constants.ENDPOINT, timeout=SECONDS)
    except Exception:  # the client's own errors, of which each version has others
        constants.HF_HUB_OFFLINE = True
        if "datasets" in sys.modules:
            sys.modules["datasets"].config.HF_HUB_OFFLINE = True
        return False
    return True
