"""Closed duals against textbook formulas that know nothing of the recurrences, and against their own errors."""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from propstats.activations import activation
from propstats.estimate import Route
from propstats.expectation.dual import dual_estimates
from propstats.expectation.dual.closed import closed_dual
from propstats.expectation.dual.input import inputs

mp: Any = mpmath.mp
RHO = [
    -1.0,
    -1 + 1e-9,
    -0.9999,
    -0.9,
    -0.3,
    -5.29602e-07,
    0.0,
    1.33546e-06,
    0.004,
    0.5,
    0.97,
    0.9999,
    1 - 1e-9,
    1 - 1e-13,
    1.0,
]


def _relu(rho: Any, s: Any) -> Any:
    """Cho & Saul 2009, Eq. 6."""
    return s**2 * ((mp.pi - mp.acos(rho)) * rho + mp.sqrt((1 - rho) * (1 + rho))) / (2 * mp.pi)


EXACT: dict[str, Callable[[Any, Any], Any]] = {
    "relu": _relu,
    "abs": lambda rho, s: 2 * s**2 * (mp.sqrt((1 - rho) * (1 + rho)) + rho * mp.asin(rho)) / mp.pi,
    "step": lambda rho, s: 0.25 + mp.asin(rho) / (2 * mp.pi),  # Sheppard 1899
    "sign": lambda rho, s: 2 * mp.asin(rho) / mp.pi,
    "erf": lambda rho, s: 2 * mp.asin(2 * rho * s**2 / (1 + 2 * s**2)) / mp.pi,  # Williams 1997, Eq. 11
    "sin": lambda rho, s: mp.exp(-(s**2)) * mp.sinh(rho * s**2),
    "cos": lambda rho, s: mp.exp(-(s**2)) * mp.cosh(rho * s**2),
    "exp": lambda rho, s: mp.exp(s**2 * (1 + rho)),
    "gaussian": lambda rho, s: 1 / mp.sqrt((1 + 2 * s**2) ** 2 - (2 * rho * s**2) ** 2),
    "identity": lambda rho, s: rho * s**2,
    "square": lambda rho, s: (1 + 2 * rho**2) * s**4,  # Isserlis 1918
    "cube": lambda rho, s: (9 * rho + 6 * rho**3) * s**6,
}


#: Wide exponentials overflow.
CASES = [(name, std) for name in sorted(EXACT) for std in (0.5, 1.0, 3.0, 30.0) if name != "exp" or std < 10]


@pytest.mark.parametrize(("name", "std"), CASES)
def test_both_routes_keep_their_word(name: str, std: float) -> None:
    for rho, found in zip(RHO, dual_estimates(activation(name), std=std, correlation=RHO), strict=True):
        with mpmath.workdps(34):
            exact = EXACT[name](mp.mpf(rho), mp.mpf(std))
            assert found.routes[Route.CLOSED_FORM].is_defined
            for estimate in found.routes.values():
                if estimate.is_defined:
                    assert abs(estimate.value - exact) <= estimate.error, (rho, estimate)


@pytest.mark.parametrize("name", ["relu", "hardtanh", "elu", "gelu", "hardswish", "snake", "selu"])
def test_a_planted_fault_is_found(name: str) -> None:
    """A coefficient off by 1e-11 is more than the stated errors allow."""
    first, _ = inputs(activation(name), None, 0.3, 1.7)
    form = first.form
    assert form is not None
    rho = np.array([0.9])
    value, error = closed_dual(form, form, rho, errors=True)
    [group] = form.cells
    (p, factor), *rest = group.powers
    wrong = type(form)(
        form.polynomial,
        (type(group)(group.count, group.centre, group.log, group.linear, group.quadratic, group.gate,
                     ((p, factor * (1 + 1e-11)), *rest)),),
    )  # fmt: skip
    bad, bad_error = closed_dual(wrong, wrong, rho, errors=True)
    assert abs(bad[0] - value[0]) > error[0] + bad_error[0]
    good = dual_estimates(activation(name), mean=0.3, std=1.7, correlation=0.9)[0].routes[Route.QUADRATURE]
    assert abs(value[0] - good.value) <= error[0] + good.error
    assert abs(bad[0] - good.value) > bad_error[0] + good.error
