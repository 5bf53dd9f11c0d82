"""Lessons: each statement holds, for more than one seed, and the numbers could have come out otherwise."""

import pytest
import torch
from torch import nn

from propstats.errors import UnknownNameError
from propstats.experiments.lessons.inputs import _sign_agreement
from propstats.experiments.lessons.lesson import LESSONS, lesson
from propstats.experiments.lessons.networks import dense, gaussian, generator, stack

_QUICK = ("zero-centred", "unit-variance", "identical", "glorot", "he")


@pytest.mark.parametrize("name", _QUICK)
def test_quick_lessons_hold(name: str) -> None:
    result = lesson(name, seed=1)
    assert result.holds
    assert result.name == name
    assert all(len(curve.x) == len(curve.y) for curve in result.panel.curves)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(LESSONS) - set(_QUICK)))
def test_lessons_that_train_hold(name: str) -> None:
    assert lesson(name, seed=1).holds


def test_signs_agree_by_chance_only_where_inputs_have_both() -> None:
    inputs, labels = torch.randn(64, 50, generator=generator(0)), torch.zeros(64, dtype=torch.int64)
    both = _sign_agreement(inputs, labels, 0).value
    # The larger of two counts of 50 fair coins is 25 + E|N(0, 12.5)|/... = 0.5 + sqrt(12.5 * 2/pi)/50 on average.
    assert both == pytest.approx(0.5 + (12.5 * 2 / torch.pi) ** 0.5 / 50, abs=0.01)
    assert _sign_agreement(inputs.abs(), labels, 0).value == 1.0


def test_lessons_leave_global_randomness_alone() -> None:
    before = torch.get_rng_state()
    lesson("identical")
    assert torch.equal(before, torch.get_rng_state())


def test_networks_come_from_their_seed_alone() -> None:
    first, second = (stack([4, 3, 2], gaussian(lambda n, _: 1 / n), nn.ReLU, generator(5)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert dense(4, 3, gaussian(lambda n, _: 1 / n), generator(6)).bias.eq(0).all()


def test_an_unknown_lesson_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match="unknown lesson 'xavier'"):
        lesson("xavier")
