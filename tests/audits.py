"""Audits that tests of reports show."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.records import AuditReport, Coverage, Finding, Severity, Skipped

#: What a stranger may call a layer: markup, terminal escapes, templates, a command to GitHub, half a character.
EVIL = "::error::<script>alert(1)</script>\"'&amp;]]>|`%\r\n\x1b[31m\x00{{ 7*7 }}\u202e\ufffe\ud800##[error]"


def small_audit(names: Sequence[str] = ("one", "two", "three"), *, weight: float = 0.5, seed: int = 0) -> AuditReport:
    """Audit a small sound network on random data; nothing is found."""
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential()
    for name in names:
        layer = nn.Linear(4, 4)
        nn.init.normal_(layer.weight, std=0.5, generator=generator)
        nn.init.zeros_(layer.bias)
        with torch.no_grad():
            layer.weight[0, 0] = weight
        network.add_module(name, layer)
        network.add_module(f"{name}-act", nn.Tanh())
    data = torch.randn(200, 4, generator=torch.Generator().manual_seed(seed))
    return replace(audit(network, data), findings=[])


def finding(severity: Severity, layer: str | None = "one", rule: str = "some-rule", text: str = "it fails") -> Finding:
    """Make a finding."""
    return Finding(rule, severity, layer, math.nan, (-math.inf, math.inf), None, text, "change it")


def evil_audit() -> AuditReport:
    """An audit in which every text that can come from a file is hostile."""
    report = small_audit()
    return replace(
        report,
        model=replace(report.model, path=EVIL, format=EVIL),
        data=replace(report.data, name=EVIL, layout=EVIL, normalization=EVIL),
        layers=[replace(layer, name=EVIL, type=EVIL, reason=EVIL) for layer in report.layers],
        findings=[replace(finding(Severity.ERROR, EVIL, EVIL, EVIL), remedy=EVIL)],
        coverage=Coverage(1, (Skipped(EVIL, EVIL),)),
    )
