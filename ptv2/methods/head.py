"""The head alone: a linear probe on the frozen backbone."""

from ptv2.methods.base import Method


class HeadOnly(Method):
    """`method: head`."""

    cacheable = True
    alone = "trains the heads alone, as every other method does too"
