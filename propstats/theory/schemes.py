"""Weight schemes: how weights are drawn, and with what variance."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from propstats.activations import Activation
from propstats.errors import unknown_name


class Law(StrEnum):
    """The distribution of a weight matrix with rows of `fan_in` weights."""

    GAUSSIAN = "gaussian"
    UNIFORM = "uniform"
    UNIT_ROWS = "unit_rows"  # Gaussian directions, rows of length one
    ORTHOGONAL = "orthogonal"  # Haar


@dataclass(frozen=True, slots=True)
class WeightScheme:
    """How the weights of a layer are drawn.

    Args:
        name: How users call it.
        law: The distribution.
        variance: Variance of one weight, from fan-in, fan-out and the activation that follows.
        reference: Where it comes from.
    """

    name: str
    law: Law
    variance: Callable[[int, int, Activation], float]
    reference: str


def _he(fan_in: int, fan_out: int, act: Activation) -> float:
    slope = act.params.get("negative_slope", act.params.get("a", 0.0))
    return 2.0 / ((1.0 + slope**2) * fan_in)


_SCHEMES = {
    scheme.name: scheme
    for scheme in (
        WeightScheme("normprop", Law.UNIT_ROWS, lambda n, m, act: 1 / n, "Arpit et al. 2016, arXiv:1603.01431, Eq. 9"),
        WeightScheme("he", Law.GAUSSIAN, _he, "He et al. 2015, arXiv:1502.01852, Eqs. 10 and 15"),
        WeightScheme("lecun", Law.GAUSSIAN, lambda n, m, act: 1 / n, "LeCun et al. 1998, Efficient BackProp, Eq. 16"),
        WeightScheme("glorot", Law.GAUSSIAN, lambda n, m, act: 2 / (n + m), "Glorot & Bengio 2010, Eq. 12"),
        WeightScheme("orthogonal", Law.ORTHOGONAL, lambda n, m, act: 1 / n, "Saxe et al. 2014, arXiv:1312.6120"),
        WeightScheme("torch", Law.UNIFORM, lambda n, m, act: 1 / (3 * n), "torch.nn.Linear: U(+-1/sqrt(fan_in))"),
    )
}


def scheme_names() -> list[str]:
    """Return the names of all known schemes."""
    return list(_SCHEMES)


def weight_scheme(name: str) -> WeightScheme:
    """Look a weight scheme up by name.

    Raises:
        UnknownNameError: If there is no such scheme.

    >>> from propstats.activations import activation
    >>> weight_scheme("he").variance(100, 50, activation("relu"))
    0.02
    """
    if name not in _SCHEMES:
        raise unknown_name("scheme", name, scheme_names())
    return _SCHEMES[name]
