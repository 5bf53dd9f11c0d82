"""Sums of powers are within the stated error, wherever blocks end and however the numbers lie in memory."""

import pytest
import torch

from propstats.auditing.measuring.moments import Moments
from propstats.auditing.watching import unit_sums
from propstats.auditing.watching.unit_sums import RELATIVE_ERROR, UnitSums


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def reference(values: torch.Tensor, axis: int) -> Moments:
    return Moments.of(values.movedim(axis, 0).flatten(1).T)


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e3])
@pytest.mark.parametrize("powers", [2, 4])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((50, 7), 1), ((300, 40), 1), ((6, 9, 7), 2), ((6, 7, 5, 5), 1), ((3, 7, 40, 40), 1), ((6, 5, 5, 7), 3)],
)
def test_sums_are_within_the_stated_error(shape: tuple[int, ...], axis: int, powers: int, offset: float) -> None:
    x = draw(*shape) + offset
    sums = UnitSums(powers)
    for part in torch.split(x, 2 if len(x) < 100 else 299):
        sums.add(part, axis)
    found, truth = sums.moments(), reference(x, axis)
    assert found is not None
    scale = truth.variance.sqrt()
    # What float32 cannot resolve next to an offset belongs to the numbers, not to their sums.
    assert bool(((found.mean - truth.mean).abs() <= RELATIVE_ERROR * scale + 2.0**-23 * offset).all())
    resolved = RELATIVE_ERROR + 2 * 2.0**-24 * offset
    assert bool(((found.variance / truth.variance - 1).abs() <= resolved).all())
    if powers == 4:
        room = 4 * resolved * truth.kurtosis**0.75
        assert bool(((found.skewness - truth.skewness).abs() <= room).all())
        assert bool(((found.kurtosis - truth.kurtosis).abs() <= 4 * resolved * truth.kurtosis).all())
    else:
        assert bool(found.kurtosis.isnan().all())


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("powers", [2, 4])
def test_blocks_of_positions_add_up(powers: int, offset: float, monkeypatch: pytest.MonkeyPatch) -> None:
    x = draw(7, 3, 5, 4) + offset
    whole, parts = UnitSums(powers), UnitSums(powers)
    whole.add(x, 1)
    monkeypatch.setattr(unit_sums, "_POSITIONS", 2 * x[0].numel())
    parts.add(x, 1)
    a, b = whole.moments(), parts.moments()
    assert a is not None
    assert b is not None
    assert torch.equal(a.mean, b.mean)
    assert torch.equal(a.sums.nan_to_num(), b.sums.nan_to_num())


def test_a_later_tensor_may_be_more_precise() -> None:
    x = draw(8, 40) + 100.0
    for shape in ((8, 40), (8, 4, 10)):
        sums = UnitSums(4)
        for part in (x, x.double()):
            sums.add(part.reshape(shape), 1)
        found, truth = sums.moments(), reference(torch.cat([x, x]).reshape(16, *shape[1:]), 1)
        assert found is not None
        assert bool(((found.variance / truth.variance - 1).abs() <= RELATIVE_ERROR).all())


def test_channels_last_and_empty() -> None:
    x = draw(4, 6, 5, 5)
    plain, last = UnitSums(2), UnitSums(2)
    plain.add(x, 1)
    last.add(x.to(memory_format=torch.channels_last), 1)
    a, b = plain.moments(), last.moments()
    assert a is not None
    assert b is not None
    assert torch.allclose(a.variance, b.variance, rtol=RELATIVE_ERROR)
    plain.add(torch.zeros(0, 6), 1)
    assert plain.moments() is not None
    with pytest.raises(ValueError, match="3 units after 6"):
        plain.add(torch.zeros(2, 3), 1)
    plain.restart()
    assert plain.moments() is None
