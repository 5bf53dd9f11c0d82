"""An audit as a few lines of HTML, for notebooks."""

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from propstats.text import printable

if TYPE_CHECKING:
    from propstats.auditing.records import AuditReport, Layer

#: Layers to show: half of them from each end.
_LAYERS = 40
_COLOURS = {"error": "#b3261e", "warning": "#a05a00", "info": "inherit"}


def audit_html(report: "AuditReport") -> str:
    """Return an audit as a small piece of HTML, without scripts and without anything to load.

    Args:
        report: The audit.
    """
    verdict, colour = ("PASS: signal survives", "#00674b") if report.passed else ("FAIL", _COLOURS["error"])
    rates = [
        f"{name} &times;{rate.value:.3g} a layer, &times;{rate.total:.2g} from end to end"
        for name, rate in (("forwards", report.trend.forward_rate), ("backwards", report.trend.backward_rate))
        if rate is not None
    ]
    findings = [
        f'<li><b style="color:{_COLOURS[finding.severity]}">{finding.severity}</b> {_text(finding.rule)}: '
        f"{_text(finding.message)}<br>&rarr; {_text(finding.remedy)}</li>"
        for finding in report.findings
    ]
    shown = _shown(report.layers)
    more = f"<p>{len(report.layers) - len(shown)} more layers</p>" if len(shown) < len(report.layers) else ""
    heads = "".join(f"<th>{head}</th>" for head in ("layer", "type", "signal std", "c", "gradient", "verdict"))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(map(_row, shown))}</tbody></table>{more}"
    return (
        f'<div><b style="color:{colour}">{verdict}</b> {_text(report.model.path or report.model.format)} on '
        f"{_text(report.data.name)} ({report.data.samples:,} samples)<br>{'; '.join(rates)}"
        f"<ul>{''.join(findings)}</ul><details><summary>{len(report.layers)} layers</summary>{table}</details></div>"
    )


def _shown(layers: "Sequence[Layer]") -> "list[Layer]":
    if len(layers) <= _LAYERS:
        return list(layers)
    half = _LAYERS // 2
    return [*layers[:half], *layers[-half:]]


def _row(layer: "Layer") -> str:
    back = layer.backward.input
    numbers = (_root(layer.forward.var.value), layer.forward.c, _root(back.value) if back is not None else None)
    cells = "".join(f"<td>{'&ndash;' if n is None else format(n, '.3g')}</td>" for n in numbers)
    name = layer.name + (f" #{layer.call}" if layer.call else "")
    return f"<tr><th>{_text(name)}</th><td>{_text(layer.type)}</td>{cells}<td>{layer.verdict}</td></tr>"


def _root(square: float) -> float:
    return math.sqrt(square) if square >= 0 else square


def _text(text: str) -> str:
    return escape(printable(text, limit=2000))
