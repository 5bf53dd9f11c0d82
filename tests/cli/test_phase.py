"""`propstats phase`."""

import json
from pathlib import Path

import pytest
from propstats_cli.main import run


def _printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["phase", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_tanh(capsys: pytest.CaptureFixture[str]) -> None:
    out = _printed(capsys, "--act", "tanh", "--points", "31")
    assert "\n0.1      1.1934            0.273301" in out
    assert "ordered: inputs become the same, gradients vanish" in out


def test_relu_has_one_critical_point(capsys: pytest.CaptureFixture[str]) -> None:
    out = _printed(capsys, "--act", "relu", "--points", "11")
    assert "\n0        1.41421           any" in out
    assert out.count("none") == 6
    assert "reaches no fixed point" in out


def test_figure(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "tanh.svg"
    assert f"figure: {path}" in _printed(capsys, "--act", "tanh", "--points", "11", "--plot", str(path))
    assert path.read_text().startswith("<?xml")


def test_narrow_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, _printed(capsys, "--act", "cube", "--points", "11").splitlines())) <= 80


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(_printed(capsys, "--act", "relu", "--points", "5", "--json"))["data"]
    assert len(data["q_star"]) == len(data["sigma_b"]) == 5
    assert data["q_star"][1][-1] is None
    assert data["code"] in ("infinite", "undefined")
    assert data["line"][0][0]["sigma_b"] == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--act", "tanh", "--points", "1"), "points must be between 2 and 1000"),
        (("--act", "tanh", "--sigma-w-max", "nan"), "sigma_w_max"),
        (("--act", "step"), "it jumps"),
        (("--act", "tanh", "--points", "5", "--plot", "figure.txt"), "no format for figure.txt"),
        ((), "give --act or --expr"),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str) -> None:
    assert run(["phase", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err
