"""How people call activations, and which one they mean."""

from collections.abc import Mapping

from propstats.activations.activation import Activation
from propstats.activations.catalog import CATALOG
from propstats.activations.gates import gate_names
from propstats.errors import UnknownNameError, unknown_name

#: What else they are called. Case, `_` and `-` do not matter anywhere: `LogSigmoid` needs no entry.
ALIASES: Mapping[str, str] = {
    "linear": "identity",
    "absolute": "abs",
    "modulus": "abs",
    "hard_silu": "hardswish",
    "hswish": "hardswish",
    "hsigmoid": "hardsigmoid",
    "heaviside": "step",
    "binary_step": "step",
    "signum": "sign",
    "sgn": "sign",
    "quadratic": "square",
    "cubic": "cube",
    "relu2": "relu_squared",
    "squared_relu": "relu_squared",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "swish": "silu",
    "logistic": "sigmoid",
    "arctan": "atan",
    "arcsinh": "asinh",
    "sine": "sin",
    "cosine": "cos",
    "exponential": "exp",
}

_ACROSS_UNITS = "each of its outputs depends on all units of the layer"
_TWO_INPUTS = "it multiplies one input by a function of another"
#: What people ask for that is no function of one number, and why.
NOT_ELEMENTWISE: Mapping[str, str] = {
    **dict.fromkeys(("softmax", "softmin", "log_softmax", "softmax2d", "gumbel_softmax"), _ACROSS_UNITS),
    "maxout": "it takes the largest of several units",
    "crelu": "it gives two outputs for one input",
    **dict.fromkeys(gate_names(), _TWO_INPUTS),
}


def _squeezed(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


BY_NAME = {entry.name: entry for entry in CATALOG}
_BY_SQUEEZED = {_squeezed(name): BY_NAME[meant] for name, meant in ALIASES.items()}
_BY_SQUEEZED |= {_squeezed(name): entry for name, entry in BY_NAME.items()}
_REFUSED = {_squeezed(name): reason for name, reason in NOT_ELEMENTWISE.items()}


def activation_names() -> list[str]:
    """Return the names of all known activations, sorted.

    >>> activation_names()[:3], "gelu" in activation_names()
    (['abs', 'asinh', 'atan'], True)
    """
    return sorted(BY_NAME)


def find(name: str) -> Activation:
    """Return the activation of a name, an alias, or the name of a torch module.

    Raises:
        UnknownNameError: If there is none, with the nearest names, or if the name is of something that is no
            function of one number, with the reason.

    >>> [find(name).name for name in ("relu", "LeakyReLU", "hard-swish", "swish")]
    ['relu', 'leaky_relu', 'hardswish', 'silu']
    """
    squeezed = _squeezed(name)
    if squeezed in _REFUSED:
        hint = "propstats takes functions of one number, applied unit by unit"
        raise UnknownNameError(f"{name} is not elementwise: {_REFUSED[squeezed]}", hint)
    if squeezed not in _BY_SQUEEZED:
        raise unknown_name("activation", name, activation_names())
    return _BY_SQUEEZED[squeezed]
