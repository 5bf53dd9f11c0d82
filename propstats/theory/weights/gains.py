"""The gains that torch hands out: a table of seven names, one of them a guess and one an experiment."""

import math
from typing import Final

from propstats.activations import Activation

_TABLE: Final = {"identity": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3.0, "relu": math.sqrt(2.0), "selu": 0.75}


def torch_gain(act: Activation) -> float | None:
    """Return what `torch.nn.init.calculate_gain` says, or None where it has no entry.

    Args:
        act: An activation of the catalog, with torch's parameters or others.

    References:
        torch 2.13, nn/init.py.

    >>> from propstats.activations import activation
    >>> torch_gain(activation("tanh")), torch_gain(activation("gelu"))
    (1.6666666666666667, None)
    """
    if act.name == "leaky_relu":
        return math.sqrt(2.0 / (1.0 + act.params["negative_slope"] ** 2))
    return _TABLE.get(act.name)
