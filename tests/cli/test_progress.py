"""Progress is for people: with rates and the time that is left, on stderr, and nowhere else."""

import io
import time
from types import SimpleNamespace

import pytest
from propstats_cli import progress
from rich.console import Console


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()

    def console(*, stderr: bool) -> Console:
        assert stderr
        return Console(file=stream, force_terminal=True, force_interactive=True, width=100)

    monkeypatch.setattr(progress, "console", console)
    return stream


def _work(*, quiet: bool = False) -> None:
    with progress.bars(quiet=quiet) as show:
        for done in range(0, 100, 20):
            show("auditing", done, 100)
            time.sleep(0.06)  # rich draws ten times a second


def test_rates_and_the_time_left(terminal: io.StringIO) -> None:
    _work()
    shown = terminal.getvalue()
    assert "auditing" in shown
    assert "/100" in shown
    assert "/s" in shown
    assert "0:00:0" in shown
    assert shown.rstrip().endswith("\x1b[2K")  # and it is gone when the work is done


def test_quiet(terminal: io.StringIO) -> None:
    _work(quiet=True)
    assert terminal.getvalue() == ""


def test_nothing_where_a_line_cannot_be_taken_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dumb = Console(file=io.StringIO(), force_terminal=True, force_interactive=False)
    monkeypatch.setattr(progress, "console", lambda **_: dumb)
    _work()
    assert dumb.file.getvalue() == ""  # type: ignore[attr-defined]


@pytest.fixture
def impatient(terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.setattr(progress, "_PATIENCE", 0.05)
    # pytest puts its own stderr into sys between a fixture and its test.
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=SimpleNamespace(isatty=lambda: True)))
    return terminal


def test_a_long_command_says_that_it_is_at_work(impatient: io.StringIO) -> None:
    with progress.waiting("moments"):
        time.sleep(0.4)
    assert "moments: at work" in impatient.getvalue()
    assert impatient.getvalue().rstrip().endswith("\x1b[2K")


def test_a_short_or_quiet_command_says_nothing(impatient: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    with progress.waiting("moments", quiet=True):
        time.sleep(0.2)
    monkeypatch.setattr(progress, "_PATIENCE", 60.0)
    with progress.waiting("moments"):
        pass
    assert impatient.getvalue() == ""


def test_a_bar_takes_the_place_of_that_line(impatient: io.StringIO) -> None:
    with progress.waiting("audit"):
        time.sleep(0.3)
        with progress.bars() as show:
            show("auditing", 1, 2)
            said = impatient.getvalue().count("at work")
            time.sleep(0.3)
            assert impatient.getvalue().count("at work") == said > 0
        time.sleep(0.4)
        assert impatient.getvalue().count("at work") > said


def test_nothing_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    _work()
    assert capsys.readouterr() == ("", "")
