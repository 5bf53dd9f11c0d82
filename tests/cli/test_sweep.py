"""`propstats sweep`."""

import json

import pytest
from propstats_cli.main import run


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sweep", "--depth", "2,3", "--sigma-w", "1.5", "--sigma-b", "0,0.2", "--width", "16"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[2:6]] == [
        ["2", "1.5", "0"], ["2", "1.5", "0.2"], ["3", "1.5", "0"], ["3", "1.5", "0.2"],
    ]  # fmt: skip


def test_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sweep", "--act", "relu", "--depth", "2", "--width", "16", "--draws", "5", "--json"]) == 0
    (cell,) = json.loads(capsys.readouterr().out)["data"]["cells"]
    assert cell["theory"]["mean_square"]["value"] == pytest.approx(0.25)
    assert cell["simulation"]["mean_square"]["route"] == "sampling"


@pytest.mark.parametrize("options", [["--depth", "2.5"], ["--sigma-w", "a"], ["--sigma-b", ""], ["--depth", "0"]])
def test_bad_input(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sweep", *options]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
