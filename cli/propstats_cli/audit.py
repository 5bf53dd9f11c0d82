"""`propstats audit`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from propstats.errors import WeightsOnlyError
from propstats_cli import options
from propstats_cli.delivery import Delivery
from propstats_cli.fixing import fixed
from propstats_cli.output import Answer
from propstats_cli.static import static_audit

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.auditing.records import AuditReport
    from propstats.report.diff import AuditDiff


def audit(
    model: Annotated[str, typer.Argument(help="A pickled module, a state_dict, safetensors, or a folder.")],
    data: options.Data = "digits",
    arch: options.Arch = None,
    allow: options.Allow = None,
    class_: options.Class = None,
    key: options.Key = None,
    partial: options.Partial = False,
    trust: options.Trust = False,
    no_verify: options.NoVerify = False,
    normalize: options.Normalize = None,
    data_dir: options.DataDir = None,
    offline: options.Offline = False,
    samples: options.Samples = 2048,
    seed: options.Seed = 0,
    static: Annotated[bool, typer.Option("--static", help="Look at the weights alone, without running them.")] = False,
    fail_on: Annotated[
        options.FailOn, typer.Option("--fail-on", help="The least severe finding that exits with 1.")
    ] = options.FailOn.ERROR,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="FILE", help="Fail only on what an earlier --json did not find.")
    ] = None,
    policy: Annotated[
        str,
        typer.Option("--policy", help="signal: does it survive? canonical: is every layer canonical?"),
    ] = "signal",
    fix: Annotated[
        str | None,
        typer.Option(
            "--fix",
            metavar="FILE",
            callback=options.output_file,
            help="Rescale the weights, audit again, write the network.",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option("--method", help="How to fix: theory (edge of chaos, if not given), lsuv, backward, or normprop."),
    ] = None,
    retrain_ok: Annotated[
        bool, typer.Option("--retrain-ok", help="Fix weights that look trained, too: what they learned is lost.")
    ] = False,
    html: Annotated[str | None, typer.Option("--html", metavar="FILE", help="Write one self-contained page.")] = None,
    junit: Annotated[str | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML.")] = None,
    plot: Annotated[
        str | None, typer.Option("--plot", metavar="FILE", help="Draw an overview: .png, .svg or .pdf.")
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="Write JSON, page, JUnit and figure to a directory.")
    ] = None,
    github: Annotated[
        bool, typer.Option("--github", help="Write the step's summary and annotations for GitHub Actions.")
    ] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> Answer:
    """Audit a real network on real data.

    Does signal survive, forwards and backwards? If not, where does it die, and what helps? The file is loaded
    without executing anything in it. Weights without --arch are looked at alone: their scales, schemes and faults.
    Exit code 1 if something is found that --fail-on names; with --baseline only if it is new or worse.

    \b
    Examples:
      propstats audit model.pt --data digits
      propstats audit weights.safetensors
      propstats audit weights.safetensors --arch mypackage.models:make --data images.npy --html report.html
      propstats audit model.pt --policy canonical --data images.npy --normalize feature
      propstats audit fresh.pt --fix critical.pt --method theory
      propstats audit model.pt --baseline audit.json --junit audit.xml --github
    """
    shows = {"--html": html, "--junit": junit, "--plot": plot, "--out": out, "--github": github, "--baseline": baseline}
    if static:
        options.refuse_beside("--static", "runs nothing and measures no signal", shows | {"--fix": fix})
    if fix is None:
        options.refuse_without("--fix FILE", {"--method": method, "--retrain-ok": retrain_ok})
    else:
        options.refuse_beside("--fix", "compares the network before and after", {"--baseline": baseline})
    from propstats.report.outputs import Outputs
    from propstats.report.saved import load_report

    # What cannot be read or written is said before the work, not after it.
    outputs = Outputs.of(html, junit, plot, out, github=github)
    earlier = load_report(baseline) if baseline is not None else None
    access = options.access(arch, allow, class_, partial, trust, no_verify, key)
    how = {
        "access": access,
        "normalize": normalize,
        "places": options.places(data_dir, offline),
        "samples": samples or None,
        "seed": seed,
        "policy": policy,
    }
    delivery = Delivery(outputs, fail_on, quiet, json)
    if static:
        return static_audit(model, access, delivery)
    if fix is not None:
        return fixed(model, data, fix, delivery, method=method or "theory", retrain_ok=retrain_ok, **how)
    try:
        return _audited(model, data, earlier, delivery, **how)
    except WeightsOnlyError:
        if outputs.wanted or earlier is not None:  # they show the signal, and there is none
            raise
        return static_audit(model, access, delivery)


def _audited(model: str, data: str, earlier: "AuditReport | None", delivery: Delivery, **how: Any) -> Answer:
    """Audit a network, and compare it with an earlier audit if there is one."""
    from propstats.auditing.audit import audit as run
    from propstats.simulation.workers import join
    from propstats_cli.progress import bars

    rank, _ = join()
    with bars(quiet=delivery.quiet) as show:
        report = run(model, data, progress=lambda done, total: show("auditing", done, total), **how)
    changes = None
    if earlier is not None:
        from propstats.report.diff import diff

        changes = diff(earlier, report, fail_on=delivery.fail_on.value)
    passed = delivery.fail_on.allows(report.findings) if changes is None else changes.passed
    answer = _document(report, changes)
    if rank > 0:  # under torchrun the first process writes
        return Answer("audit", answer, passed, delivery.json, lambda console: None)
    written = delivery.write(report, answer, passed=passed)

    def render(console: "Console") -> None:
        from propstats_cli import audit_table, diff_table

        if delivery.quiet:
            audit_table.render_verdict(console, report)
            return
        audit_table.render(console, report)
        if changes is not None:
            diff_table.render(console, changes)
        audit_table.render_written(console, written)

    return Answer("audit", answer, passed, delivery.json, render)


def _document(report: "AuditReport", changes: "AuditDiff | None") -> Any:
    from propstats.report.jsonable import to_jsonable

    document = to_jsonable(report)
    assert isinstance(document, dict)
    return document if changes is None else document | {"baseline": to_jsonable(changes)}
