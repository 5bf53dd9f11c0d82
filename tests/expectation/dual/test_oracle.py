"""Both routes against thirty-four digits: the series in the correlation, and an integral in two dimensions."""

from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from typing import Any

import mpmath
import oracle
import pytest

from propstats.activations import activation, activation_names
from propstats.activations.compile import compiled
from propstats.estimate import Quantity
from propstats.expectation.dual import dual_estimates

mp: Any = mpmath.mp

_SOME = ["elu", "gelu_tanh", "hardshrink", "relu6", "snake", "softsign", "step", "tanh"]
_TERMS = 64
#: Of the root of E[f^2] E[g^2], the series leaves out at most rho^64; the oracle's integrals are good to 1e-25.
_LEFT_OUT = 0.5**_TERMS + 1e-20


@cache
def _hermite(name: str, mean: float, std: float) -> tuple[list[Any], Any]:
    """Return `E[f h_n]` for orthonormal Hermite polynomials, and the root of E[f^2]."""
    entry = activation(name)
    with mpmath.workdps(oracle.DIGITS):
        params = [mp.mpf(value) for value in entry.params.values()]
        formula = compiled([entry.formula], ["x", *entry.params], oracle.mpmath_namespace())
        nodes = [(p, z, formula(x, *params)[0]) for p, z, x in oracle._nodes(mean, std, entry.kinks, 1.0)]
        below, here = [mp.mpf(0)] * len(nodes), [p * f for p, _, f in nodes]
        norm = mp.sqrt(mp.fsum(p * f * f for p, _, f in nodes))
        found = []
        for n in range(_TERMS):
            found.append(mp.fsum(here))
            up, down = 1 / mp.sqrt(n + 1), mp.sqrt(mp.mpf(n) / (n + 1))
            below, here = here, [
                up * z * h - down * b for (_, z, _), h, b in zip(nodes, here, below, strict=True)
            ]  # fmt: skip
    return found, norm


def _check(pair: tuple[str, str], means: tuple[float, float], stds: tuple[float, float]) -> None:
    (f, norm_f), (g, norm_g) = (_hermite(*key) for key in zip(pair, means, stds, strict=True))
    rhos = [-0.5, 0.0, 0.3, 0.5]
    found = dual_estimates(activation(pair[0]), activation(pair[1]), mean=means, std=stds, correlation=rhos)
    for rho, quantity in zip(rhos, found, strict=True):
        with mpmath.workdps(oracle.DIGITS):
            exact = mp.fsum(a * b * mp.mpf(rho) ** n for n, (a, b) in enumerate(zip(f, g, strict=True)))
        _judge(quantity, exact, _LEFT_OUT * norm_f * norm_g)
        # Rounding of the inputs moves the tails by their logarithmic derivative.
        assert quantity.error <= 1e-13 * norm_f * norm_g * (1 + (means[0] / stds[0]) ** 2)


def _judge(quantity: Quantity, exact: Any, allowed: Any) -> None:
    assert quantity.agree
    for estimate in quantity.routes.values():
        assert abs(estimate.value - exact) <= estimate.error + allowed


@pytest.mark.parametrize("name", _SOME)
def test_one_function(name: str) -> None:
    _check((name, name), (0.3, 0.3), (1.7, 1.7))


def test_two_functions() -> None:
    _check(("tanh", "relu6"), (0.3, 0.3), (1.7, 1.7))


@pytest.mark.slow
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.3, 1.7), (-2.0, 0.5)])
@pytest.mark.parametrize("name", activation_names())
def test_every_function(name: str, mean: float, std: float) -> None:
    _check((name, name), (mean, mean), (std, std))


def _points(edges: Iterable[Any]) -> list[tuple[Any, Any]]:
    """Weights times density, and places: 24 nodes between neighbouring edges."""
    return [
        (weight * (right - left) / 2 * mp.npdf(z), z)
        for left, right in pairwise(sorted(set(edges)))
        for node, weight in zip(*oracle._gauss_legendre(), strict=True)
        for z in ((left + right) / 2 + (right - left) / 2 * node,)
    ]


def _plane(name: str, rho: float, mean: float, std: float) -> Any:
    """Integrate over the sum and the difference of u and v, cut where a kink of f meets either."""
    entry = activation(name)
    with mpmath.workdps(oracle.DIGITS):
        formula = compiled([entry.formula], ["x", *entry.params], oracle.mpmath_namespace())
        params = [mp.mpf(value) for value in entry.params.values()]
        wide, narrow = mp.sqrt((1 + mp.mpf(rho)) / 2), mp.sqrt((1 - mp.mpf(rho)) / 2)
        kinks = [(mp.mpf(kink) - mean) / std for kink in entry.kinks]

        def value(z: Any) -> Any:
            return formula(mean + std * z, *params)[0]

        def over_sum(b: Any) -> Any:
            marks = [(kink + sign * narrow * b) / wide for kink in kinks for sign in (-1, 1)]
            points = _points([*range(-10, 11, 2), *(mark for mark in marks if abs(mark) < 10)])
            return mp.fsum(p * value(wide * a + narrow * b) * value(wide * a - narrow * b) for p, a in points)

        meet = [abs(x - y) / 2 / narrow for x in kinks for y in kinks]
        edges = [*range(0, 11, 2), *(m for m in meet if m < 10)]
        return 2 * mp.fsum(p * over_sum(b) for p, b in _points(edges))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rho", "mean", "std"),
    [("softsign", 0.9999, 0.3, 1.7), ("tanh", 0.98, 0.3, 1.7), ("elu", 0.995, 0.3, 1.7), ("hardtanh", 0.98, 0.0, 1.0)],
)  # fmt: skip
def test_in_two_dimensions(name: str, rho: float, mean: float, std: float) -> None:
    exact = _plane(name, rho, mean, std)
    [quantity] = dual_estimates(activation(name), mean=mean, std=std, correlation=[rho])
    _judge(quantity, exact, 1e-16)
