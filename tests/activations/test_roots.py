"""Real roots, searched for."""

import math

import pytest

from propstats.activations.roots import real_roots
from propstats.activations.syntax import parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x**2 - 2", [-math.sqrt(2), math.sqrt(2)]),
        ("x**3 - x", [-1.0, 0.0, 1.0]),
        ("exp(x) - 3", [math.log(3)]),
        ("x**2 + 1", []),
        ("x - 70", []),  # beyond the search
        ("sin(x/10)", [10 * k * math.pi for k in (-2, -1, 0, 1, 2)]),
    ],
)
def test_known_roots(text: str, expected: list[float]) -> None:
    found, complete = real_roots(parse(text, {"x"}), {})
    assert not complete, "a search on a grid cannot know"
    assert len(found) == len(expected)
    for root, truth in zip(found, expected, strict=True):
        # Bisection ends between neighbouring floats; the formula itself rounds a few times.
        assert abs(root - truth) <= 8 * math.ulp(1 + abs(truth))


def test_parameters() -> None:
    (root,), _ = real_roots(parse("x**3 - a", {"x", "a"}), {"a": 27.0})
    assert abs(root - 3.0) <= 4 * math.ulp(3.0)


def test_too_many_are_none() -> None:
    assert real_roots(parse("sin(100*x)", {"x"}), {}) == ([], False)
