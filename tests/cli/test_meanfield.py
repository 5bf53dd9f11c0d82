"""`propstats meanfield`."""

import json
from typing import Any

import pytest
from propstats_cli.main import run

KEYS = {"sigma_w", "sigma_b", "q_star", "c_star", "chi_1", "xi_q", "xi_c", "phase"}


def _printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["meanfield", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def _data(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_printed(capsys, *arguments, "--json"))["data"]
    assert found.keys() >= KEYS
    return found


def test_chaos(capsys: pytest.CaptureFixture[str]) -> None:
    out = _printed(capsys, "--act", "tanh", "--sigma-w", "1.5", "--sigma-b", "0.1", "--depth", "30")
    assert "tends to q* = 0.813322" in out
    assert "chaotic phase: chi_1 = 1.12905, gradients x1.06 a layer, correlations settle in xi_c = 14.8 layers" in out
    assert "proven: q* = 0.813322326873" in out
    assert "\n30 " in out


def test_every_q(capsys: pytest.CaptureFixture[str]) -> None:
    out = _printed(capsys, "--act", "relu", "--sigma-w", "1.4142135623730951")
    assert "stays: every q is a fixed point" in out


def test_divergence(capsys: pytest.CaptureFixture[str]) -> None:
    out = _printed(capsys, "--act", "relu", "--sigma-w", "1.5", "--sigma-b", "0.1")
    assert "grows without bound, in float32 at layer 1506: there is no fixed point" in out


def test_narrow_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = _printed(capsys, "--act", "cube", "--sigma-w", "0.2", "--depth", "5")
    tables = [line for line in out.splitlines() if not line.startswith(("from", "ordered"))]
    assert max(map(len, tables)) <= 80


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    data = _data(capsys, "--act", "tanh", "--sigma-w", "1.5", "--sigma-b", "0.1", "--depth", "3")
    assert data["phase"] == "chaotic"
    assert data["q_star"]["routes"]["certified"]["digits"] == "0.813322326873"
    assert len(data["trajectory"]) == 4
    assert data["agree"] is True


def test_json_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    data = _data(capsys, "--act", "relu", "--sigma-w", "1.5", "--sigma-b", "0.1")
    assert data["q_star"] is data["phase"] is None
    assert data["fate"] == "diverges"
    data = _data(capsys, "--act", "relu", "--sigma-w", "1.4142135623730951")
    assert (data["xi_c"]["value"], data["xi_c"]["code"]) == (None, "infinite")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--act", "tanh", "--sigma-w", "-1"), "sigma_w must be a finite number and not negative"),
        (("--act", "tanh", "--sigma-w", "nan"), "sigma_w"),
        (("--act", "tanh", "--sigma-w", "1", "--depth", "100000000"), "depth must be between 0 and 10000"),
        (("--act", "tanh"), "--sigma-w"),
        (("--sigma-w", "1"), "give --act or --expr"),
        (("--act", "tanh", "--sigma-w", "1", "--q0", "-1"), "q0"),
        (("--expr", "1/x", "--sigma-w", "1"), "pole at x = 0"),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str) -> None:
    assert run(["meanfield", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err
