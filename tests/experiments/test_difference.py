import math

import pytest
from scipy import stats

from propstats.experiments.difference import difference


def test_it_is_welchs() -> None:
    one, other = [0.31, 0.28, 0.35, 0.33], [0.22, 0.30, 0.21]
    found = difference(one, other)
    less = stats.ttest_ind(one, other, equal_var=False, alternative="less")
    both = stats.ttest_ind(one, other, equal_var=False)
    assert found.less() == pytest.approx(less.pvalue, rel=1e-9)
    assert found.apart() == pytest.approx(both.pvalue, rel=1e-9)
    assert found.interval(0.9) == pytest.approx(tuple(both.confidence_interval(0.9)), rel=1e-9)
    assert difference(other, one).apart() == found.apart()


@pytest.mark.parametrize("still", [[0.1, 0.1, 0.1], [0.1, 0.1 + 1e-17, 0.30000000000000004 / 3], [0.0, 0.0, 0.0]])
def test_one_group_without_spread_leaves_the_others(still: list[float]) -> None:
    moved = [0.4, 0.5, 0.7]
    found = difference(still, moved)
    assert found.freedom == pytest.approx(2.0)
    assert found.error == pytest.approx(stats.sem(moved))
    assert found.less() is not None


def test_what_no_spread_tells() -> None:
    apart, same = difference([0.9, 0.9], [0.8, 0.8]), difference([0.9] * 3, [0.9] * 3)
    lone = difference([0.9], [0.8, 0.7])
    assert apart.interval(0.95) == (apart.value, apart.value)
    assert (apart.less(), apart.apart()) == (None, None)
    assert (same.value, same.apart(), same.less()) == (0.0, 1.0, None)
    assert (lone.less(), lone.apart(), lone.interval(0.95)) == (None, None, (-math.inf, math.inf))
