import math

import pytest

from propstats import moments
from propstats.activations import activation_names
from propstats.errors import DomainError, UnknownNameError
from propstats.estimate import Route


@pytest.mark.parametrize("name", activation_names())
def test_routes_agree(name: str) -> None:
    result = moments(name, mean=0.3, std=1.7, samples=20_000)
    assert result.agree, [key for key, quantity in result.quantities().items() if not quantity.agree]
    for quantity in result.quantities().values():
        assert {Route.QUADRATURE, Route.SAMPLING} <= quantity.routes.keys()
        assert (quantity.formula is not None) == (Route.CLOSED_FORM in quantity.routes)


def test_no_samples_no_sampling_route() -> None:
    result = moments("relu", samples=0)
    assert all(Route.SAMPLING not in quantity.routes for quantity in result.quantities().values())
    assert all(quantity.z is None for quantity in result.quantities().values())


def test_what_is_recorded() -> None:
    result = moments("prelu", a=0.1, mean=0.5, std=2.0, samples=100, seed=4)
    assert (result.activation, dict(result.params), result.samples, result.seed) == ("prelu", {"a": 0.1}, 100, 4)
    assert (result.input.mean, result.input.std) == (0.5, 2.0)
    assert result.formula == "where(x > 0, x, a*x)"
    assert result.scales.normprop_shift.value == result.forward.mean.value


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"std": -1.0}, "standard deviation"),
        ({"mean": math.nan}, "finite"),
        ({"std": math.inf}, "finite"),
        ({"std": 1.7e308}, "largest float"),
        ({"samples": -1}, "samples"),
        ({"samples": 1}, "at least 2"),
    ],
)
def test_bad_input(options: dict[str, float], word: str) -> None:
    with pytest.raises(DomainError, match=word):
        moments("relu", **options)  # type: ignore[arg-type]


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError):
        moments("rellu", samples=0)
    with pytest.raises(UnknownNameError):
        moments("prelu", samples=0, alpha=1.0)
