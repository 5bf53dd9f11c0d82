"""`propstats hermite`."""

import json

import pytest
from propstats_cli.main import run


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["hermite", "--act", "relu", "--degree", "3"]) == 0
    out = capsys.readouterr().out
    assert "a_0 = 0.398942280401432677939946059934" in out
    assert "a_1 (73.35%)" in out
    assert "mean degree 1.46694220692" in out


def test_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["hermite", "--expr", "x**2 + a*x", "--a", "3", "--degree", "2", "--digits", "0", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert [round(term["coefficient"]["value"], 12) for term in data["terms"]] == [1.0, 3.0, round(2**0.5, 12)]
    assert data["covered"] == pytest.approx(1.0)
    assert data["mean_degree"]["value"] == pytest.approx(13 / 11)


def test_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["hermite", "--act", "relu", "--degree", "99"]) == 2
    assert run(["hermite", "--act", "relu", "--std", "0"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
