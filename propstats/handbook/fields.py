"""What the fields of results mean, as their records' docstrings say it."""

import dataclasses
import inspect
import typing
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Final

from propstats.report.json_schema import meanings

#: What each command returns, and so prints with --json.
RESULTS: Final[Mapping[str, tuple[str, ...]]] = {
    "audit": (
        "auditing.records.AuditReport",
        "auditing.static.records.StaticReport",
        "auditing.fixing.records.FixReport",
    ),
    "bound": ("auditing.bound.BoundReport",),
    "claims": ("published.claims.JudgedClaim",),
    "constants": ("published.constants.ConstantValue", "published.drift.CheckedConstants"),
    "demo": ("experiments.demo.DemoResult",),
    "derive": ("theory.derivation.CheckedDerivation",),
    "design": ("simulation.design.Design",),
    "diff": ("report.diff.AuditDiff",),
    "dropout": ("theory.dropout.DropoutMoments",),
    "dual": ("theory.dual.DualMoments",),
    "hermite": ("theory.hermite.HermiteSpectrum",),
    "jacobian": ("simulation.jacobian.JacobianSpectrum",),
    "meanfield": ("theory.mean_field.records.MeanField",),
    "moments": ("theory.unit.UnitMoments", "theory.gate.GateMoments"),
    "lesson": ("experiments.lessons.record.Lesson",),
    "phase": ("theory.mean_field.phase.PhaseDiagram",),
    "pool": ("theory.pooling.records.PoolMoments",),
    "reproduce": ("experiments.reproduce.records.Reproduction",),
    "propagate": ("rules.propagation.Propagation",),
    "scales": ("theory.weights.scales.WeightScales",),
    "spectrum": ("auditing.spectrum.MeasuredSpectrum",),
    "sweep": ("simulation.sweep.Sweep",),
    "ways": ("experiments.ways.records.Comparison",),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """A field of a result.

    Args:
        name: Its name.
        record: The record that it is a field of.
        meaning: What it is; empty if its record does not say.
        commands: The commands that print it.
    """

    name: str
    record: str
    meaning: str
    commands: tuple[str, ...]


@cache
def result_fields() -> tuple[Field, ...]:
    """Return every field that a command can print with --json, in alphabetical order."""
    commands: dict[type, list[str]] = {}
    for command, paths in RESULTS.items():
        for record in _records(paths):
            commands.setdefault(record, []).append(command)
    found = [
        Field(field.name, record.__name__, meanings(record).get(field.name, ""), tuple(printing))
        for record, printing in commands.items()
        for field in dataclasses.fields(record)
    ]
    return tuple(sorted(found, key=lambda field: (field.name, field.record)))


def _records(paths: tuple[str, ...]) -> list[type]:
    found: list[type] = []
    for path in paths:
        module, _, name = path.rpartition(".")
        _walk(getattr(import_module(f"propstats.{module}"), name), found)
    return found


def _walk(kind: object, found: list[type]) -> None:
    """Note every record within a type; formulas are printed as text."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind not in found:
        if kind.__module__.startswith("propstats.activations."):
            return
        found.append(kind)
        for annotation in inspect.get_annotations(kind).values():
            _walk(annotation, found)
    for inner in typing.get_args(kind):
        _walk(inner, found)
