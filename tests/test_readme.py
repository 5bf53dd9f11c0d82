"""README and docs/commands.md tell the truth: transcripts are what commands print, Python runs, the picture is right.

Renew the transcripts with: PROPSTATS_WRITE_README=1 pytest tests/test_readme.py -m "slow or not slow"
"""

import doctest
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from networks import mlp
from propstats_cli.main import _COMMANDS, run

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
#: What the first command of the README that writes files leaves is used in the other.
DOCUMENTS = (README, ROOT / "docs" / "commands.md")
# A note on how literally to take it, then the command, then what it prints.
_TRANSCRIPT = re.compile(
    r"<!-- transcript: (?P<kind>[a-z ]+)(, exit code (?P<code>\d))? -->\n"
    r"```console\n\$ (?P<command>.+)\n(?P<output>(?s:.*?))```"
)
# A file that transcripts use.
_FILE = re.compile(r"<!-- file: (?P<name>[\w.]+) -->\n```\w*\n(?P<content>(?s:.*?))```")
_WITH_ERROR = re.compile(r"(-?\d[\d.]*(?:e-?\d+)?) ±(\d[\d.]*(?:e-?\d+)?)")
_SPARKLINE = re.compile("(?<= )[▁▂▃▄▅▆▇█][▁▂▃▄▅▆▇█ ]*(?= )")
_NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*(e[-+]?\d+)?%?")


def _skeleton(text: str) -> list[str]:
    """What a transcript says without its numbers, which trained networks on another processor may move."""
    return [" ".join(_NUMBER.sub("#", _SPARKLINE.sub("#", line)).split()) for line in text.splitlines()]


def _compare(shown: str, printed: str) -> None:
    """Every number with an error is the same within both, and so is the error, whatever processor rounds it."""
    pairs = zip(_WITH_ERROR.findall(shown), _WITH_ERROR.findall(printed), strict=True)
    for (value, error), (other, its_error) in pairs:
        assert abs(float(value) - float(other)) <= float(error) + float(its_error)
        assert 1 / 3 <= float(error) / float(its_error) <= 3


def test_transcripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the README: what a newcomer tries first."""
    _check_transcripts([README], tmp_path, monkeypatch, capsys)


@pytest.mark.slow
def test_other_transcripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In the order in which they are read, with what the README's first commands wrote."""
    monkeypatch.chdir(tmp_path)
    assert run(["demo"]) == 0
    capsys.readouterr()
    _check_transcripts(DOCUMENTS[1:], tmp_path, monkeypatch, capsys)


def _check_transcripts(
    documents: Sequence[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "110")
    for document in documents:
        text = document.read_text(encoding="utf-8")
        for file in _FILE.finditer(text):
            (tmp_path / file["name"]).write_text(file["content"], encoding="utf-8")
        shown = list(_TRANSCRIPT.finditer(text))
        printed = []
        for transcript in shown:
            assert run(shlex.split(transcript["command"])[1:]) == int(transcript["code"] or 0), transcript["command"]
            out = capsys.readouterr().out
            printed.append("\n".join(line.rstrip() for line in out.rstrip().splitlines()) + "\n")
        _check(document, shown, printed)


def _check(document: Path, shown: list[re.Match[str]], printed: list[str]) -> None:
    if os.environ.get("PROPSTATS_WRITE_README"):
        text = document.read_text(encoding="utf-8")
        for transcript, output in reversed(list(zip(shown, printed, strict=True))):
            start, end = transcript.span("output")
            text = text[:start] + output + text[end:]
        document.write_text(text, encoding="utf-8")
        return
    for transcript, output in zip(shown, printed, strict=True):
        assert _skeleton(transcript["output"]) == _skeleton(output)
        if transcript["kind"] == "numbers within their errors":
            _compare(transcript["output"], output)


def test_every_command_has_a_transcript() -> None:
    texts = [document.read_text(encoding="utf-8") for document in DOCUMENTS]
    commands = {shlex.split(t["command"])[1] for text in texts for t in _TRANSCRIPT.finditer(text)}
    assert commands == set(_COMMANDS)
    table = texts[0][texts[0].index("| to ask | command |") : texts[0].index("Each is shown in")]
    assert set(re.findall(r"`(\w+)`", table)) | {"demo"} == set(_COMMANDS)


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 370


_COORDINATE = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


def test_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The command that stands beside it draws it; processors may round coordinates otherwise."""
    text = README.read_text(encoding="utf-8")
    found = re.search(r"`(propstats propagate dying.toml --plot (\S+))`", text)
    assert found is not None
    assert f"]({found[2]})" in text
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dying.toml").write_text(_file("dying.toml"))
    assert run(shlex.split(found[1])[1:]) == 1  # the signal does not survive
    capsys.readouterr()
    drawn = (tmp_path / found[2]).read_text(encoding="utf-8")
    if os.environ.get("PROPSTATS_WRITE_README"):
        (ROOT / found[2]).write_text(drawn, encoding="utf-8")
    kept = (ROOT / found[2]).read_text(encoding="utf-8")
    assert len(kept.encode()) < 150_000
    assert _COORDINATE.sub("#", kept) == _COORDINATE.sub("#", drawn)
    pairs = zip(_COORDINATE.findall(kept), _COORDINATE.findall(drawn), strict=True)
    assert max(abs(float(a) - float(b)) for a, b in pairs) < 0.01  # points; a line is a hundred times as wide


def test_skeletons_tell_texts_apart() -> None:
    assert _skeleton("x0.42 a layer [0.4, 0.5]") == _skeleton("x0.43  a layer [0.41, 5e-01]")
    assert _skeleton("verdict PASS") != _skeleton("verdict FAIL")


def test_comparison_finds_a_wrong_digit() -> None:
    _compare("mean 0.299 ±2e-3 0.5 ±1e-16", "mean 0.300 ±2e-3 0.5 ±2e-16")
    for wrong in ("mean 0.304 ±2e-3", "mean 0.299 ±2e-2", "mean 0.299"):
        with pytest.raises((AssertionError, ValueError)):
            _compare("mean 0.299 ±2e-3", wrong)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failures, tried = doctest.testfile(str(document), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried > 5
    assert failures == 0


def test_every_activation_is_listed() -> None:
    from propstats import activation_names

    text = " ".join(DOCUMENTS[1].read_text(encoding="utf-8").split())
    assert f"Activations: {', '.join(activation_names())}." in text


def _file(name: str) -> str:
    return next(f["content"] for f in _FILE.finditer(README.read_text(encoding="utf-8")) if f["name"] == name)


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), target


def test_the_workflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What the README has people paste runs, and fails when the network got worse."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    torch.save(mlp("relu", depth=12, critical=True), "model.pt")
    assert "`propstats audit model.pt --json > audit.json`" in " ".join(README.read_text(encoding="utf-8").split())
    assert run(["audit", "model.pt", "--json"]) == 0
    Path("audit.json").write_text(capsys.readouterr().out)
    Path("constants.toml").write_text(_file("constants.toml"))
    steps = re.findall(r"run: propstats (.+)", _file("signal.yml"))
    assert [run(shlex.split(step)) for step in steps] == [0, 0]
    assert Path("summary.md").exists()
    torch.save(mlp("relu", depth=12), "model.pt")
    assert run(shlex.split(steps[0])) == 1


@pytest.mark.slow
def test_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_signal=_file("test_signal.py"))
    # In a process of its own, or modules are loaded twice; the plugin by its name, not by its entry point as well.
    result = pytester.runpytest_subprocess("-p", "no:propstats", "-p", "propstats.auditing.watching.pytest_plugin")
    result.assert_outcomes(passed=1)
