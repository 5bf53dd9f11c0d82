"""`propstats dual`: what it prints, what it refuses, and the document it gives to programs."""

import json
from typing import Any

import pytest
from propstats_cli.main import run

import propstats
from propstats.activations import activation
from propstats.expectation.dual import routes
from propstats.expectation.dual.closed import closed_dual

QUANTITIES = {"dual", "cosine", "covariance", "correlation", "difference", "slope"}


def _out(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(["dual", *arguments]) == code
    return capsys.readouterr().out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(_out(capsys, "--act", "relu", "--correlation", "0.5", "--samples", "20000", "--json"))
    assert (document["command"], document["status"]) == ("dual", "ok")
    data = document["data"]
    assert data.keys() == {"first", "second", "points", "samples", "seed", "notes", "agree"}
    assert data["first"] == data["second"]
    assert data["first"] == {
        "activation": "relu", "params": {}, "formula": "max(x, 0)", "input": {"mean": 0.0, "std": 1.0},
    }  # fmt: skip
    [point] = data["points"]
    assert point.keys() == QUANTITIES | {"input_correlation", "agree"}
    for name in QUANTITIES:
        assert point[name]["routes"].keys() == {"closed_form", "quadrature", "sampling"}
        assert point[name]["agree"] is True
    assert abs(point["cosine"]["value"] - 0.6089977810442293) <= point["cosine"]["error"]  # Cho & Saul 2009
    assert abs(point["slope"]["value"] - 1 / 3) <= point["slope"]["error"] + 1e-16


def test_the_library_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--act", "tanh", "--act2", "prelu", "--param2", "a=0.1", "--std2", "2", "--mean", "0.3"]
    data = json.loads(_out(capsys, *arguments, "--correlation", "0.2", "--samples", "0", "--json"))["data"]
    other = activation("prelu", a=0.1)
    [point] = propstats.dual_moments(
        "tanh", other, correlation=0.2, mean=(0.3, 0.3), std=(1.0, 2.0), samples=0
    ).points  # fmt: skip
    assert data["points"][0]["dual"]["value"] == point.dual.value
    assert data["second"]["params"] == {"a": 0.1}
    assert propstats.dual("tanh", other, correlation=0.2, mean=0.3, std=(1.0, 2.0)) == pytest.approx(
        point.dual.value, abs=point.dual.error
    )


def test_a_grid(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = _out(capsys, "--act", "erf", "--points", "11", "--samples", "0").splitlines()
    assert lines[2].split() == ["rho", "dual", "cosine", "covariance", "correlation", "difference", "slope", "agree"]
    rows = [line.split() for line in lines[3:14]]
    assert [row[0] for row in rows] == ["-1", "-0.8", "-0.6", "-0.4", "-0.2", "0", "0.2", "0.4", "0.6", "0.8", "1"]
    assert rows[5][1:4] == ["0", "0", "0"]
    assert rows[10][1] == "0.46456"  # Williams 1997: (2/pi) asin(2/3)
    assert all(len(line.rstrip()) <= 80 for line in lines[2:14])


def test_one_below_the_other_where_it_is_narrow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = _out(capsys, "--act", "relu", "--correlation", "0.5", "--samples", "1000")
    assert "dual (agree: yes)\n  closed form 0.3044988905221" in out
    assert "dual: E[y z]" in out  # brackets are no markup
    assert all(len(line) <= 80 for line in out.splitlines())


def test_infinite_and_undefined(capsys: pytest.CaptureFixture[str]) -> None:
    out = _out(capsys, "--act", "step", "--correlation", "1", "--samples", "0")
    assert "infinite" in out
    [point] = json.loads(
        _out(capsys, "--act", "step", "--correlation", "1", "--samples", "0", "--json")
    )["data"]["points"]  # fmt: skip
    assert (point["slope"]["value"], point["slope"]["code"]) == (None, "infinite")
    assert "undefined" in _out(capsys, "--act", "relu", "--std", "0", "--correlation", "0.5", "--samples", "0")


def test_disagreement_exits_with_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    true = closed_dual

    def wrong(*args: Any, **options: Any) -> Any:
        value, error = true(*args, **options)
        return value + 1e-9, error

    monkeypatch.setattr(routes, "closed_dual", wrong)
    assert "NO" in _out(capsys, "--act", "relu", "--correlation", "0.5", "--samples", "0", code=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--act", "relu", "--correlation", "1.5"), "a correlation must lie in [-1, 1], got 1.5"),
        (("--act", "relu"), "give --correlation or --points"),
        (("--act", "relu", "--points", "3", "--correlation", "0.5"), "--correlation and --points exclude each other"),
        (("--act", "relu", "--correlation", "0.5", "--param2", "a=1"), "--param2 needs --act2 or --expr2"),
        (("--correlation", "0.5"), "give --act or --expr"),
        (("--act", "relu", "--act2", "tanhh", "--correlation", "0.5"), "unknown activation 'tanhh'"),
        (("--act", "relu", "--std", "-1", "--correlation", "0.5"), "the standard deviation must be"),
        (("--act", "relu", "--correlation", "0.5", "--samples", "1"), "sampling needs at least 2 samples"),
        (("--expr", "exp(x**2)", "--correlation", "0.5"), "does not exist"),
    ],
)
def test_refusals(arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dual", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("propstats: error: ")
    assert said in err
    assert err.count("\n") == 1
