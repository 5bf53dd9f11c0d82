"""`propstats audit`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from propstats_cli import options
from propstats_cli.output import Answer, ExitCode, envelope

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.auditing.records import AuditReport
    from propstats.report.diff import AuditDiff


def audit(
    model: Annotated[str, typer.Argument(help="A pickled module of torch.nn classes, a state_dict or safetensors.")],
    data: Annotated[str, typer.Option("--data", help="digits, gaussian:SHAPE, or a .npy or .npz file.")] = "digits",
    arch: options.Arch = None,
    normalize: options.Normalize = None,
    seed: options.Seed = 0,
    fail_on: Annotated[
        options.FailOn, typer.Option("--fail-on", help="The least severe finding that exits with 1.")
    ] = options.FailOn.ERROR,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="FILE", help="Fail only on what an earlier --json did not find.")
    ] = None,
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
    without executing anything in it. Exit code 1 if something is found that --fail-on names; with --baseline only if it
    is new or worse.

    \b
    Examples:
      propstats audit model.pt --data digits
      propstats audit weights.safetensors --arch mypackage.models:make --data images.npy --html report.html
      propstats audit model.pt --baseline audit.json --junit audit.xml --github
    """
    from propstats.auditing.audit import audit as run
    from propstats.report.outputs import Outputs
    from propstats.report.saved import load_report
    from propstats_cli.progress import bars

    # What cannot be read or written is said before the work, not after it.
    outputs = Outputs.of(html, junit, plot, out, github=github)
    earlier = load_report(baseline) if baseline is not None else None
    with bars(quiet=quiet) as show:
        report = run(
            model,
            data,
            arch=arch,
            normalize=normalize,
            seed=seed,
            progress=lambda done, total: show("auditing", done, total),
        )
    changes = None
    if earlier is not None:
        from propstats.report.diff import diff

        changes = diff(earlier, report, fail_on=fail_on.value)
    passed = fail_on.allows(report.findings) if changes is None else changes.passed
    answer = _document(report, changes)
    document = envelope("audit", ExitCode.OK if passed else ExitCode.FINDINGS, data=answer)
    written = outputs.write(report, document, command=_command_line())
    if github:
        import sys

        from propstats.report.github import annotations

        for line in annotations(report.findings):
            print(line, file=sys.stderr)  # stdout is the answer's

    def render(console: "Console") -> None:
        from propstats_cli import audit_table, diff_table

        if quiet:
            audit_table.render_verdict(console, report)
            return
        audit_table.render(console, report)
        if changes is not None:
            diff_table.render(console, changes)
        for path in written:
            console.print(f"wrote     {audit_table.shown(str(path))}", soft_wrap=True)

    return Answer("audit", answer, passed, json, render)


def _document(report: "AuditReport", changes: "AuditDiff | None") -> Any:
    from propstats.report.jsonable import to_jsonable

    document = to_jsonable(report)
    assert isinstance(document, dict)
    return document if changes is None else document | {"baseline": to_jsonable(changes)}


def _command_line() -> str:
    import shlex
    import sys

    return shlex.join(["propstats", *sys.argv[1:]])
