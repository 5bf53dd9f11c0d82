"""`propstats audit` as people and CI systems see it."""

import io
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import torch
from audits import EVIL, evil_audit
from networks import mlp
from propstats_cli.audit_table import render, shortened
from propstats_cli.main import run
from propstats_cli.options import FailOn
from rich.console import Console
from torch import nn

from propstats.auditing.audit import audit

PROPSTATS = [sys.executable, "-m", "propstats"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files: one network that carries signal, one that does not, one with long names."""
    folder = tmp_path_factory.mktemp("models")
    torch.save(mlp("relu", depth=8, critical=True), folder / "sound.pt")
    torch.save(mlp("relu", depth=14), folder / "dying.pt")
    named = nn.Sequential()
    for name, layer in mlp("relu", depth=3, critical=True).named_children():
        block = nn.Sequential()
        block.add_module("a_projection_with_a_long_name", layer)
        named.add_module(f"encoder_block_number_{name}", block)
    torch.save(named, folder / "named.pt")
    return folder


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("width", [80, 200])
def test_fits_the_terminal(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert run(["audit", str(models / "named.pt")]) == 0
    lines = _lines(capsys)
    table = lines[2 : next(i for i, line in enumerate(lines) if line.startswith("signal std"))]
    assert all(len(line) <= width for line in table)
    name = "encoder_block_number_0.a_projection_with_a_long_name"
    assert any(line.startswith(name) for line in table) == (width == 200)
    assert len({line.split()[0] for line in table}) == len(table)  # shortened, and told apart
    assert any("initials" in line for line in lines) == (width == 80)


def test_a_pipe_has_no_width_and_names_stay_whole(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert run(["audit", str(models / "named.pt")]) == 0
    assert "encoder_block_number_0.a_projection_with_a_long_name" in capsys.readouterr().out


def test_shortened() -> None:
    names = ["layer1.0.conv2", "layer1.1.conv2", "layer2.0.conv2", "", "head"]
    assert list(shortened(names, 10).values()) == ["l1.0.conv2", "l1.1.conv2", "l2.0.conv2", "", "head"]
    assert list(shortened(names, 9).values()) == ["l1.0.c2", "l1.1.c2", "l2.0.c2", "", "head"]
    # What would become the same stays whole, and runs over.
    assert shortened(["attention.long", "another.long"], 6) == {n: n for n in ("attention.long", "another.long")}
    assert shortened(["__", "-"], 0) == {"__": "__", "-": "-"}


@pytest.mark.parametrize(("fail_on", "code"), [("error", 1), ("never", 0), ("warning", 1), ("change", 1)])
def test_fail_on(models: Path, fail_on: str, code: int) -> None:
    assert run(["audit", str(models / "dying.pt"), "-q", "--samples", "256", "--fail-on", fail_on]) == code


def test_fail_on_counts_what_is_as_bad() -> None:
    from audits import finding

    from propstats.auditing.records import Severity

    found = [finding(Severity.WARNING)]
    assert [FailOn(name).allows(found) for name in ("error", "warning", "info", "change", "never")] == [
        True, False, False, False, True,
    ]  # fmt: skip
    assert all(FailOn(name).allows([]) for name in FailOn)


def test_quiet_says_the_verdict_alone(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", str(models / "sound.pt"), "-q", "--samples", "256"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("verdict   PASS: signal survives\n", "")


@pytest.mark.slow
def test_baseline(models: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    torch.save(mlp("relu", depth=14, critical=True), tmp_path / "sound.pt")
    for name, path in (("dying", models / "dying.pt"), ("sound", tmp_path / "sound.pt")):
        run(["audit", str(path), "--json"])
        (tmp_path / f"{name}.json").write_text(capsys.readouterr().out)
    # What was known before is no failure; what is new is.
    assert run(["audit", str(models / "dying.pt"), "--baseline", str(tmp_path / "dying.json")]) == 0
    assert "compared  PASS" in capsys.readouterr().out
    assert run(["audit", str(models / "dying.pt"), "--baseline", str(tmp_path / "sound.json")]) == 1
    out = capsys.readouterr().out
    assert re.search(r"new +error forward-vanishing: ", out)
    assert re.search(r"compared  FAIL: \d+ findings are new or worse", out)
    assert run(["audit", str(models / "dying.pt"), "--baseline", str(tmp_path / "sound.json"), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["status"] == "findings"
    assert {change["change"] for change in document["data"]["baseline"]["findings"]} == {"new"}
    assert run(["audit", str(models / "sound.pt"), "--baseline", str(tmp_path / "sound.json")]) == 3
    assert "the audits are of different networks" in capsys.readouterr().err
    (tmp_path / "half.json").write_text((tmp_path / "sound.json").read_text()[:5000])
    assert run(["audit", str(models / "sound.pt"), "--baseline", str(tmp_path / "half.json")]) == 3
    assert "only a part of one" in capsys.readouterr().err


def test_github(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    arguments = ["audit", str(models / "dying.pt"), "--github", "--junit", str(tmp_path / "audit.xml"), "--json"]
    assert run(arguments) == 1
    out, err = capsys.readouterr()
    json.loads(out)  # annotations are not in the way
    commands = err.splitlines()
    assert 1 <= len(commands) <= 10
    assert all(re.fullmatch(r"::(error|warning|notice) title=[^:,]+::.*", line) for line in commands)
    assert "FAIL" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    errors = [finding for finding in json.loads(out)["data"]["findings"] if finding["severity"] == "error"]
    assert ET.parse(tmp_path / "audit.xml").getroot().get("failures") == str(len(errors))


def test_github_elsewhere(models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert run(["audit", str(models / "sound.pt"), "--github"]) == 2
    assert "GITHUB_STEP_SUMMARY" in capsys.readouterr().err


def test_hostile_names_command_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    render(Console(highlight=False, width=500), evil_audit())
    out = capsys.readouterr().out
    assert EVIL not in out
    assert "\x1b" not in out
    assert "##[" not in out
    assert not any(line.lstrip().startswith("::") for line in out.splitlines())
    assert "<script>alert(1)</script>" in out


def test_no_colour_and_colour(models: Path) -> None:
    report = audit(str(models / "dying.pt"))
    import io

    for no_color, expected in (("1", False), ("", True)):
        stream = io.StringIO()
        environment = {"TERM": "xterm-256color", "NO_COLOR": no_color}
        render(Console(file=stream, force_terminal=True, highlight=False, _environ=environment), report)
        assert ("\x1b[1;31m" in stream.getvalue()) == expected


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_line(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", str(models / "sound.pt"), "--html", "/dev/full"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("propstats: error: cannot write /dev/full: No space left on device")
    assert err.count("\n") == 1
    with Path("/dev/full").open("w") as full:
        arguments = [*PROPSTATS, "audit", str(models / "sound.pt"), "--json"]
        printed = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert printed.returncode == 3
    assert printed.stderr == "propstats: error: cannot write the answer: No space left on device\n"


@pytest.mark.slow
def test_a_reader_that_goes_away(models: Path) -> None:
    command = f"{sys.executable} -m propstats audit {models / 'sound.pt'} --json | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("{\n", "")
    assert done.returncode in (0, 141)


def test_ascii_terminal(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")  # nothing for it to replace
    monkeypatch.setattr(sys, "stdout", terminal)
    assert run(["audit", str(models / "dying.pt")]) == 1
    terminal.seek(0)
    assert re.search(r"^gradient  [_.,=+*# -]+  \S+ to \S+, from input to output$", terminal.read(), re.MULTILINE)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_no_file(models: Path, tmp_path: Path, number: signal.Signals, code: int) -> None:
    (tmp_path / "old.html").write_text("what was there")
    arguments = ["audit", str(models / "sound.pt"), "--data", "gaussian:64", "--html", str(tmp_path / "old.html")]
    # It stops in the middle of its work, wherever that is: the audit is told to wait there.
    code_of_a_slow_audit = (
        "import sys, time, propstats.auditing.audit as a\n"
        "def wait(*_, **__):\n    print('at work', flush=True)\n    time.sleep(100)\n"
        "a.probe_together = wait\nfrom propstats_cli.main import main\n"
        f"sys.argv = ['propstats', *{arguments!r}]\nmain()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code_of_a_slow_audit], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err == f"propstats: error: {'interrupted' if number == signal.SIGINT else 'terminated'}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["old.html"]
    assert (tmp_path / "old.html").read_text() == "what was there"


def test_places_that_cannot_be_used(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    model = str(models / "sound.pt")
    for arguments, code in (
        ([str(tmp_path)], 3),
        ([str(tmp_path / "file" / "model.pt")], 3),
        ([model, "--html", str(tmp_path / "file" / "x.html")], 3),
        ([model, "--html", str(tmp_path)], 3),
        ([model, "--plot", str(tmp_path / "x.bmp")], 2),
        ([model, "--baseline", str(tmp_path)], 3),
        ([model, "--out", str(tmp_path / "file" / "x")], 3),
    ):
        assert run(["audit", *arguments]) == code, arguments
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("propstats: error: ")
        assert err.count("\n") == 1
