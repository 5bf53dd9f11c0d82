import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from propstats.activations import activation
from propstats.expectation import quadrature
from propstats.theory.network import DenseNetwork
from propstats.theory.weights.propagation import Layers, Moments, largest_change, remaining
from propstats.theory.weights.schemes import weight_scheme

_GAINS = np.array([0.3, 1.0, 2.0, 10.0])


def test_rectifiers_are_homogeneous() -> None:
    """E[relu^2] = q/2 and E[relu'^2] = 1/2: each layer multiplies by gain/2, at any depth."""
    for depth in (1, 7, 400):
        left = remaining(activation("relu"), Layers.plain(_GAINS, 3 * _GAINS), std=2.0, depth=depth)
        assert np.all(np.abs(left.forward - depth * np.log(_GAINS / 2)) <= left.forward_error)
        assert np.all(np.abs(left.backward - depth * np.log(3 * _GAINS / 2)) <= left.backward_error)
        assert np.all(left.forward_error <= 1e-11 * depth)


@pytest.mark.parametrize("name", ["tanh", "gelu", "erf", "selu"])
@pytest.mark.parametrize("scheme", ["normprop", "he", "lecun"])
def test_against_the_layer_by_layer_theory_of_networks(name: str, scheme: str) -> None:
    """The same map as the one behind Jacobian spectra, which starts from activations instead of pre-activations."""
    act = activation(name)
    network = DenseNetwork(act, weight_scheme(scheme), (100,) * 7)
    gain = np.array([network.sigma_w[0] ** 2])
    layers = Layers(gain, gain, np.zeros(1), np.array([network.shift]), np.array([network.scale]))
    left = remaining(act, layers, std=network.preactivation_std(0, 1.0), depth=6)
    q = network.second_moments
    # Six layers' relative errors of some 1e-13 on the other side.
    assert abs(left.forward[0] - math.log(q[6] / q[0])) <= left.forward_error[0] + 1e-11
    slopes = sum(math.log(law.moment(1)) for law in network.slope_laws)
    assert abs(left.backward[0] - slopes) <= left.backward_error[0] + 1e-11


def test_errors_hold_against_thirty_digits() -> None:
    """tanh, three layers, in mpmath."""
    mp: Any = mpmath.mp
    with mpmath.workdps(25):
        q, back = mp.mpf(1), mp.mpf(1)
        for _ in range(3):
            root = mp.sqrt(q)

            def over_z(f: Callable[[Any], Any], root: Any = root) -> Any:
                return mp.quad(lambda z: mp.npdf(z) * f(root * z), [-14, -4, -1, 0, 1, 4, 14])

            back *= 1.5 * over_z(lambda x: mp.sech(x) ** 4)
            q = 1.5 * over_z(lambda x: mp.tanh(x) ** 2)
        forward, backward = float(mp.log(q)), float(mp.log(back))
    left = remaining(activation("tanh"), Layers.plain(np.array([1.5]), np.array([1.5])), std=1.0, depth=3)
    assert abs(left.forward[0] - forward) <= left.forward_error[0] + 2**-52 * abs(forward)
    assert abs(left.backward[0] - backward) <= left.backward_error[0] + 2**-52 * abs(backward)
    assert left.forward_error[0] < 1e-12


def test_biases_hold_the_signal_up() -> None:
    """Torch's default: q tends to the fixed point q = gain q/2 + bias, gradients vanish all the same."""
    third = np.array([1 / 3])
    layers = Layers(third, third, np.array([0.1]), np.zeros(1), np.ones(1))
    left = remaining(activation("relu"), layers, std=1.0, depth=60)
    assert abs(left.forward[0] - math.log(0.1 / (1 - 1 / 6))) <= left.forward_error[0]
    assert abs(left.backward[0] - 60 * math.log(1 / 6)) <= left.backward_error[0]


@pytest.mark.parametrize(("name", "gain"), [("exp", 1.0), ("cube", 1.0), ("square", 1.0)])
def test_what_outgrows_floats_is_infinite_and_no_number_is_made_up(name: str, gain: float) -> None:
    left = remaining(activation(name), Layers.plain(np.array([gain]), np.array([gain])), std=1.0, depth=50)
    assert left.forward[0] == math.inf
    assert math.isnan(left.backward[0])
    assert left.worst()[0] == math.inf


def test_jumps_pass_no_gradient() -> None:
    left = remaining(activation("sign"), Layers.plain(np.ones(1), np.ones(1)), std=1.0, depth=3)
    assert abs(left.forward[0]) <= left.forward_error[0] < 1e-13
    assert left.backward[0] == -math.inf


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu"])
def test_the_rough_change_is_the_exact_one(name: str) -> None:
    layers = Layers.plain(_GAINS, _GAINS)
    left = remaining(activation(name), layers, std=1.0, depth=9)
    change = largest_change(activation(name), layers, std=1.0, depth=9, within=100.0)
    assert np.all(np.abs(change - left.worst()) <= np.maximum(left.forward_error, left.backward_error))
    near = largest_change(activation(name), layers, std=1.0, depth=9, within=4.0)
    followed = left.worst() < 4
    assert np.all(np.abs(near - change)[followed] <= left.forward_error[followed])
    assert np.all(np.isinf(near[left.worst() > 4]))


def test_a_critical_network_stays() -> None:
    """gain = 1/E[phi'^2] with the bias that makes q = 1 a fixed point: nothing changes over 200 layers."""
    act = activation("tanh")
    moments = quadrature.moments(act)
    gain = np.array([1 / moments["slope_second_moment"].value])
    bias = 1 - gain * moments["second_moment"].value
    left = remaining(act, Layers(gain, gain, bias, np.zeros(1), np.ones(1)), std=1.0, depth=200)
    assert abs(left.forward[0]) <= left.forward_error[0]
    assert abs(left.backward[0]) <= left.backward_error[0]


@pytest.mark.parametrize("name", ["prelu", "tanh", "threshold"])
def test_moments_that_are_kept(name: str) -> None:
    """Computed once or scaled, they are those of each input within the bounds; nothing is computed twice."""
    moments, q = Moments(activation(name)), np.array([[0.3, 4.0, 0.3], [1e-30, 7.0, 1e12]])
    for _ in range(2):
        found = moments.at(q)
        for at in np.ndindex(q.shape):
            alone = quadrature.values(activation(name), 0.0, math.sqrt(float(q[at])))
            allowed = found.errors[:, *at] + alone.errors
            assert (np.abs(found.moments[:, *at] - alone.moments) <= allowed).all()
    assert len(moments._known) == (5 if name == "tanh" else 0)
