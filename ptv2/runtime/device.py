"""The device that a user names."""

import torch

from ptv2.errors import UserError


def check_device(name: str) -> None:
    """Refuse a device that no tensor can be put on.

    Raises:
        UserError: it is such.
    """
    try:
        torch.empty(0, device=torch.device(name))
    except (RuntimeError, AssertionError, TypeError) as error:  # torch without CUDA asserts
        what = f"device '{name}' cannot be used ({str(error).splitlines()[0]})"
        raise UserError(what, do="use cpu, or cuda where there is a GPU") from error
