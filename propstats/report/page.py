"""An audit as one HTML page that needs nothing else."""

import base64
import dataclasses
import hashlib
import math
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from propstats.auditing.records import AuditReport, Finding, Layer, Rate, Severity
from propstats.estimate import Estimate
from propstats.report.overview_figure import overview_figure
from propstats.report.style import inline
from propstats.text import printable

NONE = "\N{EN DASH}"  # stands where there is nothing to say
_FIGURE = (
    "Spread of the signal, norm of the gradient, correlation of two inputs and shares of dead units over depth; the "
    "numbers are in the table of layers"
)
_SIGNS = {"ok": "\N{CHECK MARK}", "departs": "\N{NOT EQUAL TO}", "non-finite": "\N{BALLOT X}"}


def audit_page(report: AuditReport, *, command: str | None = None) -> str:
    """Show an audit on one page: verdict, facts, findings, rates, the figure over depth, all layers' numbers.

    The page loads nothing, from the network or from other files, and its policy has the browser refuse to.
    Whatever comes from the model or the data is escaped.

    Args:
        report: The audit.
        command: The command line that made it, to be shown.
    """
    environment = Environment(
        loader=PackageLoader("propstats", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters.update(number=number, digest=_digest, share=_share)
    return environment.get_template("audit.html.j2").render(
        report=report,
        command=command,
        counts={severity.value: sum(f.severity is severity for f in report.findings) for severity in Severity},
        rates=[
            ("Signal, forwards", report.trend.forward_rate),
            ("Gradient, backwards", report.trend.backward_rate),
        ],
        figure=Markup(inline(overview_figure(report, titled=False), _FIGURE)),  # names in it are outlines, not text
        rows=[_row(position, layer, report.findings) for position, layer in enumerate(report.layers)],
        row_of=lambda finding: next((i for i, layer in enumerate(report.layers) if layer.name == finding.layer), None),
        unchecked=list(_unchecked(report)),
        versions={name: _version(name) for name in ("propstats", "torch")} | {"Python": platform.python_version()},
        interval=_interval,
    )


def number(value: float | None, digits: int = 3) -> str:
    """Write a number for reading; what is not finite in words.

    >>> number(0.123456), number(float("nan")), number(float("-inf"))
    ('0.123', 'not a number', 'minus infinity')
    """
    if value is None:
        return NONE
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "infinity" if value > 0 else "minus infinity"
    return f"{value:.{digits}g}"


def _shown(value: object) -> object:
    """Make escapes, line ends and halves of characters visible before HTML is escaped."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _share(value: float | None) -> str:
    return NONE if value is None else f"{value:.1%}" if math.isfinite(value) else number(value)


def _interval(rate: Rate) -> str:
    return f"{number(rate.interval[0])} to {number(rate.interval[1])}"


def _digest(script: str) -> str:
    """Name a script by its hash, so that the page's policy lets this one run and no other."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed, run from its source"


def _row(position: int, layer: Layer, findings: Sequence[Finding]) -> dict[str, Any]:
    """Prepare one layer for the table: each cell as it is shown, beside what it is sorted by."""
    expected, own = _first(layer, "var")
    gradient, own_gradient = _first(layer, "gradient_input")
    measured = layer.backward.input.value if layer.backward.input else None
    roots = [
        (_root(layer.forward.var.value), False),
        (_root(expected), own),
        (layer.forward.c, False),
        (_root(measured), False),
        (_root(gradient), own_gradient),
    ]
    shares = [layer.forward.dead, layer.forward.saturated]
    numbers = [(number(value), _key(value), own) for value, own in roots]
    if math.isfinite(layer.forward.c):
        numbers[2] = (f"{layer.forward.c:.5f}", *numbers[2][1:])  # what counts is how far from 1 it is
    return {
        "position": position,
        "layer": layer,
        "label": layer.name or "(the model itself)",
        "shape": " \N{MULTIPLICATION SIGN} ".join(map(str, layer.shape)) or "a number",
        "size": math.prod(layer.shape),
        "numbers": numbers + [(_share(value), _key(value), False) for value in shares],
        "sign": _SIGNS.get(layer.verdict, NONE),
        "details": list(_details(layer)),
        "findings": [finding for finding in findings if finding.layer == layer.name],
    }


def _first(layer: Layer, name: str) -> tuple[float | None, bool]:
    """Return what theory expects, and whether it knows it only from the layer's own input and gradient."""
    for source in (layer.expected, layer.one_step):
        value: float | None = getattr(source, name, None)
        if value is not None:
            return value, source is not layer.expected
    return None, False


def _root(square: float | None) -> float | None:
    return square if square is None or not square >= 0 else math.sqrt(square)


def _key(value: float | None) -> str:
    """Return what a cell is sorted by; empty, and last in either order, where there is no number."""
    return "" if value is None or math.isnan(value) else repr(float(value))


def _details(record: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Walk through all numbers of a record, with their errors."""
    for field in dataclasses.fields(record):
        value, name = getattr(record, field.name), f"{prefix}{field.name}"
        if isinstance(value, Estimate):
            samples = f" ({value.samples} samples)" if value.samples is not None else ""
            yield name, f"{number(value.value, 6)} \N{PLUS-MINUS SIGN} {number(value.error, 2)}{samples}"
        elif dataclasses.is_dataclass(value):
            yield from _details(value, f"{name}.")
        elif isinstance(value, float):
            yield name, number(value, 6)
        else:
            yield name, NONE if value is None else str(value)


def _unchecked(report: AuditReport) -> Iterator[str]:
    yield "Training: the network ran in evaluation mode (no dropout, batch norm with its stored statistics)."
    yield "The loss: the gradients are those of random directions at the output, drawn from one seed."
    yield f"Other data: all numbers hold for these {report.data.samples} samples."
    yield "Whether the network is any good at its task."
    blind = [layer for layer in report.layers if layer.expected is None]
    if blind:
        yield f"{len(blind)} of {len(report.layers)} layers have no expectation from the network's input on."
    if any(layer.backward.output is None for layer in report.layers):
        yield "Gradients, at layers where none was measured."
    if None in (report.trend.forward_rate, report.trend.backward_rate):
        yield "Rates over depth, where fewer than two layers have weights or a number is not finite."
