"""What `propstats audit` says of weights alone."""

from typing import TYPE_CHECKING

from propstats_cli.delivery import Delivery
from propstats_cli.output import Answer, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.auditing.loading.access import Access
    from propstats.auditing.static.fingerprint import Fingerprint
    from propstats.auditing.static.records import StaticReport


def static_audit(path: str, access: "Access", delivery: Delivery) -> Answer:
    """Audit the weights in a file, without a network."""
    from propstats.auditing.static.audit import audit_weights
    from propstats_cli.progress import bars

    with bars(quiet=delivery.quiet) as show:
        report = audit_weights(path, access, progress=lambda done, total: show("weights", done, total))
    passed = delivery.fail_on.allows(report.findings)
    return Answer("audit", report, passed, delivery.json, lambda out: _render(out, report, delivery.quiet))


def _render(out: "Console", report: "StaticReport", quiet: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    from propstats_cli.numbers import short

    sound = "[bold green]PASS[/]: nothing is wrong with the weights themselves"
    verdict = f"verdict   {sound if report.passed else '[bold red]FAIL[/]: the weights themselves are broken'}"
    if quiet:
        out.print(verdict)
        return
    model = report.model
    out.print(
        f"model  {escape(model.path or 'in memory')}: {model.format}, {model.parameters:,} parameters", soft_wrap=True
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("weight", no_wrap=True)
    for heading in ("shape", "sigma_w^2", "lengths", "norm/edge", "coherence"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("looks like", no_wrap=True)
    for weight in report.weights:
        lengths, canonical = weight.row_lengths, weight.canonical
        table.add_row(
            escape(weight.name),
            "x".join(map(str, weight.shape)),
            short(weight.sigma_w_squared.value),
            f"{lengths.mean:.3g} ±{lengths.std:.1g}",
            short(weight.spectral_norm.value / weight.random_edge if weight.random_edge else None),
            short(canonical.coherence.value if canonical else None),
            _looks_like(weight.fingerprint),
        )
    print_table(out, table)
    out.print(
        "sigma_w^2: fan_in E w^2, what a random signal's second moment is multiplied by; lengths: of a unit's weights, "
        "mean ± deviation; norm/edge: spectral norm over that of random weights; coherence: largest |cos| of two "
        "units' weights; looks like: schemes that fit within five standard errors, or law, nearest scheme and variance "
        "over its",
        soft_wrap=True,
    )
    out.print(
        f"coverage  {report.coverage.analysed} matrices of weights analysed; {escape(report.notes[0])}", soft_wrap=True
    )
    for skipped in report.coverage.skipped:
        out.print(f"          {escape(skipped.name)}: {escape(skipped.reason)}", soft_wrap=True)
    for note in report.notes[1:]:
        out.print(f"note: {escape(note)}", soft_wrap=True)
    for finding in report.findings:
        colour = {"error": "bold red", "warning": "yellow"}.get(finding.severity, "dim")
        out.print(f"[{colour}]{finding.severity}[/] {finding.rule}: {escape(finding.message)}", soft_wrap=True)
        out.print(f"      -> {escape(finding.remedy)}", soft_wrap=True)
        out.print(f"      more: {escape(finding.explained_by)}", soft_wrap=True)
    out.print(verdict)


def _looks_like(found: "Fingerprint | None") -> str:
    from propstats_cli.numbers import short

    if found is None:
        return "zeros"
    if found.fits:
        return ", ".join((found.scheme, *found.alike)[:3])
    law = found.laws[0].value.replace("_", " ") if found.laws else "no law"
    return f"{law}, {found.scheme} x{short(found.ratio.value)}"
