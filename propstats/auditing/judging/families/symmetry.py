"""Units that repeat each other: by their weights, or by what they give."""

from collections.abc import Iterator

import torch

from propstats.auditing.judging.evidence import Evidence
from propstats.auditing.judging.rule import ALWAYS, Family, FindingRule
from propstats.auditing.judging.weight_checks import duplicate_outputs, duplicate_units
from propstats.auditing.records import Finding, Severity

IDENTICAL = FindingRule(
    "identical-units",
    "units that repeat another's weights",
    "units with equal weights give equal outputs; where their outgoing weights are equal as well, so are their "
    "gradients, and no training ever parts them",
    "weights drawn from a continuous distribution are never equal: the limit is 0; an error where fewer different "
    "units are left than the network has outputs",
    "Glorot & Bengio 2010, section 2; Goodfellow et al. 2016, Deep Learning, section 8.4",
    "weights are compared exactly, bit by bit; rows of zeros, which Fixup and others set on purpose, are not counted",
)
OUTPUTS = FindingRule(
    "identical-outputs",
    "units that give the same for all of the data",
    "units that agree on every sample say the same thing twice, whatever their weights: the layer is narrower than it "
    "looks",
    "outputs of different weights agree on no sample: the limit is 0; an error where fewer different units are left "
    "than the network has outputs",
    "Saxe et al. 2014, arXiv:1312.6120, section 2; see identical-units",
    "float32 outputs of at most 256 units are compared on at most 512 samples; units that are constant are not counted",
)


def _severity(distinct: int, units: int, outputs: int) -> Severity:
    return Severity.ERROR if distinct < min(units, outputs) else Severity.WARNING


def _check(evidence: Evidence) -> Iterator[Finding]:
    named = set()
    for found in duplicate_units(evidence.calls):
        named.add(found.name)
        for_ever = (
            f"{found.for_ever} of them for ever: their outgoing weights are equal too"
            if found.for_ever
            else "they give the same until their outgoing weights part them"
        )
        yield IDENTICAL.finding(
            _severity(found.units - found.repeats, found.units, evidence.outputs),
            found.name,
            found.repeats / found.units,
            f"{found.repeats} of the {found.units} units of {found.name} repeat another's weights, {for_ever}",
            "draw the weights at random: theory expects no two units alike",
            interval=(found.repeats / found.units, found.repeats / found.units),
            expected=0.0,
            predicted=0.0,
        )
    if evidence.closer is None:
        return
    for layer in evidence.layers:
        if not layer.is_weights or layer.name in named or layer.call:
            continue
        values = evidence.closer.outputs(layer.name)
        if values is None or not bool(torch.isfinite(values).all()):
            continue
        repeats, units = duplicate_outputs(values.flatten(0, 1))
        if repeats:
            yield OUTPUTS.finding(
                _severity(units - repeats, units, evidence.outputs),
                layer.name,
                repeats / units,
                f"{repeats} of {units} units of {layer.name} give what another gives, for all of the data",
                "look at what lies before it: its inputs are equal, or constant, where its weights differ",
                interval=(repeats / units, repeats / units),
                expected=0.0,
                predicted=0.0,
            )


FAMILY = Family((IDENTICAL, OUTPUTS), _check, ALWAYS)
