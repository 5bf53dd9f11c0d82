"""Whole layers against torch: autograd at every position, on inputs of the law that the theory assumes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from propstats import Route, pool
from propstats.errors import DomainError, UnknownNameError
from propstats.theory.pooling.records import PoolMoments

Layer = Callable[[torch.Tensor], torch.Tensor]


def _inputs(shape: tuple[int, ...], correlation: float, rectified: bool, mean: float, seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((shape[0], *(1,) * (len(shape) - 1)))
    z = math.sqrt(correlation) * common + math.sqrt(1 - correlation) * rng.standard_normal(shape)
    x = torch.from_numpy(mean + z)
    return x.clamp(min=0.0) if rectified else x


def _squares(layer: Layer, x: torch.Tensor, seed: int) -> torch.Tensor:
    """Return `dx^2` for `dy ~ N(0, 1)`."""
    x.requires_grad_()
    y = layer(x)
    dy = torch.from_numpy(np.random.default_rng(seed).standard_normal(tuple(y.shape)))
    (dx,) = torch.autograd.grad((y * dy).sum(), x)
    return dx**2


def _check(squares: torch.Tensor, expected: float) -> None:
    """`E[dx^2]` within four standard errors, over independent draws in the first dimension."""
    flat = squares.reshape(squares.shape[0], -1).mean(dim=1)
    error = float(flat.std()) / math.sqrt(flat.numel())
    assert abs(float(flat.mean()) - expected) <= 4 * error + 1e-12, (float(flat.mean()), expected, error)


def _same_everywhere(result: PoolMoments, squares: torch.Tensor) -> None:
    """Compare all positions of an input of known size."""
    assert sum(entry.count for entry in result.backward.std_by_position) == squares[0].numel()
    for entry in result.backward.std_by_position:
        _check(squares.flatten(1)[:, int(np.ravel_multi_index(entry.position, squares.shape[1:]))], entry.std.value**2)
    _check(squares, result.backward.std.value**2)


@pytest.mark.parametrize(("rectified", "mean"), [(False, 0.0), (True, 0.0), (True, -0.7)])
@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_3x3_stride_2_by_position(rectified: bool, mean: float, correlation: float) -> None:
    result = pool("max", 3, stride=2, rectified=rectified, mean=mean, correlation=correlation, samples=0)
    x = _inputs((40_000, 7, 7), correlation, rectified, mean, 3)
    squares = _squares(lambda x: functional.max_pool2d(x[:, None], 3, 2), x, 4)
    assert [entry.position for entry in result.backward.std_by_position] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for entry in result.backward.std_by_position:
        _check(squares[:, 2 + entry.position[0], 2 + entry.position[1]], entry.std.value**2)
    _check(squares[:, 2:4, 2:4], result.backward.std.value**2)
    if rectified:
        assert result.backward.alive_std is not None
        _check((squares * (x > 0))[:, 2:4, 2:4], result.backward.alive_std.value**2)


CASES: dict[str, tuple[dict[str, Any], Layer]] = {
    "max": (
        {"kind": "max", "kernel": 3, "stride": 2, "padding": 1, "size": 5, "dims": 2},
        lambda x: functional.max_pool2d(x[:, None], 3, 2, 1),
    ),
    "max dilated": (
        {"kind": "max", "kernel": (3,), "stride": (2,), "dilation": (2,), "size": (8,), "ceil_mode": True},
        lambda x: functional.max_pool1d(x[:, None], 3, 2, 0, 2, ceil_mode=True),
    ),
    "max 3d": (
        {"kind": "max", "kernel": (2, 3, 2), "stride": (1, 2, 2), "size": (3, 5, 4)},
        lambda x: functional.max_pool3d(x[:, None], (2, 3, 2), (1, 2, 2)),
    ),
    "average": (
        {"kind": "avg", "kernel": 3, "stride": 2, "padding": 1, "size": 6, "dims": 1, "ceil_mode": True},
        lambda x: functional.avg_pool1d(x[:, None], 3, 2, 1, ceil_mode=True),
    ),
    "average without padding": (
        {"kind": "average", "kernel": (3, 2), "stride": 2, "padding": 1, "size": 5, "count_include_pad": False},
        lambda x: functional.avg_pool2d(x[:, None], (3, 2), 2, 1, count_include_pad=False),
    ),
    "lp": (
        {"kind": "lp", "kernel": (2, 3), "stride": 2, "size": (4, 7)},
        lambda x: functional.lp_pool2d(x[:, None], 2.0, (2, 3), 2),
    ),
    "lp 4 over the end": (
        {"kind": "lp", "kernel": 3, "stride": 2, "power": 4, "size": 6, "ceil_mode": True, "dims": 1},
        lambda x: functional.lp_pool1d(x[:, None], 4.0, 3, 2, ceil_mode=True),
    ),
    "sum": (
        {"kind": "lp", "kernel": 3, "stride": 1, "power": 1, "size": 5, "dims": 1},
        lambda x: functional.lp_pool1d(x[:, None], 1.0, 3, 1),
    ),
    "global average": (
        {"kind": "global_average", "size": (3, 5)},
        lambda x: functional.adaptive_avg_pool2d(x[:, None], 1),
    ),
    "global max": (
        {"kind": "global-max", "size": 7, "dims": 1},
        lambda x: functional.adaptive_max_pool1d(x[:, None], 1),
    ),
    "adaptive max": (
        {"kind": "adaptive_max", "size": (5, 7), "output_size": (2, 3)},
        lambda x: functional.adaptive_max_pool2d(x[:, None], (2, 3)),
    ),
    "adaptive average": (
        {"kind": "adaptive_average", "size": 7, "output_size": 3, "dims": 1},
        lambda x: functional.adaptive_avg_pool1d(x[:, None], 3),
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("rectified", [False, True])
def test_layers_are_those_of_torch(name: str, rectified: bool) -> None:
    options, layer = CASES[name]
    result = pool(**options, mean=0.3, correlation=0.2, rectified=rectified, samples=1_000, digits=15)
    assert result.agree
    assert result.size is not None
    x = _inputs((20_000, *result.size), 0.2, rectified, 0.3, 5)
    y = layer(x)[:, 0]
    assert sum(window.count for window in result.windows) == y[0].numel()
    _same_everywhere(result, _squares(lambda x: layer(x), x, 6))
    by_image = y.reshape(len(y), -1)
    _check(by_image, result.forward.mean.value)
    _check(by_image**2, result.forward.second_moment.value)
    # The variance over the data, in the mean over outputs; the sample's own mean takes 1/N of it away.
    centred = (by_image - by_image.mean(dim=0)) ** 2
    _check(centred * len(y) / (len(y) - 1), result.forward.var.value)


def test_every_output_sends_its_gradient_somewhere() -> None:
    """Max pooling hands on the gradient's energy: E[dx^2] = outputs/inputs, whatever the overlap and the ties."""
    for options in ({"kernel": 3, "stride": 2}, {"kernel": 5, "stride": 1}, {"kernel": 3, "stride": 3, "dims": 3}):
        for rectified in (False, True):
            result = pool("max", rectified=rectified, samples=0, **options)  # type: ignore[arg-type]
            assert result.stride is not None
            assert result.backward.std.value == pytest.approx(math.prod(result.stride) ** -0.5, abs=1e-14)


def test_two_dimensions_are_the_default() -> None:
    assert pool("max", 3, samples=0, digits=None).kernel == (3, 3)
    assert pool("max", 3, dims=1, samples=0, digits=None).kernel == (3,)
    assert pool("max", (3,), samples=0, digits=None).kernel == (3,)


def test_routes_and_what_is_recorded() -> None:
    result = pool("max", 3, stride=1, samples=2_000, seed=7, correlation=0.25)
    assert result.agree
    assert (result.correlation, result.samples, result.seed) == (0.25, 2_000, 7)
    assert result.forward.mean.routes.keys() == {Route.CERTIFIED, Route.QUADRATURE, Route.SAMPLING}
    assert result.backward.std.routes.keys() == {Route.CLOSED_FORM, Route.CERTIFIED, Route.SAMPLING}
    assert result.forward.std.routes[Route.CERTIFIED].digits is not None
    assert result.backward.alive_std is None
    assert (
        pool("max", 3, samples=2_000, seed=8).forward.mean.routes[Route.SAMPLING]
        != (result.forward.mean.routes[Route.SAMPLING])
    )


def test_global_random_state_is_not_touched() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    pool("max", 2, samples=100)
    assert torch.equal(before, torch.get_rng_state())


def test_time_is_shared() -> None:
    """What is not proven in time is a note, not a failure."""
    result = pool("max", 3, padding=1, size=9, samples=0, timeout=1e-9)
    assert Route.CERTIFIED not in result.forward.mean.routes
    assert any("not proven within" in note for note in result.notes)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"kind": "max"}, "needs a kernel"),
        ({"kind": "global_max"}, "needs a size"),
        ({"kind": "adaptive_max", "size": 4}, "needs a output_size"),
        ({"kind": "global_max", "size": 4, "kernel": 2}, "has no kernel"),
        ({"kind": "adaptive_max", "size": 4, "output_size": 2, "padding": 1}, "has no padding"),
        ({"kind": "max", "kernel": 2, "output_size": 2}, "has no output_size"),
        ({"kind": "average", "kernel": 2, "dilation": 2}, "no dilation"),
        ({"kind": "max", "kernel": 3, "power": 2}, "max pooling has no power"),
        ({"kind": "lp", "kernel": 3, "padding": 1}, "lp pooling has no padding"),
        ({"kind": "lp", "kernel": 3, "power": 3}, "torch returns NaN"),
        ({"kind": "max", "kernel": 3, "stride": 0}, "stride must be"),
        ({"kind": "max", "kernel": 9, "size": 4}, "does not fit into 4 positions"),
        ({"kind": "max", "kernel": 3, "size": 0}, "input size"),
        ({"kind": "max", "kernel": (3, 2), "stride": (1, 2, 3)}, "equally many dimensions"),
        ({"kind": "max", "kernel": 3, "dims": 4}, "1, 2 or 3 dimensions"),
        ({"kind": "max", "kernel": 2.5}, "whole numbers"),
        ({"kind": "max", "kernel": 2, "correlation": -0.5}, "correlation must be between"),
        ({"kind": "max", "kernel": 2, "std": -1.0}, "std at least 0"),
        ({"kind": "max", "kernel": 2, "samples": -1}, "sampling needs at least 2 samples, got -1"),
        ({"kind": "max", "kernel": 2, "samples": 1}, "at least 2"),
    ],
)
def test_bad_input(options: dict[str, Any], word: str) -> None:
    with pytest.raises(DomainError, match=word):
        pool(**{"samples": 0, **options})


def test_unknown_kind() -> None:
    with pytest.raises(UnknownNameError, match="median"):
        pool("median", 3)
