"""Methods: which parameters train, and what the backbone is given. One file a method; `METHODS` names them."""

from ptv2.methods.table import METHODS

__all__ = ["METHODS"]
