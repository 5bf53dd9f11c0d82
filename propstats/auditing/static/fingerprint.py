"""Which law and which scheme weights look as if they had been drawn from."""

import math
from dataclasses import dataclass
from typing import Final

from propstats.activations import activation
from propstats.auditing.static.sums import Sums
from propstats.estimate import STANDARD_ERRORS, Estimate, Route
from propstats.theory.weights.fans import Connections
from propstats.theory.weights.schemes import TRUNCATED_STD, Law, scheme_names, weight_scheme

_CUT: Final = 2.0
#: Of lengths and angles that single precision keeps.
_ROUNDING: Final = 1e-5


def _truncated_moments() -> tuple[float, float, float]:
    """Return E x^4, E x^6 and E x^8 of N(0, 1) cut off at two, in units of its standard deviation.

    By parts: `E x^n = (n - 1) E x^(n-2) - 2 c^(n-1) phi(c)/Z`.
    """
    edge = 2.0 * math.exp(-(_CUT**2) / 2) / math.sqrt(2 * math.pi) / math.erf(_CUT / math.sqrt(2))
    moments = [1.0]
    for n in (2, 4, 6, 8):
        moments.append((n - 1) * moments[-1] - _CUT ** (n - 1) * edge)
    variance = moments[1]
    return moments[2] / variance**2, moments[3] / variance**3, moments[4] / variance**4


#: Standardised moments of order four, six and eight.
_MOMENTS: Final = {
    Law.GAUSSIAN: (3.0, 15.0, 105.0),
    Law.UNIFORM: (9 / 5, 27 / 7, 9.0),
    Law.TRUNCATED: _truncated_moments(),
}
#: The largest value, in standard deviations, that a law allows.
_SUPPORT: Final = {
    Law.GAUSSIAN: math.inf,
    Law.UNIFORM: math.sqrt(3.0),
    Law.TRUNCATED: _CUT / TRUNCATED_STD,
}
#: Needs a depth that weights alone do not tell.
_UNKNOWABLE: Final = frozenset({"fixup"})


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What weights look as if they had been drawn from.

    Args:
        laws: The laws whose kurtosis, support and mean they have within five standard errors, nearest first; none for
            trained weights, as a rule.
        z: By how many standard errors they miss the nearest law; 0 where lengths and angles have it exactly.
        kurtosis: `E w^4/(E w^2)^2`: 3 for Gaussian weights, 9/5 for uniform ones.
        scheme: The scheme whose variance is nearest, among those of the laws if there are any.
        ratio: Mean square of the weights over the variance that the scheme gives them.
        fits: Whether law and variance are those of the scheme, within five standard errors.
        alike: Further schemes that fit as well: they cannot be told apart in this layer.
    """

    laws: tuple[Law, ...]
    z: float
    kurtosis: Estimate
    scheme: str
    ratio: Estimate
    fits: bool
    alike: tuple[str, ...]


def kurtosis_error(law: Law, count: int) -> float:
    """Return the standard error of the kurtosis of so many independent numbers with mean zero.

    With standardised moments m4, m6, m8 the variance is `(m8 - 4 m4 m6 + 4 m4^3 - m4^2)/count`, by the delta method.

    >>> round(kurtosis_error(Law.GAUSSIAN, 24), 12)
    1.0
    """
    m4, m6, m8 = _MOMENTS.get(law, _MOMENTS[Law.GAUSSIAN])
    return math.sqrt((m8 - 4 * m4 * m6 + 4 * m4**3 - m4**2) / count)


def fingerprint(sums: Sums, layer: Connections, exact: Law | None) -> Fingerprint:
    """Name the law and the scheme that weights are nearest to.

    Args:
        sums: Sums over the weights; not all of them zero.
        layer: What they connect.
        exact: The law, if lengths and angles of the rows have it exactly.

    References:
        The schemes are those of `propstats.theory.weights.schemes`, with ReLU in front of the layer.
    """
    found = [(0.0, exact)] if exact is not None else _laws(sums)
    laws = [law for z, law in found if z <= STANDARD_ERRORS]
    shape = _MOMENTS[laws[0]][0] if laws and laws[0] in _MOMENTS else sums.kurtosis
    # The relative standard error of a mean square; lengths that are fixed leave none but rounding.
    spread = _ROUNDING if exact is not None else math.sqrt(max(shape - 1, 0.0) / sums.count)
    ratios = {name: sums.mean_square / _variance(name, layer) for name in scheme_names() if name not in _UNKNOWABLE}
    same = {name: ratio for name, ratio in ratios.items() if not laws or weight_scheme(name).law in laws}
    fitting = [
        name for name, ratio in same.items() if laws and abs(ratio - 1) <= STANDARD_ERRORS * max(spread, _ROUNDING)
    ]
    # Of those that fit, one of the best law; then the nearest variance; then in the order of the catalogue.
    order = sorted(fitting or same, key=lambda name: (_rank(name, laws), abs(math.log(same[name]))))
    return Fingerprint(
        laws=tuple(laws),
        z=found[0][0],
        kurtosis=Estimate(sums.kurtosis, kurtosis_error(found[0][1], sums.count), Route.MEASURED, sums.count),
        scheme=order[0],
        ratio=Estimate(same[order[0]], same[order[0]] * spread, Route.MEASURED, sums.count),
        fits=bool(fitting),
        alike=tuple(order[1:]) if fitting else (),
    )


def _rank(name: str, laws: list[Law]) -> int:
    return laws.index(weight_scheme(name).law) if laws else 0


def _variance(name: str, layer: Connections) -> float:
    return weight_scheme(name).variance(layer, activation("relu"), 1)


def _laws(sums: Sums) -> list[tuple[float, Law]]:
    """Return the laws, nearest first, with the standard errors by which kurtosis, support or mean miss them."""
    deviation = math.sqrt(sums.mean_square)
    mean_z = abs(sums.mean) / deviation * math.sqrt(sums.count)
    found = []
    for law, (m4, _, _) in _MOMENTS.items():
        z = max(abs(sums.kurtosis - m4) / kurtosis_error(law, sums.count), mean_z)
        # What is estimated is the deviation, with a relative standard error of half that of its square.
        slack = STANDARD_ERRORS * math.sqrt((m4 - 1) / sums.count) / 2
        beyond = sums.largest / deviation > _SUPPORT[law] * (1 + slack)
        found.append((math.inf if beyond else z, law))
    return sorted(found, key=lambda entry: entry[0])
