import math

import numpy as np
import pytest

from propstats.activations import activation
from propstats.theory.weights.advice import KEPT, exponential
from propstats.theory.weights.fans import dense
from propstats.theory.weights.propagation import Layers, remaining
from propstats.theory.weights.scales import scales


def test_relu_wants_he() -> None:
    advice = scales("relu").advice
    assert advice.fits == ("he", "he_uniform", "he_truncated", "he_fan_out")
    assert math.isclose(advice.std, math.sqrt(2 / 512), rel_tol=1e-14)
    assert "he keeps signal and gradient" in advice.why


def test_leaky_rectifiers_want_their_slope_in_it() -> None:
    fits = scales("leaky_relu", negative_slope=0.8, depth=100).advice.fits
    assert fits[:2] == ("he", "he_uniform")
    assert "he_truncated" not in fits  # Keras' knows of no slope


@pytest.mark.parametrize("name", ["gelu", "silu"])
def test_none_is_an_answer(name: str) -> None:
    advice = scales(name).advice
    assert advice.fits == ()
    assert advice.std_fits
    assert advice.why.startswith("no scheme keeps signal and gradient within x10 over 50 layers")
    assert f"std {advice.std:.4g} keeps both" in advice.why


def test_no_std_is_an_answer_too() -> None:
    """Keeping x^2 in size makes gradients grow by 4/3 a layer, and nothing holds it there."""
    advice = scales("square").advice
    assert not advice.std_fits
    assert "; no std does, " in advice.why


def test_no_slope_no_gradient() -> None:
    advice = scales("sign").advice
    assert advice.fits == ()
    assert advice.backward_std.value == math.inf
    assert advice.why == "no weights carry a gradient through sign: its slope vanishes"


def test_one_layer_is_kept_by_what_is_asked_for() -> None:
    advice = scales("gelu", fan_in=300, fan_out=500, depth=1).advice
    for std, index in ((advice.forward_std, 0), (advice.backward_std, 1)):
        square = np.array([std.value**2])
        left = remaining(activation("gelu"), Layers.plain(300 * square, 500 * square), std=1.0, depth=1)
        change, error = (left.forward, left.forward_error) if index == 0 else (left.backward, left.backward_error)
        assert abs(change[0]) <= error[0] + 2 * std.error / std.value


@pytest.mark.parametrize("name", ["tanh", "softsign", "hardtanh"])
def test_no_other_std_is_better(name: str) -> None:
    """Against a fine scan of all standard deviations."""
    advice, act = scales(name, depth=20, fan_in=100).advice, activation(name)
    scan = np.linspace(0.5, 2.0, 100) * advice.std
    terms = dense(100, 100).terms_in * scan**2
    worst = remaining(act, Layers.plain(terms, terms), std=1.0, depth=20).worst()
    best = max(abs(math.log(e.value)) for e in (advice.forward_remaining, advice.backward_remaining))
    assert best <= worst.min() + 1e-3
    assert advice.std_fits is (best <= 2 * math.log(KEPT))


def test_fixup_is_not_for_chains() -> None:
    assert "fixup" not in scales("relu", depth=1).advice.fits


def test_exponential() -> None:
    assert exponential(0.0, 1e-12).value == 1.0
    assert exponential(-math.inf, 0.0).value == 0.0
    assert exponential(-math.inf, math.nan).error == 0.0
    assert exponential(800.0, 1e-12).value == math.inf
    assert not exponential(math.nan, 0.0).is_defined
