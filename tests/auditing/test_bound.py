"""Proposition 1 for the weights of a file."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import propstats
from propstats.auditing.bound import bound
from propstats.errors import DataError, DomainError, ModelError, PropstatsError
from propstats.theory.weights.coherence import canonical_error


def _save(module: object, path: Path) -> Path:
    torch.save(module, path)
    return path


def test_every_weight_of_a_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3, groups=2), nn.Flatten(), nn.Linear(96, 10)
    )
    seen: list[tuple[int, int]] = []
    report = bound(_save(network, tmp_path / "m.pt"), data="digits", progress=lambda *step: seen.append(step))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert [(w.name, w.type, w.groups) for w in report.weights] == [
        ("0.weight", "Conv2d", 1), ("2.weight", "Conv2d", 2), ("4.weight", "Linear", 1),
    ]  # fmt: skip
    for weight in report.weights:
        raw = network.get_parameter(weight.name).detach().numpy()
        assert weight.canonical == canonical_error(raw, groups=weight.groups)
        assert weight.canonical.off_diagonal.value <= weight.canonical.canonical_error_bound.value
    assert report.first is not None
    assert report.first.layer == "0.weight"
    assert report.data is not None
    assert report.notes == ()
    assert report.data.samples == report.first.samples == 1797


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(tmp_path: Path, dtype: torch.dtype) -> None:
    weight = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)).to(dtype)
    report = bound(_save({"w": weight}, tmp_path / "s.pt"))
    assert report.weights[0].canonical.off_diagonal.agrees_with(canonical_error(weight.double().numpy()).off_diagonal)


def test_a_matrix_and_its_std(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.array([[3.0, 4.0], [3.0, 4.0]]))
    report = propstats.bound(tmp_path / "w.npy", std=2.0)
    (weight,) = report.weights
    assert math.isclose(weight.canonical.off_diagonal.value, 4 * 25 * math.sqrt(2), rel_tol=1e-14)
    assert (weight.name, weight.type, weight.shape) == ("array", "weight", (2, 2))
    assert report.data is None
    assert report.first is None


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"std": 0.0}, DomainError, "std must be a positive number, got 0"),
        ({"normalize": "global"}, DomainError, "--normalize is for data"),
        ({"data": "digits"}, DataError, "takes 3 inputs, a sample is 1x8x8"),
    ],
)
def test_bad_input(tmp_path: Path, options: dict[str, Any], error: type[PropstatsError], message: str) -> None:
    with pytest.raises(error) as caught:
        bound(_save({"w": torch.ones(2, 3)}, tmp_path / "s.pt"), **options)
    assert message in str(caught.value)


def test_weights_that_are_not_finite_are_named(tmp_path: Path) -> None:
    weight = torch.ones(4, 4)
    weight[1, 2] = math.nan
    with pytest.raises(ModelError) as caught:
        bound(_save({"fc.weight": weight}, tmp_path / "s.pt"))
    assert "fc.weight: 1 of 16 weights are not finite" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
