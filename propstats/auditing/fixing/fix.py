"""Fix the scales of a network, audit it again, and write it."""

import copy
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.data.find import Places
from propstats.auditing.data.load import DEFAULT_SAMPLES
from propstats.auditing.fixing.conversion import NORMPROP, normprop
from propstats.auditing.fixing.fresh import signs_of_training
from propstats.auditing.fixing.methods import METHODS, SAMPLES
from propstats.auditing.fixing.records import FixReport, RateCheck
from propstats.auditing.fixing.scaling import Scaling
from propstats.auditing.fixing.write import check_name, form_of, serialised
from propstats.auditing.judging.chain import joining
from propstats.auditing.judging.limits import Z95
from propstats.auditing.judging.prediction import UNKNOWN, Prediction, predict
from propstats.auditing.judging.prescription import prescribe
from propstats.auditing.loading.access import SAFE, Access
from propstats.auditing.probing import probe
from propstats.auditing.records import AuditReport, Policy, Rate
from propstats.auditing.subject import load_subject
from propstats.errors import DataError, DomainError, OutputError, unknown_name
from propstats.estimate import Estimate, Route
from propstats.files import write_atomically


def fix(
    model: str | os.PathLike[str] | nn.Module,
    data: Any = "digits",
    out: str | os.PathLike[str] | None = None,
    *,
    method: str = "theory",
    retrain_ok: bool = False,
    access: Access = SAFE,
    normalize: str | None = None,
    samples: int | None = DEFAULT_SAMPLES,
    places: Places | None = None,
    seed: int = 0,
    policy: str = Policy.SIGNAL,
) -> FixReport:
    """Rescale the weights of a network so that signal survives, audit it again, and write it in the form it came in.

    The network computes something else afterwards, and is to be trained from there: one that does not look freshly
    initialised is refused.

    Args:
        model: A file, or a module. Neither is changed.
        data: As in `propstats.audit`.
        out: Where to write the result; None for nowhere.
        method: `theory`, to the edge of chaos for each layer's activation; `lsuv`, outputs of variance 1 on the data;
            `backward`, gradients of standard deviation 1; `normprop`, NormProp layers in the place of weights,
            batch norm and activations, written as a whole module.
        retrain_ok: Whether a network that looks trained may lose what it has learned.
        access: As in `propstats.audit`.
        normalize: As in `propstats.audit`.
        samples: As in `propstats.audit`.
        places: As in `propstats.audit`.
        seed: Seed of the audits, and of what has to be drawn where there is nothing to scale.
        policy: What the audits ask, as in `propstats.audit`.

    Raises:
        UnknownNameError: If the method is not known.
        DomainError: If the method is not for this network, or the network looks trained and `retrain_ok` is not set.
        OutputError: If the result would take the place of the model, or its name says another form than it has.
        ModelError: If the model cannot be used.
        DataError: If the data cannot be used.

    >>> from propstats.auditing.fixing.fix import fix
    >>> generator = torch.manual_seed(0)
    >>> layers = [layer for _ in range(20) for layer in (nn.Linear(64, 64), nn.ReLU())]
    >>> report = fix(nn.Sequential(*layers), torch.randn(100, 64))
    >>> report.before.passed, report.after.passed, all(check.agrees for check in report.checks)
    (False, True, True)
    """
    if method not in (*METHODS, NORMPROP):
        raise unknown_name("method", method, [*METHODS, NORMPROP])
    if out is not None and not isinstance(model, nn.Module) and _same_file(model, out):
        raise OutputError(f"{os.fspath(out)} is the model itself", "name another file; the input is never changed")
    subject = load_subject(model, data, access=access, normalize=normalize, samples=samples, seed=seed, places=places)
    some = next(subject.dataset.batches(SAMPLES))
    if not isinstance(some, torch.Tensor):
        raise DataError("a network of several arguments cannot be fixed yet", "fix the part that takes one tensor")
    trained = signs_of_training(subject.network, subject.inputs, subject.dataset.labels)
    if trained and not retrain_ok:
        first, *others = trained
        more = f" and {len(others)} more" if others else ""
        raise DomainError(
            f"the network looks trained ({first}{more}); other scales change what it computes",
            "add --retrain-ok if it is to be trained again",
        )

    def audited(network: str | os.PathLike[str] | nn.Module) -> AuditReport:
        return audit(
            network, data, access=access, normalize=normalize, samples=samples, places=places, seed=seed, policy=policy
        )

    original = subject.model.format if method != NORMPROP else "torch module"  # its weights fit no layers but its own
    form = form_of(original)
    if out is not None:
        check_name(out, form)
    before = audited(model)
    network = copy.deepcopy(subject.network)
    prediction = _predicted(network, subject.inputs) if method == "theory" else UNKNOWN
    if method == NORMPROP:
        network, changes, left_alone = normprop(network)
    else:
        scaling = Scaling(network, seed)
        METHODS[method](network, some, scaling)
        changes, left_alone = scaling.changes(), tuple(scaling.left_alone)
    after = audited(network)
    if out is not None:
        write_atomically(out, serialised(network, original))
    return FixReport(
        method=method,
        path=os.fspath(out) if out is not None else None,
        format=form,
        trained=trained,
        changes=changes,
        left_alone=left_alone,
        checks=_checks(before, after, prediction),
        before=before,
        after=replace(after, model=replace(after.model, path=os.fspath(out) if out is not None else None, format=form)),
    )


def _same_file(model: str | os.PathLike[str], out: str | os.PathLike[str]) -> bool:
    try:
        return Path(model).samefile(out)
    except OSError:  # one of them is not there
        return False


def _predicted(network: nn.Module, inputs: torch.Tensor) -> Prediction:
    measured = probe(network, inputs)
    if joining(measured.calls) is not None:  # which the method itself refuses
        return UNKNOWN
    return predict(measured, prescribe(measured.calls))


def _checks(before: AuditReport, after: AuditReport, prediction: Prediction) -> tuple[RateCheck, ...]:
    return (
        _check("forward", before.trend.forward_rate, after.trend.forward_rate, prediction.forward),
        _check("backward", before.trend.backward_rate, after.trend.backward_rate, prediction.backward),
    )


def _check(direction: str, before: Rate | None, after: Rate | None, predicted: Estimate | None) -> RateCheck:
    measured = None
    if after is not None:
        low, high = after.interval
        measured = Estimate(after.value, (high - low) / (2 * Z95), Route.MEASURED)
    agrees = predicted.agrees_with(measured) if predicted is not None and measured is not None else None
    return RateCheck(direction, before.value if before is not None else None, predicted, measured, agrees)
