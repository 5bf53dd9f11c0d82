"""Weight schemes: how weights and biases are drawn, and with what variance.

Fans are those that torch and Keras count (`Connections.fan_in`, `fan_out`): that is what their initialisers use.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from propstats.activations import Activation
from propstats.errors import unknown_name
from propstats.theory.weights.fans import Connections

#: Standard deviation of N(0, 1) cut off at two: sqrt(1 - 4 phi(2)/(2 Phi(2) - 1)). Keras and JAX divide by it.
TRUNCATED_STD: Final = math.sqrt(1.0 - 4.0 * math.exp(-2.0) / math.sqrt(2.0 * math.pi) / math.erf(math.sqrt(2.0)))

_LAYERS_PER_BRANCH: Final = 2  # Fixup's m


class Law(StrEnum):
    """The distribution of a weight matrix with rows of `fan_in` weights."""

    GAUSSIAN = "gaussian"
    TRUNCATED = "truncated"  # Gaussian, cut off at two standard deviations
    UNIFORM = "uniform"
    UNIT_ROWS = "unit_rows"  # Gaussian directions, rows of length one
    ORTHOGONAL = "orthogonal"  # Haar


Variance = Callable[[Connections, Activation, int], float]


def _no_bias(layer: Connections, act: Activation, depth: int) -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class WeightScheme:
    """How the weights of a layer are drawn.

    Args:
        name: How users call it.
        law: The distribution.
        variance: Variance of one weight, from the layer, the activation in front of it and the number of layers.
        reference: Where it comes from.
        bias_variance: Variance of one bias, from the same.
    """

    name: str
    law: Law
    variance: Variance
    reference: str
    bias_variance: Variance = _no_bias

    @property
    def is_normprop(self) -> bool:
        """Whether units are normalised after the activation: `(phi(h) - c2)/c1`."""
        return self.law is Law.UNIT_ROWS


def rectifier_gain(act: Activation) -> float:
    """Return He's squared gain `2/(1 + a^2)`; a is the slope below zero of leaky rectifiers, and 0 for all others.

    >>> from propstats.activations import activation
    >>> rectifier_gain(activation("relu")), rectifier_gain(activation("prelu", a=1.0))
    (2.0, 1.0)
    """
    slope = act.params.get({"leaky_relu": "negative_slope", "prelu": "a"}.get(act.name, ""), 0.0)
    return 2.0 / (1.0 + slope**2)


def _lecun(layer: Connections, act: Activation, depth: int) -> float:
    return 1.0 / layer.fan_in


def _he(layer: Connections, act: Activation, depth: int) -> float:
    return rectifier_gain(act) / layer.fan_in


def _he_keras(layer: Connections, act: Activation, depth: int) -> float:
    return 2.0 / layer.fan_in


def _he_fan_out(layer: Connections, act: Activation, depth: int) -> float:
    return rectifier_gain(act) / layer.fan_out


def _glorot(layer: Connections, act: Activation, depth: int) -> float:
    return 2.0 / (layer.fan_in + layer.fan_out)


def _orthogonal(layer: Connections, act: Activation, depth: int) -> float:
    # Orthonormal rows if they are the fewer, else orthonormal columns: min(rows, columns) squares in all.
    return 1.0 / max(layer.weight_shape[0], layer.fan_in)


def _unit_rows(layer: Connections, act: Activation, depth: int) -> float:
    return 1.0 / layer.row_length


def _truncated(layer: Connections, act: Activation, depth: int) -> float:
    return TRUNCATED_STD**2 / layer.fan_in


def _one_over_root(layer: Connections, act: Activation, depth: int) -> float:
    return 1.0 / (3.0 * layer.fan_in)


def _fixup(layer: Connections, act: Activation, depth: int) -> float:
    return 2.0 / layer.fan_out * math.pow(depth, -2.0 / (2 * _LAYERS_PER_BRANCH - 2))


_GLOROT, _HE, _LECUN = (
    "Glorot & Bengio 2010, Eq. 12",
    "He et al. 2015, arXiv:1502.01852, Eqs. 10 and 15",
    "LeCun et al. 1998, Efficient BackProp, Eq. 16",
)

_SCHEMES = {
    scheme.name: scheme
    for scheme in (
        WeightScheme("normprop", Law.UNIT_ROWS, _unit_rows, "Arpit et al. 2016, arXiv:1603.01431, Eq. 9"),
        WeightScheme("he", Law.GAUSSIAN, _he, f"{_HE}; torch kaiming_normal_"),
        WeightScheme("he_uniform", Law.UNIFORM, _he, f"{_HE}; torch kaiming_uniform_"),
        WeightScheme("he_truncated", Law.TRUNCATED, _he_keras, f"{_HE}; keras HeNormal"),
        WeightScheme("he_fan_out", Law.GAUSSIAN, _he_fan_out, f"{_HE}; torch kaiming_normal_(mode='fan_out')"),
        WeightScheme("lecun", Law.GAUSSIAN, _lecun, _LECUN),
        WeightScheme("lecun_uniform", Law.UNIFORM, _lecun, f"{_LECUN}; keras LecunUniform"),
        WeightScheme("lecun_truncated", Law.TRUNCATED, _lecun, f"{_LECUN}; keras LecunNormal"),
        WeightScheme("glorot", Law.GAUSSIAN, _glorot, f"{_GLOROT}; torch xavier_normal_"),
        WeightScheme("glorot_uniform", Law.UNIFORM, _glorot, "Glorot & Bengio 2010, Eq. 16; torch xavier_uniform_"),
        WeightScheme("glorot_truncated", Law.TRUNCATED, _glorot, f"{_GLOROT}; keras GlorotNormal"),
        WeightScheme("orthogonal", Law.ORTHOGONAL, _orthogonal, "Saxe et al. 2014, arXiv:1312.6120; torch orthogonal_"),
        WeightScheme("truncated", Law.TRUNCATED, _truncated, "torch trunc_normal_, cut off at two of 1/sqrt(fan_in)"),
        WeightScheme("uniform", Law.UNIFORM, _one_over_root, "Glorot & Bengio 2010, Eq. 1: U(+-1/sqrt(fan_in))"),
        WeightScheme(
            "torch", Law.UNIFORM, _one_over_root, "torch.nn.Linear, ConvNd: U(+-1/sqrt(fan_in)), biases too",
            bias_variance=_one_over_root,
        ),
        WeightScheme("keras", Law.UNIFORM, _glorot, "keras Dense, ConvND: GlorotUniform, biases 0"),
        WeightScheme(
            "fixup", Law.GAUSSIAN, _fixup,
            "Zhang et al. 2019, arXiv:1901.09321, section 3: He by fan_out times L**(-1/(2m - 2)), m = 2",
        ),
        WeightScheme("mup", Law.GAUSSIAN, _lecun, "Yang & Hu 2022, arXiv:2203.03466, Table 3, hidden layers"),
    )
}  # fmt: skip


def scheme_names() -> list[str]:
    """Return the names of all known schemes."""
    return list(_SCHEMES)


def weight_scheme(name: str) -> WeightScheme:
    """Look a weight scheme up by name.

    Raises:
        UnknownNameError: If there is no such scheme.

    >>> from propstats.activations import activation
    >>> from propstats.theory.weights.fans import dense
    >>> weight_scheme("he").variance(dense(100, 50), activation("relu"), 1)
    0.02
    """
    if name not in _SCHEMES:
        raise unknown_name("scheme", name, scheme_names())
    return _SCHEMES[name]
