"""Two audits of one network, compared: what changed by more than its errors."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from propstats.auditing.records import AuditReport, Finding, Layer, Severity
from propstats.errors import ModelError
from propstats.estimate import Estimate
from propstats.report.saved import load_report
from propstats.text import printable

#: Chance that a comparison of two audits of the same network calls anything at all a change.
FALSE_ALARM = 0.01
#: Two machines that add in another order agree to this share in single precision: no change either.
ROUNDING = 1e-5

Source = str | os.PathLike[str] | AuditReport


@dataclass(frozen=True, slots=True)
class Move:
    """A statistic of a layer that changed by more than its errors.

    Args:
        layer: Name of the layer.
        call: Which call of it.
        statistic: Which number: a field of the layer's record.
        before: What it was.
        after: What it is.
        z: Distance in standard errors of the difference; None where one of them is not finite.
        p: Chance of such a distance without a change, over all that was compared.
    """

    layer: str
    call: int
    statistic: str
    before: Estimate
    after: Estimate
    z: float | None
    p: float


@dataclass(frozen=True, slots=True)
class FindingChange:
    """A finding that appeared, went away, changed its severity or its layer.

    Args:
        change: What happened to it; only `new` and `worse` are regressions.
        before: The finding as it was.
        after: The finding as it is.
    """

    change: Literal["new", "gone", "worse", "better", "elsewhere"]
    before: Finding | None
    after: Finding | None


@dataclass(frozen=True, slots=True)
class AuditDiff:
    """What changed between two audits.

    Args:
        before: Path of the model audited first.
        after: Path of the model audited second.
        same_weights: Whether the two files have one checksum; None where one is not known.
        same_data: Whether the data have one checksum, number of samples and normalisation.
        findings: Findings that changed.
        compared: How many statistics were compared.
        moved: Those that moved, furthest first; of networks that did not change this list is empty with
            probability 1 - `FALSE_ALARM`.
        fail_on: What counts as a regression: new or worse findings of this severity, or any change at all.
    """

    before: str | None
    after: str | None
    same_weights: bool | None
    same_data: bool
    findings: tuple[FindingChange, ...]
    compared: int
    moved: tuple[Move, ...]
    fail_on: Literal["error", "warning", "info", "change", "never"]

    @property
    def regressions(self) -> tuple[FindingChange, ...]:
        """Findings that are new or worse, and as bad as `fail_on` says."""
        if self.fail_on == "never":
            return ()
        counted = tuple(Severity) if self.fail_on == "change" else _as_bad_as(Severity(self.fail_on))
        came = (c for c in self.findings if c.change in ("new", "worse"))
        return tuple(c for c in came if c.after is not None and c.after.severity in counted)

    @property
    def passed(self) -> bool:
        """Whether nothing got worse."""
        return not self.regressions and not (self.fail_on == "change" and self.moved)


def _as_bad_as(severity: Severity) -> tuple[Severity, ...]:
    worst_first = tuple(Severity)
    return worst_first[: worst_first.index(severity) + 1]


def diff(
    before: Source,
    after: Source,
    *,
    fail_on: Literal["error", "warning", "info", "change", "never"] = "warning",
) -> AuditDiff:
    """Say what changed between two audits of one architecture, beyond the errors of what was measured.

    Each statistic with an error is compared by Welch's test, z = (after - before)/hypot(their standard errors), and
    all of them together by Holm's step-down procedure (Holm 1979), which holds the chance of any false alarm at
    `FALSE_ALARM`. Where the same data went through both networks the errors have much in common, and the test is
    stricter about what it calls a change than it says.

    Args:
        before: The file that `propstats audit --json` printed, or the report itself.
        after: The same of the other audit.
        fail_on: What counts as a regression: new or worse findings of at least this severity, `change` for any
            statistic that moved as well, or `never`.

    Raises:
        DataError: If a file cannot be read, is damaged, or has another schema.
        ModelError: If the networks do not have the same layers; the message names the first that differ.

    >>> import torch
    >>> from propstats.auditing.audit import audit
    >>> report = audit(torch.nn.Sequential(torch.nn.Linear(64, 8), torch.nn.Tanh()), "digits", samples=64)
    >>> same = diff(report, report)
    >>> same.passed, same.moved, same.findings
    (True, (), ())
    """
    old, new = (source if isinstance(source, AuditReport) else load_report(source) for source in (before, after))
    _same_layers(old.layers, new.layers)
    pairs = [pair for a, b in zip(old.layers, new.layers, strict=True) for pair in _pairs(a, b)]
    hashes = (old.model.sha256, new.model.sha256)
    return AuditDiff(
        before=old.model.path,
        after=new.model.path,
        same_weights=None if None in hashes else hashes[0] == hashes[1],
        same_data=_data(old) == _data(new),
        findings=tuple(_findings(old.findings, new.findings)),
        compared=len(pairs),
        moved=_moved(pairs),
        fail_on=fail_on,
    )


def _data(report: AuditReport) -> tuple[object, ...]:
    data = report.data
    return data.name, data.sha256, data.samples, data.normalization


def _same_layers(old: Sequence[Layer], new: Sequence[Layer]) -> None:
    def shown(layer: Layer | None) -> str:
        if layer is None:
            return "nothing"
        return f"{layer.type} {layer.name}" + (f" (call {layer.call})" if layer.call else "")

    different = [
        f"{shown(a)} is now {shown(b)}"
        for a, b in zip_longest(old, new)
        if a is None or b is None or (a.name, a.call, a.type, a.shape) != (b.name, b.call, b.type, b.shape)
    ]
    if different:
        first = printable("; ".join(different[:3]), limit=300)
        more = f"; and {len(different) - 3} more" if len(different) > 3 else ""
        raise ModelError(
            f"the audits are of different networks, {len(different)} layers differ: {first}{more}",
            "compare audits of one architecture; renew the baseline if it was changed on purpose",
        )


_Pair = tuple[Layer, str, Estimate, Estimate]


def _pairs(old: Layer, new: Layer) -> Iterator[_Pair]:
    """Yield the statistics of a layer that have an error in both audits."""
    for part in ("forward", "backward"):
        a, b = getattr(old, part), getattr(new, part)
        for name in type(a).__dataclass_fields__:
            before, after = getattr(a, name), getattr(b, name)
            if isinstance(before, Estimate) and isinstance(after, Estimate):
                yield new, f"{part}.{name}", before, after


def _moved(pairs: Sequence[_Pair]) -> tuple[Move, ...]:
    """Holm's procedure: the smallest p-value against all comparisons, the next against one fewer, and so on."""
    tests = [(_welch(before, after), layer, name, before, after) for layer, name, before, after in pairs]
    tests.sort(key=lambda test: (test[0][1], -abs(test[0][0])))  # far out, where all chances are 0, by distance
    moves, worst = [], 0.0
    for rank, ((z, p), layer, name, before, after) in enumerate(tests):
        worst = max(worst, min(1.0, p * (len(tests) - rank)))
        if worst > FALSE_ALARM:
            break
        moves.append(Move(layer.name, layer.call, name, before, after, z if math.isfinite(z) else None, worst))
    return tuple(moves)


def _welch(before: Estimate, after: Estimate) -> tuple[float, float]:
    """Return the distance in standard errors, and the chance of a larger one if nothing changed."""
    if before.is_defined != after.is_defined:
        return math.inf, 0.0  # finite before and not finite now, or the other way round
    spread = math.hypot(before.error, after.error)
    if not before.is_defined or not math.isfinite(spread):
        return 0.0, 1.0
    gap = after.value - before.value
    if abs(gap) <= ROUNDING * max(abs(before.value), abs(after.value)):
        return 0.0, 1.0
    if spread == 0.0:
        return math.copysign(math.inf, gap), 0.0
    from scipy.special import stdtr

    z = gap / spread
    # Welch and Satterthwaite: as many degrees of freedom as the two errors together are worth.
    weights = [(e.error / spread) ** 4 / max((e.samples or 2) - 1, 1) for e in (before, after)]
    return z, 2.0 * float(stdtr(1.0 / sum(weights), -abs(z)))


def _findings(old: Sequence[Finding], new: Sequence[Finding]) -> Iterator[FindingChange]:
    """Match findings by rule and layer; what is left over of one rule has gone elsewhere."""
    worst = tuple(Severity)
    gone, come = list(old), list(new)
    for exact in (True, False):
        for after in list(come):
            match = (b for b in gone if b.rule == after.rule and (b.layer == after.layer or not exact))
            before = next(match, None)
            if before is None:
                continue
            gone.remove(before)
            come.remove(after)
            step = worst.index(after.severity) - worst.index(before.severity)
            if step:
                yield FindingChange("worse" if step < 0 else "better", before, after)
            elif not exact:
                yield FindingChange("elsewhere", before, after)
    yield from (FindingChange("new", None, after) for after in come)
    yield from (FindingChange("gone", before, None) for before in gone)
