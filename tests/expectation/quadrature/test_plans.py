"""Which inputs are integrated how."""

import numpy as np
import pytest

from propstats.activations import activation
from propstats.expectation.quadrature.branches import branches
from propstats.expectation.quadrature.plans import Case, Plan


def _case(name: str, means: list[float], stds: list[float]) -> Case:
    own = branches(activation(name))
    mean, std = np.array(means), np.array(stds)
    z = tuple((kink.at - mean) / std for kink in own.kinks)
    return Case(mean, std, tuple(own.params.values()), own.kinks, z, own.scales)


def test_branches_end_within_reach() -> None:
    case = _case("hardtanh", [0.0, 50.0], [1.0, 1.0])
    assert case.ends(9.0).tolist() == [[-9.0, -1.0, 1.0, 9.0], [-9.0, -9.0, -9.0, 9.0]]


def test_taking_some_inputs_takes_what_belongs_to_them() -> None:
    taken = _case("hardtanh", [0.0, 50.0, 2.0], [1.0, 1.0, 0.5]).take(np.array([2]))
    assert (taken.mean.tolist(), taken.std.tolist()) == ([2.0], [0.5])
    assert [z.tolist() for z in taken.z] == [[-6.0], [-2.0]]


@pytest.mark.parametrize(("mean", "sides"), [(0.0, (False, False)), (-20.0, (False, True)), (20.0, (True, False))])
def test_kinks_beyond_the_nodes_are_known_by_their_side(mean: float, sides: tuple[bool, bool]) -> None:
    assert _case("relu", [mean], [1.0]).kinked_beyond(9.0) == sides


def test_kinks_out_of_sight_are_nowhere() -> None:
    assert _case("relu", [1e6], [1.0]).kinked_beyond(9.0) == (False, False)


def test_a_plan_with_too_many_nodes_is_none() -> None:
    tanh, relu = branches(activation("tanh")), branches(activation("relu"))
    assert Plan(0, 99, (), 9.0).size(tanh) == 0
    assert Plan(-1, 0, (1, 99), 9.0).size(relu) == 0
    assert Plan(-1, 0, (1, 1), 9.0).size(relu) == 68
    assert Plan(0, 6, (), 9.0).size(tanh) > Plan(0, 0, (), 9.0).size(tanh) > 30
