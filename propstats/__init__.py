"""propstats: does signal survive this network, forwards and backwards, and if not, what do I change?

The names below are loaded when they are first used: importing propstats loads neither torch nor sympy nor scipy.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from propstats.activations import Activation as Activation
    from propstats.activations import activation as activation
    from propstats.activations import activation_names as activation_names
    from propstats.auditing.audit import audit as audit
    from propstats.auditing.bound import BoundReport as BoundReport
    from propstats.auditing.bound import bound as bound
    from propstats.auditing.data.find import Places as Places
    from propstats.auditing.data.load import load_data as load_data
    from propstats.auditing.fixing.fix import fix as fix
    from propstats.auditing.fixing.records import FixReport as FixReport
    from propstats.auditing.loading.access import Access as Access
    from propstats.auditing.propagate import propagate as propagate
    from propstats.auditing.records import AuditReport as AuditReport
    from propstats.auditing.spectrum import MeasuredSpectrum as MeasuredSpectrum
    from propstats.auditing.spectrum import spectrum as spectrum
    from propstats.auditing.static.audit import audit_weights as audit_weights
    from propstats.auditing.static.records import StaticReport as StaticReport
    from propstats.auditing.watching.assertions import assert_canonical as assert_canonical
    from propstats.auditing.watching.assertions import assert_survives as assert_survives
    from propstats.auditing.watching.callbacks import LightningMonitor as LightningMonitor
    from propstats.auditing.watching.callbacks import TransformersMonitor as TransformersMonitor
    from propstats.auditing.watching.monitor import Monitor as Monitor
    from propstats.auditing.watching.monitor import monitor as monitor
    from propstats.auditing.watching.watcher import Watcher as Watcher
    from propstats.errors import PropstatsError as PropstatsError
    from propstats.estimate import Estimate as Estimate
    from propstats.estimate import Quantity as Quantity
    from propstats.estimate import Route as Route
    from propstats.expectation.dual import dual as dual
    from propstats.expectation.dual import dual_slope as dual_slope
    from propstats.experiments.demo import DemoResult as DemoResult
    from propstats.experiments.demo import demo as demo
    from propstats.report.diff import AuditDiff as AuditDiff
    from propstats.report.diff import diff as diff
    from propstats.report.figures import plot as plot
    from propstats.report.saved import load_report as load_report
    from propstats.rules.propagation import Propagation as Propagation
    from propstats.signals import Signal as Signal
    from propstats.simulation.design import Design as Design
    from propstats.simulation.design import design as design
    from propstats.simulation.jacobian import JacobianSpectrum as JacobianSpectrum
    from propstats.simulation.jacobian import jacobian as jacobian
    from propstats.simulation.sweep import Sweep as Sweep
    from propstats.simulation.sweep import sweep as sweep
    from propstats.theory.derivation import CheckedDerivation as CheckedDerivation
    from propstats.theory.derivation import derive as derive
    from propstats.theory.dropout import DropoutMoments as DropoutMoments
    from propstats.theory.dropout import dropout as dropout
    from propstats.theory.dual import DualMoments as DualMoments
    from propstats.theory.dual import dual_moments as dual_moments
    from propstats.theory.gate import GateMoments as GateMoments
    from propstats.theory.gate import gate_moments as gate_moments
    from propstats.theory.hermite import HermiteSpectrum as HermiteSpectrum
    from propstats.theory.hermite import hermite as hermite
    from propstats.theory.mean_field.field import mean_field as mean_field
    from propstats.theory.mean_field.phase import PhaseDiagram as PhaseDiagram
    from propstats.theory.mean_field.phase import phase as phase
    from propstats.theory.mean_field.records import MeanField as MeanField
    from propstats.theory.pooling.pool import pool as pool
    from propstats.theory.pooling.records import PoolMoments as PoolMoments
    from propstats.theory.unit import UnitMoments as UnitMoments
    from propstats.theory.unit import moments as moments
    from propstats.theory.weights.scales import WeightScales as WeightScales
    from propstats.theory.weights.scales import scales as scales
else:
    _HOMES = {
        "Access": "auditing.loading.access",
        "Activation": "activations",
        "AuditDiff": "report.diff",
        "AuditReport": "auditing.records",
        "BoundReport": "auditing.bound",
        "CheckedDerivation": "theory.derivation",
        "DemoResult": "experiments.demo",
        "Design": "simulation.design",
        "DropoutMoments": "theory.dropout",
        "DualMoments": "theory.dual",
        "Estimate": "estimate",
        "FixReport": "auditing.fixing.records",
        "GateMoments": "theory.gate",
        "HermiteSpectrum": "theory.hermite",
        "JacobianSpectrum": "simulation.jacobian",
        "LightningMonitor": "auditing.watching.callbacks",
        "MeanField": "theory.mean_field.records",
        "MeasuredSpectrum": "auditing.spectrum",
        "Monitor": "auditing.watching.monitor",
        "PhaseDiagram": "theory.mean_field.phase",
        "Places": "auditing.data.find",
        "PoolMoments": "theory.pooling.records",
        "Propagation": "rules.propagation",
        "PropstatsError": "errors",
        "Quantity": "estimate",
        "Route": "estimate",
        "Signal": "signals",
        "StaticReport": "auditing.static.records",
        "Sweep": "simulation.sweep",
        "TransformersMonitor": "auditing.watching.callbacks",
        "UnitMoments": "theory.unit",
        "Watcher": "auditing.watching.watcher",
        "WeightScales": "theory.weights.scales",
        "activation": "activations",
        "activation_names": "activations",
        "assert_canonical": "auditing.watching.assertions",
        "assert_survives": "auditing.watching.assertions",
        "audit": "auditing.audit",
        "audit_weights": "auditing.static.audit",
        "bound": "auditing.bound",
        "demo": "experiments.demo",
        "derive": "theory.derivation",
        "design": "simulation.design",
        "diff": "report.diff",
        "dropout": "theory.dropout",
        "dual": "expectation.dual",
        "dual_moments": "theory.dual",
        "dual_slope": "expectation.dual",
        "fix": "auditing.fixing.fix",
        "gate_moments": "theory.gate",
        "hermite": "theory.hermite",
        "jacobian": "simulation.jacobian",
        "load_data": "auditing.data.load",
        "load_report": "report.saved",
        "mean_field": "theory.mean_field.field",
        "moments": "theory.unit",
        "monitor": "auditing.watching.monitor",
        "phase": "theory.mean_field.phase",
        "plot": "report.figures",
        "pool": "theory.pooling.pool",
        "propagate": "auditing.propagate",
        "scales": "theory.weights.scales",
        "spectrum": "auditing.spectrum",
        "sweep": "simulation.sweep",
    }

    #: What `from propstats import *` and the reference take; nothing is loaded for it.
    __all__ = sorted(_HOMES)

    def __getattr__(name):
        if name == "__version__":
            from importlib.metadata import version

            return version("propstats")
        if name not in _HOMES:
            raise AttributeError(f"module 'propstats' has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"propstats.{_HOMES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__():
        return sorted([*globals(), *_HOMES, "__version__"])
