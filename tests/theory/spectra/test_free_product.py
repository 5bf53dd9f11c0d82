import math

import numpy as np
import pytest

from propstats.activations import activation
from propstats.expectation.quadrature import SlopeLaw, slope_law
from propstats.theory.spectra.finite_width import product_moments, rank_deficiency
from propstats.theory.spectra.free_product import FreeProduct
from propstats.theory.weights.schemes import Law

_ONE = SlopeLaw(np.ones(1), np.ones(1))
_RELU = SlopeLaw(np.array([0.0, 2.0]), np.array([0.5, 0.5]))  # He weights: sigma_w^2 = 2


@pytest.mark.parametrize("depth", [1, 2, 10, 50])
def test_linear_gaussian_edge(depth: int) -> None:
    """(L+1)^(L+1)/L^L: Marchenko-Pastur's 4, then Fuss-Catalan."""
    exact = math.exp((depth + 1) * math.log(depth + 1) - depth * math.log(depth))
    assert math.isclose(FreeProduct([_ONE] * depth, orthogonal=False).edge().value, exact, rel_tol=1e-9)


@pytest.mark.parametrize(("depth", "printed"), [(2, "6.75"), (10, "28.5312"), (50, "137.271")])
def test_linear_gaussian_edge_as_printed(depth: int, printed: str) -> None:
    found = FreeProduct([_ONE] * depth, orthogonal=False).edge().value
    assert abs(found - float(printed)) <= 0.5 * 10.0 ** -len(printed.partition(".")[2])


def test_one_relu_layer() -> None:
    """D W with half of the rows kept is Marchenko-Pastur of ratio 1/2: edge (sqrt 1 + sqrt 2)^2 for He weights."""
    edge = FreeProduct([_RELU], orthogonal=False).edge()
    assert math.isclose(edge.value, (1 + math.sqrt(2)) ** 2, rel_tol=1e-9)


def test_orthogonal_linear_network_is_an_atom() -> None:
    edge = FreeProduct([_ONE] * 7, orthogonal=True).edge()
    assert math.isclose(edge.value, 1.0, rel_tol=1e-6)
    assert math.isinf(edge.curvature)
    assert not FreeProduct([_ONE] * 7, orthogonal=True).density(np.linspace(0.1, 2, 5)).any()


def test_orthogonal_relu_layer_is_an_atom_too() -> None:
    edge = FreeProduct([_RELU], orthogonal=True).edge()
    assert math.isclose(edge.value, 2.0, rel_tol=1e-6)
    assert math.isinf(edge.t)


def _relu_product(depth: int, orthogonal: bool) -> float:
    """The edge from the closed form z(t) = (1+t)/t prod S^-1, with S_{D^2} = (1+t)/(1/2+t)/2 (Pennington et al.)."""
    from scipy.optimize import minimize_scalar

    def log_z(log_t: float) -> float:
        t = math.exp(log_t)
        inverse_s = math.log(2 * (0.5 + t) / (1 + t)) + (0.0 if orthogonal else math.log1p(t))
        return math.log1p(t) - math.log(t) + depth * inverse_s

    return math.exp(minimize_scalar(log_z, bounds=(-15, 15), method="bounded", options={"xatol": 1e-10}).fun)


@pytest.mark.parametrize("orthogonal", [False, True])
@pytest.mark.parametrize("depth", [2, 5, 20])
def test_deep_relu_edges(depth: int, orthogonal: bool) -> None:
    found = FreeProduct([_RELU] * depth, orthogonal=orthogonal).edge().value
    assert math.isclose(found, _relu_product(depth, orthogonal), rel_tol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("laws", "orthogonal", "atom", "fourth"), [
    ([_ONE], False, 0.0, 1.0),
    ([_RELU], False, 0.5, 2.0),  # nothing below sqrt 2 - 1 but the atom
    ([_RELU] * 2, False, 0.5, 4.0),
    ([_RELU] * 2, True, 0.5, 2.0),
    ([_RELU] * 4, True, 0.5, 4.0),
])  # fmt: skip
def test_density_has_the_right_moments(laws: list[SlopeLaw], orthogonal: bool, atom: float, fourth: float) -> None:
    """Mass 1 - atom, second moment 1, normalised variance L/p or L(1-p)/p (theory section 6).

    On a grid even in log s, midpoints take an integrable singularity at 0 in their stride. The upper edge is a
    square root: midpoints of step h there are good to h^1.5 times the height of the root, which is below 10 here.
    """
    free = FreeProduct(laws, orthogonal=orthogonal)
    top, bottom, n = math.sqrt(free.edge().value), 1e-6, 4000
    step = math.log(top / bottom) / n
    s = bottom * np.exp((np.arange(n) + 0.5) * step)
    weights = free.density(s) * s * step
    grid_error = 100 * step**1.5
    # Four orthogonal layers are three square corners of unitary matrices: s^(-1/2) at 0, the steepest here.
    below = 10 * math.sqrt(bottom)
    assert abs(weights.sum() - (1 - atom)) <= grid_error + below
    assert abs((weights * s**2).sum() - 1.0) <= grid_error * top**2
    assert abs((weights * s**4).sum() - (1 + fourth)) <= grid_error * top**4


def test_marchenko_pastur_density() -> None:
    """One square Gaussian layer: the quarter circle sqrt(4 - s^2)/pi."""
    s = np.linspace(0.05, 1.95, 39)
    exact = np.sqrt(4 - s**2) / math.pi
    assert np.allclose(FreeProduct([_ONE], orthogonal=False).density(s), exact, rtol=1e-8)


def test_density_is_zero_beyond_the_edge() -> None:
    assert FreeProduct([_ONE], orthogonal=False).density(np.array([2.001, 3.0])).tolist() == [0.0, 0.0]


def test_edge_curvature() -> None:
    """Below the edge the density of eigenvalues is (A/pi) sqrt(edge - x)."""
    free = FreeProduct([_RELU] * 3, orthogonal=False)
    edge = free.edge()
    gap = 1e-4 * edge.value
    s = math.sqrt(edge.value - gap)
    by_curve = float(free.density(np.array([s]))[0]) / (2 * s)  # of s^2
    # The next term is smaller by the relative gap, to the power 1; a prefactor of a hundred is generous.
    assert math.isclose(by_curve, edge.curvature / math.pi * math.sqrt(gap), rel_tol=100 * 1e-4)


def test_order_and_repetition_do_not_matter() -> None:
    tanh = slope_law(activation("tanh"), 0.0, 1.0)
    ab = FreeProduct([tanh, _RELU, tanh], orthogonal=False).edge().value
    ba = FreeProduct([_RELU, tanh, tanh], orthogonal=False).edge().value
    assert math.isclose(ab, ba, rel_tol=1e-9)


def test_scale_comes_out() -> None:
    """Slopes scaled by k scale every squared singular value by k^2 per layer."""
    law = slope_law(activation("prelu"), 0.0, 1.0)
    scaled = SlopeLaw(9.0 * law.values, law.weights)
    plain, large = (FreeProduct([x] * 4, orthogonal=False).edge().value for x in (law, scaled))
    assert math.isclose(large, 9.0**4 * plain, rel_tol=1e-9)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 3), (3, 1), (4, 5)])
def test_one_rectangular_gaussian_layer(n: int, m: int) -> None:
    """Marchenko & Pastur: the edges (1 +- sqrt(m/n))^2 of W W^T, W of m rows and n columns of variance 1/n."""
    free = FreeProduct([_ONE], orthogonal=False, widths=(n, m))
    assert math.isclose(free.edge().value, (1 + math.sqrt(m / n)) ** 2, rel_tol=1e-9)
    if n != m:
        low, high = ((1 + sign * math.sqrt(m / n)) ** 2 for sign in (-1, 1))
        s = np.linspace(1.02 * math.sqrt(low), 0.98 * math.sqrt(high), 21)
        x = s**2
        # The density of the min(n, m) eigenvalues that are not 0 for their shape alone.
        exact = np.sqrt((high - x) * (x - low)) * n / (2 * math.pi * x * min(n, m)) * 2 * s
        assert np.allclose(free.density(s), exact, rtol=1e-6)


@pytest.mark.parametrize(("widths", "scale"), [((4, 2, 1), 1.0), ((1, 2, 4), 4.0), ((3, 1), 1.0), ((1, 3), 3.0)])
def test_rectangular_orthogonal_layers_that_only_widen_or_narrow_are_an_atom(
    widths: tuple[int, ...], scale: float
) -> None:
    """Rows of a rotation have length 1; its columns, at variance 1/fan_in, the ratio of the widths."""
    free = FreeProduct([_ONE] * (len(widths) - 1), orthogonal=True, widths=widths)
    assert math.isclose(free.edge().value, scale, rel_tol=1e-6)
    assert math.isclose(free.mean, scale, rel_tol=1e-12)


def test_a_bottleneck_of_rotations_is_jacobis_ensemble() -> None:
    """Columns of a rotation, then rows of another: m x m corners of rotations of size n, edge 4 r (1 - r), r = m/n.

    With r = 1/2 and below 4 r (1 - r) is where Wachter's law ends; above, singular values of 1 appear.
    """
    r = 0.25
    free = FreeProduct([_ONE] * 2, orthogonal=True, widths=(1, 4, 1))
    # W_1 = sqrt(4) times columns, W_2 rows: 4 times the corner's squares.
    assert math.isclose(free.edge().value, 4 * 4 * r * (1 - r), rel_tol=1e-9)
    assert math.isclose(free.mean, 1.0, rel_tol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("orthogonal", [False, True])
@pytest.mark.parametrize("widths", [(2, 3, 1, 2), (5, 2, 4, 4)])
def test_density_of_unequal_widths(widths: tuple[int, ...], orthogonal: bool) -> None:
    """Mass, mean and fourth moment against those of wide networks, whose deviation is of order 1/width."""
    free = FreeProduct([_RELU] * 3, orthogonal=orthogonal, widths=widths)
    top, bottom, n = math.sqrt(free.edge().value), 1e-6, 4000
    step = math.log(top / bottom) / n
    s = bottom * np.exp((np.arange(n) + 0.5) * step)
    weights = free.density(s) * s * step
    wide = [100_000 * width for width in widths]
    law = Law.ORTHOGONAL if orthogonal else Law.GAUSSIAN
    mean, fourth = product_moments([(1.0, 2.0)] * 3, wide, law)
    grid_error = 100 * step**1.5
    below = 10 * math.sqrt(bottom)
    assert abs(weights.sum() - (1 - rank_deficiency([0.5] * 3, wide))) <= grid_error + below
    assert abs((weights * s**2).sum() - mean) <= grid_error * top**2
    assert math.isclose(free.mean, mean, rel_tol=1e-9)
    assert abs((weights * s**4).sum() - fourth) <= grid_error * top**4


def _below(s: np.ndarray) -> np.ndarray:
    """The quarter circle's share below s."""
    return np.asarray((s * np.sqrt(4 - s**2) / 2 + 2 * np.arcsin(s / 2)) / math.pi)


def test_bins_hold_the_mass_of_the_quarter_circle() -> None:
    edges = np.array([0.0, 0.01, 0.4, 1.0, 1.9, 2.0, 2.5])
    exact = np.diff([*_below(edges[:-1]), 1.0])
    found = FreeProduct([_ONE], orthogonal=False).binned(edges) * np.diff(edges)
    # Read off 1e-10 above the axis, relatively, where the density is at most 2/pi: below the upper edge, whose
    # square root grows fastest, the root of that.
    assert np.allclose(found, exact, rtol=0, atol=1e-5)
    assert np.allclose(found[:3], exact[:3], rtol=0, atol=1e-9)


@pytest.mark.parametrize(("law", "depth", "orthogonal", "nonzero"), [
    (_RELU, 9, False, 0.5), (_RELU, 3, True, 0.5), (_ONE, 3, False, 1.0), (_RELU, 1, True, 0.5),
    (_ONE, 7, True, 1.0),  # an atom
])  # fmt: skip
def test_bins_hold_all_that_is_not_zero(law: SlopeLaw, depth: int, orthogonal: bool, nonzero: float) -> None:
    free = FreeProduct([law] * depth, orthogonal=orthogonal)
    assert math.isclose(free.nonzero, nonzero)
    edges = np.linspace(0, 1.1 * math.sqrt(free.edge().value), 9)
    binned = free.binned(edges)
    assert math.isclose(float((binned * np.diff(edges)).sum()), nonzero, abs_tol=1e-9)


@pytest.mark.parametrize(("law", "depth", "orthogonal", "gap", "above"), [
    (_RELU, 1, False, 0.3, 0.5),  # from 0 to sqrt 2 - 1
    (_RELU, 1, True, 0.7, 0.5),  # from 0 to sqrt 2
    (_ONE, 7, True, 0.9, 1.0),
    (SlopeLaw(np.array([0.0, 0.1, 9.0]), np.array([0.2, 0.5, 0.3])), 1, True, 1.0, 0.3),
])  # fmt: skip
def test_mass_above_a_gap(law: SlopeLaw, depth: int, orthogonal: bool, gap: float, above: float) -> None:
    found = FreeProduct([law] * depth, orthogonal=orthogonal).mass_above(np.array([gap]))
    assert np.allclose(found, above, rtol=0, atol=1e-8)


@pytest.mark.parametrize("orthogonal", [False, True])
def test_mass_is_the_integral_of_the_density(orthogonal: bool) -> None:
    """Gauss-Legendre inside the support, where the density is analytic."""
    free = FreeProduct([_RELU] * 3, orthogonal=orthogonal, widths=(4, 3, 5, 6))
    nodes, weights = np.polynomial.legendre.leggauss(12)
    low, high = (share * math.sqrt(free.edge().value) for share in (0.4, 0.8))
    s = (low + high) / 2 + (high - low) / 2 * nodes
    integral = float((free.density(s) * weights).sum()) * (high - low) / 2
    above = free.mass_above(np.array([low, high]))
    assert math.isclose(float(above[0] - above[1]), integral, rel_tol=1e-7)
