"""Many inputs at once: the same numbers as one by one, by whichever way each of them is integrated."""

from typing import Any

import numpy as np
import pytest

from propstats.activations import Activation, activation, activation_names
from propstats.expectation import quadrature
from propstats.expectation.quadrature import adaptive, vectorised
from propstats.expectation.quadrature.branches import branches

_MEANS = np.array([0.0, 0.3, -8.0, 10.0, 50.0, -1.5, 0.7, 2.0])
_STDS = np.array([1.0, 1.7, 1.0, 0.01, 1.0, 0.4, 1e-6, 0.0])


@pytest.mark.parametrize("name", activation_names())
def test_many_are_as_many_single_ones(name: str) -> None:
    """Within what both say of themselves: neighbours may decide on more nodes, not on other numbers."""
    entry = activation(name)
    many = quadrature.values(entry, _MEANS, _STDS)
    for i, (mean, std) in enumerate(zip(_MEANS.tolist(), _STDS.tolist(), strict=True)):
        one = quadrature.values(entry, mean, std)
        gap = np.abs(many.moments[:, i] - one.moments)
        assert (gap <= many.errors[:, i] + one.errors).all() or not np.isfinite(one.moments).all()
        assert (np.isnan(many.moments[:, i]) == np.isnan(one.moments)).all()


@pytest.mark.parametrize(
    ("name", "parameter", "values"),
    [("prelu", "a", [0.0, 0.25, 3.0]), ("softshrink", "lambd", [0.0, 0.5, 2.0]), ("celu", "alpha", [0.1, 1.0, 7.0]),
     ("hardtanh", "max_val", [0.5, 1.0, 30.0]), ("hardshrink", "lambd", [0.1, 0.5, 12.0]),
     ("rbf", "gamma", [0.01, 1.0, 90.0]), ("snake", "a", [0.1, 1.0, 5.0]),
     ("threshold", "threshold", [-1.0, 0.3, 20.0])],
)  # fmt: skip
def test_many_parameters_at_once(name: str, parameter: str, values: list[float]) -> None:
    entry = activation(name)
    given: Any = {parameter: values}
    many = quadrature.values(entry, 0.3, 1.7, **given)
    for i, value in enumerate(values):
        one = quadrature.values(entry.with_params(**{parameter: value}), 0.3, 1.7)
        assert (np.abs(many.moments[:, i] - one.moments) <= many.errors[:, i] + one.errors).all()
        assert (many.errors[:, i] <= 1e-12 * (1 + np.abs(one.moments))).all()


def test_kinks_in_another_order_are_another_activation() -> None:
    """Between the bounds -1 and 1 hardtanh is x; with the bounds swapped it is a constant, and nothing is between."""
    entry = activation("hardtanh")
    found = quadrature.values(entry, 0.0, 1.0, min_val=[-1.0, 1.0], max_val=[1.0, -1.0])
    swapped = quadrature.values(entry.with_params(min_val=1.0, max_val=-1.0), 0.0, 1.0)
    assert np.abs(found.moments[:, 1] - swapped.moments).max() <= 1e-13
    assert found["var"][1] == 0.0


def test_the_careful_way_is_for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand ordinary inputs, none of which takes a thousandth of a second."""
    taken = []
    careful = adaptive.integrate

    def count(*args: Any) -> Any:
        taken.append(args)
        return careful(*args)

    monkeypatch.setattr(adaptive, "integrate", count)
    rng = np.random.default_rng(0)
    means, stds = rng.uniform(-2, 2, 1000), rng.uniform(0.5, 2, 1000)
    for name in activation_names():
        quadrature.values(activation(name), means, stds)
    assert not taken


def test_both_ways_agree_on_every_activation() -> None:
    for name in activation_names():
        own = branches(activation(name))
        fast = vectorised.moments_of_one(own, 0.3, 1.7)
        careful = adaptive.integrate(own, 0.3, 1.7)
        for key, value in fast[0].items():
            assert abs(value - careful[0][key]) <= fast[1][key] + careful[1][key], (name, key)


def test_an_unsettled_activation_takes_the_careful_way() -> None:
    entry = Activation("own", "where(x**2 > 2, x, 0)")
    assert not entry.is_settled
    many = quadrature.values(entry, [0.0, 0.5], 1.0)
    for i, mean in enumerate((0.0, 0.5)):
        assert np.array_equal(many.moments[:, i], quadrature.values(entry, mean, 1.0).moments)


def test_more_branches_than_a_plan_has_names_for() -> None:
    """A staircase with thirty steps: E[floor] by summing normal tails."""
    text = " + ".join(f"where(x > {k}, 1, 0)" for k in range(-15, 15))
    found = quadrature.values(Activation("stairs", text), [0.2, 0.3], [1.0, 4.0])
    for i, (mean, std) in enumerate(((0.2, 1.0), (0.3, 4.0))):
        careful = adaptive.integrate(branches(Activation("stairs", text)), mean, std)
        assert abs(found["mean"][i] - careful[0]["mean"]) <= found.error("mean")[i] + careful[1]["mean"]
