"""`propstats pool`."""

import json

import pytest
from propstats_cli.main import run


def _printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["pool", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_overlapping_windows(capsys: pytest.CaptureFixture[str]) -> None:
    out = _printed(capsys, "--kernel", "3", "--stride", "2", "--samples", "0")
    assert "max pooling, kernel 3x3, stride 2x2, interior, inputs N(0, 1^2), independent" in out
    assert "mean = 1.48501316220923700627821511814" in out
    for line in ("0x0  0.666666666667 = 2/3", "0x1  0.471404520791 = sqrt(2)/3", "1x1  0.333333333333 = 1/3"):
        assert line in out
    assert "gradient std = 1/2" in out


def test_borders_and_ties(capsys: pytest.CaptureFixture[str]) -> None:
    out = _printed(capsys, "--kernel", "3", "--padding", "1", "--size", "6", "--rectified", "--samples", "500")
    assert "windows: 1 of 4, 2 of 6, 1 of 9 inputs" in out
    assert "torch gives the gradient to the first of them" in out
    assert "gradient alive_std" in out


def test_contract(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--kind", "avg", "--kernel", "3x2", "--stride", "2", "--correlation", "0.5", "--samples", "500")
    data = json.loads(_printed(capsys, *arguments, "--json"))["data"]
    assert {"kind", "kernel", "stride", "correlation", "forward", "backward"} <= data.keys()
    assert (data["kind"], data["kernel"], data["stride"], data["correlation"]) == ("average", [3, 2], [2, 2], 0.5)
    assert {"mean", "std"} <= data["forward"].keys()
    assert {"std", "std_by_position"} <= data["backward"].keys()
    assert data["forward"]["std"]["routes"].keys() == {"closed_form", "certified", "sampling"}
    assert data["forward"]["std"]["value"] == pytest.approx(((1 + 5 * 0.5) / 6) ** 0.5, abs=1e-15)
    assert [entry["position"] for entry in data["backward"]["std_by_position"]] == [[0, 0], [1, 0]]
    assert [entry["count"] for entry in data["backward"]["std_by_position"]] == [2, 2]
    assert data["agree"] is True


def test_disagreement_exits_with_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from propstats.theory.pooling import maximum

    monkeypatch.setitem(maximum._MEANS, 4, "1.0293753730")
    assert run(["pool", "--kernel", "2", "--samples", "0"]) == 1
    assert "NO" in capsys.readouterr().out


def test_narrow_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = _printed(capsys, "--kernel", "2", "--rectified", "--samples", "500")
    quantities = out[out.index("mean (agree") : out.index("proven digits")]
    assert max(map(len, quantities.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--kernel", "3y"], "takes whole numbers"),
        (["--kernel", "0"], "kernel must be between 1"),
        (["--kernel", "3", "--stride", "0"], "stride must be between 1"),
        (["--kernel", "8", "--size", "4"], "does not fit into 4 positions"),
        (["--kernel", "3", "--size", "0"], "input size must be"),
        (["--kernel", "2", "--correlation", "-0.4"], "correlation must be between"),
        (["--kind", "medain", "--kernel", "2"], "unknown pooling"),
        ([], "needs a kernel"),
    ],
)
def test_bad_input(capsys: pytest.CaptureFixture[str], arguments: list[str], word: str) -> None:
    assert run(["pool", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert word in err
    assert err.count("\n") == 1
