"""The modules of torch.nn that the catalog has; torch itself is not loaded here."""

from typing import Any

from propstats.activations.activation import Activation
from propstats.activations.names import find
from propstats.errors import ExpressionError

#: Their names; their parameters have the same names in the catalog.
ELEMENTWISE_MODULES = (
    "CELU", "ELU", "GELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid", "Mish",
    "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softplus", "Softshrink", "Softsign", "Tanh",
    "Tanhshrink", "Threshold",
)  # fmt: skip


def of_module(module: Any) -> Activation | None:
    """Return the activation that a module of torch.nn is in evaluation mode; None if it is none.

    Raises:
        ExpressionError: If the module is several activations: a PReLU with a slope per channel.

    >>> from torch import nn
    >>> print(of_module(nn.Softshrink(0.25)))
    softshrink(lambd=0.25)
    """
    kind = type(module)
    if kind.__name__ not in ELEMENTWISE_MODULES or not kind.__module__.startswith("torch.nn."):
        return None
    if kind.__name__ == "GELU":
        return find("gelu_tanh" if module.approximate == "tanh" else "gelu")
    if kind.__name__ == "PReLU":
        if module.weight.numel() != 1:
            raise ExpressionError("this PReLU has a slope per channel", "it is as many activations: pass one of them")
        return find("prelu").with_params(a=float(module.weight.detach()))
    entry = find(kind.__name__)
    return entry.with_params(**{name: float(getattr(module, name)) for name in entry.params})
