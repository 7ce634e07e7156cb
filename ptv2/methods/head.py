"""The head alone: a linear probe on the frozen backbone."""

from ptv2.methods.base import Method
from ptv2.methods.rates import studied


class HeadOnly(Method):
    """`method: head`."""

    rate = studied(0.002, 2e-3, 2e-2, "trec | head | accuracy | 0.803 ± 0.009")
    cacheable = True
    alone = "trains the heads alone, as every other method does too"
