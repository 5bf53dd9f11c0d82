import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from audits import finding, small_audit

from propstats.auditing.records import AuditReport, Layer, Severity
from propstats.errors import ModelError
from propstats.estimate import Estimate, Route
from propstats.report.diff import FALSE_ALARM, diff
from propstats.report.jsonable import dump, to_jsonable


@pytest.fixture(scope="module")
def sound() -> AuditReport:
    return small_audit()


def test_nothing_changed(sound: AuditReport) -> None:
    result = diff(sound, sound, fail_on="change")
    assert result.passed
    assert not result.findings
    assert not result.moved
    assert result.compared > 5 * len(sound.layers)  # mean, square and variance, gradients, moments
    assert result.same_data
    assert result.same_weights is None  # of networks in memory nobody knows


def test_another_network_moved_where_it_changed(sound: AuditReport) -> None:
    changed = diff(sound, small_audit(weight=3.0))
    assert changed.passed  # other numbers are no fault
    assert not diff(sound, small_audit(weight=3.0), fail_on="change").passed
    assert {move.layer for move in changed.moved} >= {"one", "one-act"}
    q = next(move for move in changed.moved if (move.layer, move.statistic) == ("one", "forward.q"))
    assert q.z is not None
    assert q.z == pytest.approx((q.after.value - q.before.value) / math.hypot(q.after.error, q.before.error))
    assert q.after.value > q.before.value
    assert all(0 <= move.p <= FALSE_ALARM for move in changed.moved)
    assert [move.p for move in changed.moved] == sorted(move.p for move in changed.moved)


def test_the_first_layer_that_moved(sound: AuditReport) -> None:
    """A planted change of one statistic of one layer is found, alone."""
    layers = list(sound.layers)
    q = layers[2].forward.q
    layers[2] = replace(layers[2], forward=replace(layers[2].forward, q=replace(q, value=q.value + 8 * q.error)))
    (move,) = diff(sound, replace(sound, layers=layers)).moved
    assert (move.layer, move.statistic) == (layers[2].name, "forward.q")
    assert move.z == pytest.approx(8 / math.sqrt(2))


def _noisy(report: AuditReport, generator: np.random.Generator, copies: int) -> AuditReport:
    """The same network measured anew: every statistic within its standard error."""

    def again(estimate: Estimate) -> Estimate:
        return replace(estimate, value=1.0 + 0.01 * generator.standard_normal(), error=0.01, samples=100_000)

    def layer(old: Layer) -> Layer:
        forward = replace(old.forward, mean=again(old.forward.mean), q=again(old.forward.q), var=again(old.forward.var))
        return replace(old, forward=forward)

    return replace(report, layers=[layer(old) for old in report.layers] * copies)


def test_false_alarms_are_as_rare_as_promised(sound: AuditReport) -> None:
    generator, alarms, trials = np.random.default_rng(0), 0, 400
    for _ in range(trials):
        alarms += bool(diff(_noisy(sound, generator, 5), _noisy(sound, generator, 5)).moved)
    # Holm holds the chance of any alarm at 1 %, here over 150 comparisons; five deviations above are no chance.
    assert alarms <= trials * FALSE_ALARM + 5 * math.sqrt(trials * FALSE_ALARM)
    # Without a correction two in three runs would cry wolf: 1 - 0.99^90.


def test_few_samples_need_a_larger_distance(sound: AuditReport) -> None:
    def with_mean(value: float, samples: int) -> AuditReport:
        mean = Estimate(value, 1.0, Route.MEASURED, samples)
        first = sound.layers[0]
        return replace(sound, layers=[replace(first, forward=replace(first.forward, mean=mean))])

    assert len(diff(with_mean(0.0, 1000), with_mean(7.0, 1000)).moved) == 1
    assert diff(with_mean(0.0, 3), with_mean(7.0, 3)).moved == ()  # Student's t with four degrees of freedom


def test_not_finite_is_a_move() -> None:
    broken = diff(small_audit(), small_audit(weight=math.nan))
    assert {move.layer for move in broken.moved} >= {"one", "two", "three"}
    assert all(move.z is None for move in broken.moved if not move.after.is_defined)


def test_rounding_is_no_move(sound: AuditReport) -> None:
    first = sound.layers[0]

    def with_mean(value: float) -> AuditReport:
        mean = Estimate(value, 0.0, Route.MEASURED, 10)
        return replace(sound, layers=[replace(first, forward=replace(first.forward, mean=mean))])

    assert diff(with_mean(1.0), with_mean(1.0 + 1e-6)).moved == ()
    (move,) = diff(with_mean(1.0), with_mean(1.1)).moved
    assert move.z is None


def test_findings(sound: AuditReport) -> None:
    error, warning, info = Severity.ERROR, Severity.WARNING, Severity.INFO
    before = [
        finding(error, "one", "stays"), finding(warning, "one", "worse"), finding(error, "two", "better"),
        finding(info, "one", "goes"), finding(warning, "one", "walks"),
    ]  # fmt: skip
    after = [
        finding(error, "one", "stays"), finding(error, "one", "worse"), finding(info, "two", "better"),
        finding(warning, "two", "walks"), finding(info, None, "comes"),
    ]  # fmt: skip
    result = diff(replace(sound, findings=before), replace(sound, findings=after))
    kinds = {(c.after or c.before).rule: c.change for c in result.findings if c.after or c.before}  # type: ignore[union-attr]
    assert kinds == {"worse": "worse", "better": "better", "goes": "gone", "walks": "elsewhere", "comes": "new"}
    assert [c.after.rule for c in result.regressions if c.after] == ["worse"]
    assert not result.passed
    for fail_on, count in (("error", 1), ("warning", 1), ("info", 2), ("never", 0), ("change", 2)):
        again = diff(replace(sound, findings=before), replace(sound, findings=after), fail_on=fail_on)  # type: ignore[arg-type]
        assert len(again.regressions) == count


def test_two_findings_of_a_rule_at_one_place(sound: AuditReport) -> None:
    same = finding(Severity.ERROR, "one")
    result = diff(replace(sound, findings=[same]), replace(sound, findings=[same, same]))
    assert [c.change for c in result.findings] == ["new"]


def test_other_networks_are_refused(sound: AuditReport) -> None:
    with pytest.raises(ModelError, match="2 layers differ: Linear three is now nothing; Tanh three-act is now nothing"):
        diff(sound, small_audit(("one", "two")))
    with pytest.raises(ModelError, match=r"6 layers differ: .*; and 3 more"):
        diff(sound, small_audit(("a", "b", "\x1b[31m")))


def test_other_data_are_said(sound: AuditReport) -> None:
    assert not diff(sound, replace(sound, data=replace(sound.data, sha256="other"))).same_data


def test_files_and_reports_are_one(sound: AuditReport, tmp_path: Path) -> None:
    document = {"schema": "propstats/1", "command": "audit", "status": "ok", "data": to_jsonable(sound)}
    (tmp_path / "a.json").write_text(dump(document))
    other = small_audit(weight=3.0)
    assert to_jsonable(diff(tmp_path / "a.json", other)) == to_jsonable(diff(sound, other))
