"""What google-deepmind/dks prints in tests/test_activation_transform.py, for its residual network and zeta = 1.2.

Its local targets come from a bisection that ends within 1e-8 of what the network should do; seven decimals are
compared.
"""

import math
from collections.abc import Callable

import pytest

from propstats.activations import Activation, activation
from propstats.expectation import quadrature
from propstats.theory.transformed import Transformed, residual, shape, shape_leaky, tailor, tailor_leaky
from propstats.theory.transformed.network import local_curvature, local_slope, negative_slope

NETWORK = residual((3, 4, 23, 3), shortcut=0.6)
ZETA, ETA, TAU = 1.2, 0.75, 0.2
BISECTION, DECIMALS = 1e-8, 1e-7

SHAPED = {
    "softplus(x)": (0.18761008168267976, 0.40688063442262007, -0.9213466151411376, 8.878672543665223),
    "tanh(x)": (0.07461073057540868, 0.5566915199964182, -0.5034378768692127, 18.002635964442558),
    "x*Phi(x)": (0.07043253126531114, 0.259489297927707, -0.15815378961903598, 20.21158902315857),
    "x*sigmoid(2*sqrt(2/pi)*(x + 0.044715*x**3))": (
        0.07036271496383567, 0.2586837248593587, -0.15758328114374964, 20.249573305194307,
    ),
}  # fmt: skip
TAILORED = {
    "softplus(x)": (0.15011489794748328, 0.5374599901127068, -0.996481014465811, 10.54880187880574),
    "tanh(x)": (0.0580205218578313, 0.5218639804099805, -0.4796430704354356, 22.36066261763117),
}


def _bisected(whole: Callable[[float], float], target: float, x: float, low: float) -> float:
    """Their search: doubled, then halved, until the whole is within 1e-8 of its target."""
    high = math.inf
    while abs(whole(x) - target) >= BISECTION:
        if whole(x) > target:
            high, x = x, (low + x) / 2
        else:
            low, x = x, 2 * x if math.isinf(high) else (x + high) / 2
    return x


def _compare(found: Transformed, printed: tuple[float, ...]) -> None:
    for ours, theirs in zip(found.constants.values(), printed, strict=True):
        assert abs(ours - theirs) < 1.5 * DECIMALS


def _slope(unit: Activation, printed: tuple[float, ...]) -> float:
    return quadrature.moments(unit, mean=printed[1], std=printed[0])["jacobian_factor"].value ** 2


@pytest.mark.parametrize("formula", SHAPED)
def test_shaped(formula: str) -> None:
    printed, unit = SHAPED[formula], activation(formula)
    theirs = _bisected(lambda s: NETWORK(1.0, lambda x: s * x), ZETA, 1.1, 1.0)
    _compare(shape(unit, theirs), printed)
    # Ours is what the network asks for, and theirs as good as their bisection.
    exact = local_slope(NETWORK, ZETA)
    assert math.isclose(NETWORK(1.0, lambda x: exact * x), ZETA, rel_tol=1e-13)
    ours = shape(unit, exact)
    for scale, limit in ((ours.input_scale, 1e-9), (printed[0], 3 * BISECTION)):
        shift = ours.input_shift if scale == ours.input_scale else printed[1]
        slope = _slope(unit, (scale, shift))
        assert abs(NETWORK(1.0, lambda x: slope * x) - ZETA) < limit  # noqa: B023


@pytest.mark.parametrize("formula", TAILORED)
def test_tailored(formula: str) -> None:
    theirs = _bisected(lambda k: NETWORK(0.0, lambda x: k + x), TAU, 0.1, 0.0)
    _compare(tailor(activation(formula), theirs), TAILORED[formula])
    exact = local_curvature(NETWORK, TAU)
    assert math.isclose(NETWORK(0.0, lambda x: exact + x), TAU, rel_tol=1e-13)
    assert abs(exact - theirs) < BISECTION


def test_tailored_leaky_relu() -> None:
    found = tailor_leaky(negative_slope(NETWORK, ETA))
    assert abs(found.base.params["negative_slope"] - 0.6291800290346146) < DECIMALS
    assert abs(found.output_scale - 1.196996549778802) < DECIMALS


def test_shaped_leaky_relu() -> None:
    theirs = _bisected(lambda s: NETWORK(1.0, lambda x: s * x), ZETA, 1.1, 1.0)
    found = shape_leaky(theirs)
    printed = (0.8761257073473065, -0.049418692997275034, 1.0651832705682147)
    for ours, other in zip((found.base.params["negative_slope"], found.output_shift, found.output_scale), printed,
                           strict=True):  # fmt: skip
        assert abs(ours - other) < DECIMALS


def test_their_relu_misses_its_own_target() -> None:
    """With what they print, zeta is off by 4e-5: their quadrature does not know of the kink."""
    relu, exact = activation("relu"), local_slope(NETWORK, ZETA)
    ours = shape(relu, exact, q_slope=None)
    assert ours.input_shift == 1.0
    assert abs(ours.input_scale - 0.3685360046708044) < 1e-5
    slopes = [_slope(relu, pair) for pair in ((ours.input_scale, 1.0), (0.3685360046708044, 1.0))]
    missed = [abs(NETWORK(1.0, lambda x: s * x) - ZETA) for s in slopes]  # noqa: B023
    assert missed[0] < 1e-9
    assert missed[1] > 1e-5


def test_relu_slope_is_normprops() -> None:
    """The largest local slope of a ReLU, printed as 1.466942206924260361, is NormProp's mean squared singular value."""
    found = quadrature.moments(activation("relu"))["jacobian_factor"].value ** 2
    assert abs(found - 1.466942206924260361) < 1e-14


def test_correlation_maps() -> None:
    from propstats.expectation.dual import dual, dual_slope

    relu, tanh = activation("relu"), activation("tanh")
    assert abs(2 * dual(relu, correlation=0.0) - 1 / math.pi) < 1e-15
    assert abs(2 * dual(relu, correlation=0.5) - 0.608997781044229) < 1e-15
    second = quadrature.moments(tanh)["second_moment"].value
    # Their E[tanh^2] is off by 5e-12.
    assert abs(dual(tanh, correlation=0.5) / second - 0.47255139936884694) < 5e-12 / second
    assert abs(dual_slope(tanh, correlation=1.0) / second - 1.177807232304178) < 2e-14
