"""Progress is for people: with rates and the time that is left, on stderr, and nowhere else."""

import io
import time

import pytest
from propstats_cli import progress
from rich.console import Console


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()

    def console(*, stderr: bool) -> Console:
        assert stderr
        return Console(file=stream, force_terminal=True, width=100)

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


def test_nothing_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    _work()
    assert capsys.readouterr() == ("", "")
