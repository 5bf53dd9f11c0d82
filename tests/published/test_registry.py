"""The constants of propstats, against routes that know nothing of balls or of how expressions are read."""

from functools import cache
from pathlib import Path
from typing import Any

import mpmath
import pytest
from oracle import mpmath_namespace, oracle_moments

from propstats.activations import activation_names
from propstats.activations.expression import evaluate
from propstats.expectation.moments import derived_formulas
from propstats.published.constants import Constant, compute
from propstats.published.lock import lock_text
from propstats.published.registry import registry

LOCK = Path(__file__).parents[2] / "reports" / "constants.toml"
_DIGITS = 22


@cache
def _found() -> dict[str, Any]:
    with mpmath.workdps(40):
        return {value.name: mpmath.mpf(value.digits) for value in compute(registry(), _DIGITS)}


def _close(name: str, truth: Any, tolerance: float = 2e-22) -> None:
    """By default: half a unit of the 22nd digit, and what the oracle may be off."""
    with mpmath.workdps(40):
        assert abs(_found()[name] - truth) <= tolerance * max(1, 10 * abs(truth)), name


#: Parameters that are doubles in the catalog, and what they stand for in the registry.
_ROUNDED = {"leaky_relu": 1e-15, "selu": 1e-14, "rrelu": 1e-14}


def _against_the_oracle(name: str) -> None:
    with mpmath.workdps(40):
        base = {**oracle_moments(name, 0.0, 1.0), "s": mpmath.mpf(1)}
        expected = {key: evaluate(tree, base, mpmath_namespace()) for key, tree in derived_formulas().items()}
        for suffix, quantity in (
            ("normprop_shift", base["mean"]),
            ("normprop_scale", mpmath.sqrt(base["var"])),
            ("backward_std", expected["std"]),
            ("gain", expected["gain"]),
            ("unit_variance_gain", expected["unit_variance_gain"]),
            ("jacobian_factor", expected["jacobian_factor"]),
            ("stability_slope", expected["stability_slope"]),
            ("nonlinear_share", expected["nonlinear_share"]),
        ):
            _close(f"{name}_{suffix}", quantity, _ROUNDED.get(name, 2e-22))


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu", "selu", "step", "softplus"])
def test_activations(name: str) -> None:
    _against_the_oracle(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", activation_names())
def test_all_activations(name: str) -> None:
    _against_the_oracle(name)


def test_every_activation_has_all_constants() -> None:
    names = {constant.name for constant in registry()}
    assert len(names) == len(registry())
    for name in activation_names():
        assert sum(other.startswith(f"{name}_") for other in names) >= 8, name


def _normal(f: Any, low: Any = -mpmath.inf, high: Any = mpmath.inf) -> Any:
    edges = [low, *(e for e in (-6, -3, -2, -1, 0, 1, 2, 3, 6) if low < e < high), high]
    return mpmath.quad(lambda z: f(z) * mpmath.npdf(z), edges)


@pytest.mark.parametrize(("name", "size"), [("2", 2), ("3", 3), ("2x2", 4), ("3x3", 9), ("4x4", 16), ("5x5", 25)])
def test_max_pooling(name: str, size: int) -> None:
    with mpmath.workdps(34):
        mean, square = (
            _normal(lambda z, n=power: size * z**n * mpmath.ncdf(z) ** (size - 1)) for power in (1, 2)
        )  # fmt: skip
        _close(f"max_pool_{name}_mean", mean)
        _close(f"max_pool_{name}_std", mpmath.sqrt(square - mean**2))


def test_pooling_backward() -> None:
    """A window without overlap: the gradient goes to one input in k, or is shared by all."""
    with mpmath.workdps(34):
        for side in (2, 3, 5):
            _close(f"max_pool_{side}x{side}_backward_std", mpmath.mpf(1) / side)
            _close(f"average_pool_{side}x{side}_std", mpmath.mpf(1) / side)
            _close(f"average_pool_{side}x{side}_backward_std", mpmath.mpf(1) / side**2)


def test_selu_solves_its_defining_equations() -> None:
    with mpmath.workdps(34):
        alpha, scale = _found()["selu_alpha"], _found()["selu_lambda"]

        def selu(z: Any) -> Any:
            return scale * (z if z > 0 else alpha * mpmath.expm1(z))

        assert abs(_normal(selu)) < 1e-20
        assert abs(_normal(lambda z: selu(z) ** 2) - 1) < 1e-20
        _close("selu_alpha_prime", -scale * alpha, 1e-21)
        # chi_1: the slope is lambda above 0 and lambda alpha exp(z) below
        slope = scale**2 * (mpmath.mpf(1) / 2 + alpha**2 * _normal(lambda z: mpmath.exp(2 * z), high=0))
        _close("selu_slope_second_moment", slope, 1e-20)


def test_weights() -> None:
    with mpmath.workdps(34):
        inside = _normal(lambda z: 1, -2, 2)
        _close("truncated_normal_std", mpmath.sqrt(_normal(lambda z: z**2, -2, 2) / inside))
        _close("uniform_std", mpmath.sqrt(mpmath.quad(lambda z: z**2 / 2, [-1, 1])))
        _close("he_gain", mpmath.sqrt(2))
        # U(+-1/sqrt n) has variance 1/(3n); half of the units let a gradient through
        _close("torch_linear_mean_square_relu", mpmath.mpf(1) / 6)


def test_normprop() -> None:
    """By integration, where the registry has the formulas of Remarks 1 and 2 and section 3.4."""
    with mpmath.workdps(34):
        for prefix, a in (("relu", mpmath.mpf(0)), ("prelu", mpmath.mpf(1) / 4)):
            mean = _normal(lambda z: z, low=0) + a * _normal(lambda z: z, high=0)
            square = _normal(lambda z: z**2, low=0) + a**2 * _normal(lambda z: z**2, high=0)
            _close(f"normprop_{prefix}_c2", mean)
            _close(f"normprop_{prefix}_c1", mpmath.sqrt(square - mean**2))
        jacobian = mpmath.sqrt(mpmath.mpf(1) / 2 / (1 / mpmath.mpf(2) - 1 / (2 * mpmath.pi)))
        _close("normprop_relu_jacobian", jacobian)
        _close("normprop_relu_mean_square", jacobian**2)
        _close("normprop_relu_gamma", 1 / jacobian)


@pytest.mark.parametrize(("name", "beta"), [("half", 0.5), ("one", 1.0), ("three_halves", 1.5)])
def test_biases(name: str, beta: float) -> None:
    """J^2 and the slope of the variance map at a bias: `E[phi'^2]/Var phi`, and `E[(phi - m) phi' z]/Var phi`."""
    with mpmath.workdps(34):
        b = mpmath.mpf(beta)
        mean, square = (_normal(lambda z, n=n: (z + b) ** n, low=-b) for n in (1, 2))
        var = square - mean**2
        _close(f"normprop_relu_mean_square_bias_{name}", mpmath.ncdf(b) / var)
        _close(f"stability_slope_relu_bias_{name}", _normal(lambda z: (z + b - mean) * z, low=-b) / var)


@pytest.mark.parametrize(("name", "rho"), [("relu_kernel_at_0", "0"), ("relu_kernel_at_half", "0.5")])
def test_kernels(name: str, rho: str) -> None:
    """`E[relu(u) relu(v)]/E[relu(u)^2]`, v integrated out: given u, it is N(rho u, 1 - rho^2)."""
    with mpmath.workdps(34):
        c = mpmath.mpf(rho)
        s = mpmath.sqrt(1 - c**2)

        def given_u(u: Any) -> Any:
            return u * (c * u * mpmath.ncdf(c * u / s) + s * mpmath.npdf(c * u / s))

        _close(name, 2 * _normal(given_u, low=0))


def test_edge_of_chaos() -> None:
    """`sigma_w^2 E[phi'^2] = 1` and `sigma_w^2 E[phi^2] + sigma_b^2 = 1` for pre-activations of second moment 1."""
    found = _found()
    with mpmath.workdps(34):
        for name in ("tanh", "erf", "hardtanh"):
            moments = oracle_moments(name, 0.0, 1.0)
            w, b = found[f"critical_sigma_w_{name}"], found[f"critical_sigma_b_{name}"]
            assert abs(w**2 * moments["slope_second_moment"] - 1) < 1e-20
            assert abs(w**2 * moments["second_moment"] + b**2 - 1) < 1e-20
    # Schoenholz et al. for tanh, q* = 1: sigma_w^2 and sigma_b^2, tabulated before propstats was written
    assert abs(found["critical_sigma_w_tanh"] ** 2 - mpmath.mpf("2.15330264890279")) < 1e-14
    assert abs(found["critical_sigma_b_tanh"] ** 2 - mpmath.mpf("0.150964629378553")) < 1e-14


def test_gates() -> None:
    """`E[(a g(b))^2] = E[g(b)^2]` for independent a and b of variance 1."""
    for gate, unit in (("glu", "sigmoid"), ("reglu", "relu"), ("geglu", "gelu"), ("swiglu", "silu")):
        assert _found()[f"{gate}_gain"] == _found()[f"{unit}_gain"]
    assert _found()["bilinear_gain"] == 1


def test_the_lock_is_what_the_command_writes() -> None:
    assert LOCK.read_text(encoding="utf-8") == lock_text(compute(registry(), 30), 30)


def test_the_oracle_would_see_a_wrong_formula() -> None:
    (wrong,) = compute([Constant("wrong", "unit_variance_gain(tanh, mu=1e-9)")], _DIGITS)
    assert abs(mpmath.mpf(wrong.digits) - _found()["tanh_unit_variance_gain"]) > 2e-20
