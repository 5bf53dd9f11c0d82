import math
from collections.abc import Mapping
from typing import Any

import pytest

from propstats.errors import DomainError, UnknownNameError
from propstats.simulation.design import design


def test_relu() -> None:
    found = design("relu", depth=50, width=512, max_growth=2, draws=60)
    ways = {way.name: way for way in found.ways}
    canonical, paper, biased, leaky = (ways[name] for name in ("canonical", "paper", "biased", "leaky"))
    assert canonical.growth == pytest.approx((1 / (1 - 1 / math.pi)) ** 50, rel=1e-9)  # 1.467 a layer
    assert canonical.second_moments[-1] == pytest.approx(1.0, abs=1e-9)
    assert canonical.breaking.first == 30
    assert not canonical.fits
    assert paper.growth == pytest.approx(1.0, rel=1e-9)
    assert paper.second_moments[-1] < 0.5  # the price
    assert not paper.fits
    assert biased.fits
    assert biased.stability is not None
    assert biased.stability < 1
    assert paper.stability is None  # 1 is no fixed point there
    assert leaky.fits
    assert leaky.growth == pytest.approx(2.0, rel=1e-9)
    assert [refused.name for refused in found.refused] == ["shaped"]
    assert found.recommended == "leaky"
    # Simulated: canonical units have begun to break at layer 50, stable ones have not.
    assert canonical.simulated is not None
    assert biased.simulated is not None
    assert canonical.simulated.broken.value > 0.1
    assert biased.simulated.broken.value == 0.0
    assert len(biased.simulated.median) == 51
    assert biased.simulated.low[-1] <= biased.second_moments[-1] <= biased.simulated.high[-1]


@pytest.mark.slow
def test_more_growth_buys_nonlinearity() -> None:
    little, much = (design("gelu", depth=20, width=256, max_growth=g, draws=0) for g in (1.5, 20.0))
    shares = [{way.name: way.nonlinear_share for way in found.ways}["biased"] for found in (little, much)]
    assert shares[0] < shares[1]
    assert [p.nonlinear_share for p in little.frontier] == sorted(p.nonlinear_share for p in little.frontier)


def test_gradients_cannot_be_scaled_apart_where_paths_meet() -> None:
    found = design("tanh", depth=10, width=128, branches=True, draws=0)
    (refused,) = found.refused
    assert refused.name == "two scales"
    assert "gradient of nothing" in refused.reason


@pytest.mark.parametrize(
    "options",
    [
        {"depth": 0},
        {"depth": 10**6},
        {"width": 1},
        {"max_growth": 1.0},
        {"max_growth": math.nan},
        {"max_growth": math.inf},
        {"draws": -1},
        {"act": "step", "max_growth": 0.5},
    ],
)
def test_bad_input(options: Mapping[str, Any]) -> None:
    with pytest.raises(DomainError) as caught:
        design(**{"depth": 5, "width": 64, "draws": 0, **options})
    assert len(str(caught.value).splitlines()) == 1


def test_unknown_activation() -> None:
    with pytest.raises(UnknownNameError):
        design("relux")
