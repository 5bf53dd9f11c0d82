"""What an audit says of a deep residual network before it is trained, with default weights and with Fixup's."""

import pytest
import torch
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.records import Severity
from propstats.experiments.lessons.initialisation import residual
from propstats.experiments.lessons.networks import digits, generator
from propstats.nn.init import fixup_


@pytest.mark.slow
def test_the_audit_finds_what_fixup_mends_before_training() -> None:
    inputs = digits()[0][:100]
    found = {finding.rule: finding for finding in audit(residual(0), inputs).findings}
    exploding = found["forward-exploding"]
    assert exploding.severity is Severity.ERROR
    assert "Fixup" in exploding.remedy
    mended = residual(0)
    fixup_(mended, generator=generator(0, 8))
    report = audit(mended, inputs)
    assert report.passed
    # What is left is said of the images: pixels that hardly ever change.
    assert {finding.rule for finding in report.findings} <= {"unequal-variances"}


def test_zeros_in_the_middle_of_a_chain_are_still_found() -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(64, 64) for _ in range(6)]
    with torch.no_grad():
        for layer in layers:
            layer.weight.mul_(6.0**0.5)
        layers[3].weight.zero_()
    network = nn.Sequential(*[part for layer in layers for part in (layer, nn.ReLU())], nn.Linear(64, 10))
    assert "backward-vanishing" in {finding.rule for finding in audit(network, digits()[0][:100]).findings}
