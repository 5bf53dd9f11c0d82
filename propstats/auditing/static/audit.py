"""Audit weights alone: no network is needed, and no signal is measured."""

import os
from collections.abc import Callable, Mapping
from typing import Final

import torch

from propstats.auditing.bound import rows_of
from propstats.auditing.loading.access import SAFE, Access
from propstats.auditing.matrices import Matrix, read_matrices
from propstats.auditing.records import Coverage, Finding, Severity, Skipped
from propstats.auditing.static.fingerprint import fingerprint
from propstats.auditing.static.geometry import exact_law, random_edge, spectral_norm
from propstats.auditing.static.records import Lengths, StaticReport, WeightStatistics
from propstats.auditing.static.rules import DEAD_ROWS, NON_FINITE
from propstats.auditing.static.sums import sums
from propstats.estimate import Estimate, Route
from propstats.nn.rows import TRANSPOSED
from propstats.text import printable
from propstats.theory.geometry import Axis
from propstats.theory.weights.coherence import canonical_error
from propstats.theory.weights.fans import Connections

#: Products for all pairs of rows: beyond that, minutes.
_MOST_PRODUCTS: Final = 3e11
_NO_SIGNAL: Final = "no signal was measured: whether it survives depends on the network and on data"


def audit_weights(
    path: str | os.PathLike[str],
    access: Access = SAFE,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> StaticReport:
    """Say what can be said of the weights in a file, without a network and without data.

    For each matrix: what it multiplies the second moment of a random signal by (`fan_in E w^2`), which weight scheme it
    looks as if drawn from, lengths and angles of its rows with Proposition 1's bound, its spectral norm, and units that
    are dead or repeat each other.

    Args:
        path: A state_dict, safetensors, a checkpoint, a folder of them, a pickled network, or a .npy array.
        access: What is permitted when the file is loaded; with `arch` the layers' kinds are known.
        progress: Called with the number of matrices that are done and of all.

    Raises:
        UnsafeModelError: If loading the file would execute code; nothing was executed.
        ModelError: If the file cannot be used, or holds no weights.

    References:
        Arpit et al. 2016, arXiv:1603.01431, Proposition 1; Geman 1980 for the edge of random matrices.

    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/weights.npy", np.eye(4, 8))
    ...     report = audit_weights(f"{folder}/weights.npy")
    >>> report.passed, report.weights[0].sigma_w_squared.value  # fan_in E w^2 = 8 (4/32)
    (True, 1.0)
    """
    matrices = read_matrices(path, access)
    weights: list[WeightStatistics] = []
    skipped = list(matrices.skipped)
    findings = list(_non_finite(matrices.tensors))
    for done, matrix in enumerate(matrices.found):
        if bool(torch.isfinite(matrix.rows).all()):
            found = _statistics(matrix, matrices.tensors)
            weights.append(found)
            findings += _findings(found)
            if found.canonical is None:
                skipped.append(Skipped(found.name, "coherence was left out: too many pairs of rows"))
        else:
            skipped.append(Skipped(matrix.name, "holds numbers that are not finite"))
        if progress is not None:
            progress(done + 1, len(matrices.found))
    order = list(Severity)
    findings.sort(key=lambda finding: order.index(finding.severity))
    notes = [_NO_SIGNAL, *matrices.model.notes]
    if all(matrix.module is None for matrix in matrices.found):
        notes.append("the file names no layers: rows are taken as they are stored")
    fresh = sum(weight.fingerprint is not None and weight.fingerprint.fits for weight in weights)
    if fresh:
        notes.append(
            f"{fresh} of {len(weights)} matrices look freshly drawn: training has not begun, or has not moved them"
        )
    return StaticReport(matrices.model, Coverage(len(weights), tuple(skipped)), weights, findings, notes)


def _statistics(matrix: Matrix, tensors: Mapping[str, torch.Tensor]) -> WeightStatistics:
    rows = matrix.rows
    total = sums(rows)
    units, fan_in = rows.shape
    lengths = total.lengths
    exact = (
        exact_law(rows, lengths) if matrix.groups == 1 and units * fan_in * min(rows.shape) < _MOST_PRODUCTS else None
    )
    found = fingerprint(total, _connections(matrix), exact) if total.mean_square > 0 else None
    relative = 0.0 if found is None else (found.kurtosis.value - 1) ** 0.5 * total.count**-0.5
    sigma_w_squared = fan_in * total.mean_square
    return WeightStatistics(
        name=matrix.name,
        type=matrix.kind,
        shape=matrix.shape,
        units=units,
        fan_in=fan_in,
        sigma_w_squared=Estimate(sigma_w_squared, sigma_w_squared * relative, Route.MEASURED, total.count),
        mean=Estimate(total.mean, (total.mean_square / total.count) ** 0.5, Route.MEASURED, total.count),
        fingerprint=found,
        row_lengths=Lengths(
            float(lengths.mean()), float(lengths.std(correction=0)), float(lengths.min()), float(lengths.max())
        ),
        zero_rows=int((lengths == 0).sum()),
        duplicate_rows=_duplicates(matrix, tensors, lengths > 0),
        spectral_norm=spectral_norm(rows, matrix.groups),
        random_edge=random_edge(units // matrix.groups, fan_in, total.mean_square),
        canonical=(
            canonical_error(rows_of(matrix), groups=matrix.groups)
            if units / matrix.groups * units * fan_in <= _MOST_PRODUCTS
            else None
        ),
    )


def _connections(matrix: Matrix) -> Connections:
    """Return what a weight connects, as far as its shape says."""
    transposed = isinstance(matrix.module, TRANSPOSED)
    first, second, *kernel = matrix.shape if len(matrix.shape) > 1 else (1, *matrix.shape)
    axes = tuple(Axis(size, kernel=size, transposed=transposed) for size in kernel)
    if transposed:
        return Connections(first, second * matrix.groups, matrix.groups, axes)
    return Connections(second * matrix.groups, first, matrix.groups, axes)


def _duplicates(matrix: Matrix, tensors: Mapping[str, torch.Tensor], alive: torch.Tensor) -> int:
    """Count rows that repeat another one of their group, with the bias if it has one: such units stay equal."""
    rows = matrix.rows
    bias = tensors.get(f"{matrix.name.removesuffix('weight')}bias") if matrix.name.endswith("weight") else None
    if bias is not None and bias.shape == (len(rows),) and bias.is_floating_point():
        rows = torch.cat([rows, bias[:, None].to(rows.dtype)], dim=1)
    repeats = 0
    for group, used in zip(rows.chunk(matrix.groups), alive.chunk(matrix.groups), strict=True):
        # Equal rows have equal sums: those of a few that agree in it are compared whole.
        kept = group[used]
        _, inverse, counts = torch.unique(kept.double().sum(dim=1), return_inverse=True, return_counts=True)
        candidates = kept[counts[inverse] > 1]
        repeats += len(candidates) - len(torch.unique(candidates, dim=0))
    return repeats


def _non_finite(tensors: Mapping[str, torch.Tensor]) -> list[Finding]:
    findings = []
    for name, tensor in tensors.items():
        wrong = tensor.numel() - int(torch.isfinite(tensor).sum()) if tensor.is_floating_point() else 0
        if wrong:
            shown = printable(name, limit=80)
            message = f"{wrong:,} of the {tensor.numel():,} numbers of {shown} are not finite"
            remedy = "go back to a checkpoint before that, and lower the learning rate or clip gradients"
            findings.append(NON_FINITE.finding(Severity.ERROR, shown, wrong, message, remedy, expected=0.0))
    return findings


def _findings(weight: WeightStatistics) -> list[Finding]:
    found = []
    if weight.zero_rows:
        share = weight.zero_rows / weight.units
        message = f"{weight.zero_rows} of the {weight.units} units of {weight.name} have no weights: they see nothing"
        remedy = "take them out, or draw their weights; right where a branch is meant to start at zero"
        found.append(DEAD_ROWS.finding(Severity.WARNING, weight.name, share, message, remedy, expected=0.0))
    if weight.duplicate_rows:
        share = weight.duplicate_rows / weight.units
        message = (
            f"{weight.duplicate_rows} of the {weight.units} units of {weight.name} repeat another's weights: "
            "equal gradients keep them equal"
        )
        severity = Severity.ERROR if share > 0.75 else Severity.WARNING
        remedy = "draw the weights at random"
        found.append(Finding("identical-units", severity, weight.name, share, None, 0.0, message, remedy))
    return found
