"""`propstats scales`."""

import json
import math

import pytest
from propstats_cli.main import run

import propstats


def _printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["scales", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_the_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = _printed(capsys, "--act", "relu", "--fan-in", "512")
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    assert rows["he"][1:] == ["0.0625", "1", "0.682", "1", "1", "1", "yes"]
    assert rows["lecun"][1:4] == ["0.04419", "0.5", "0.341"]
    assert "answer: he keeps signal and gradient within x10 over 50 layers" in out
    table = out.splitlines()[1:20]
    assert max(len(line.rstrip()) for line in table) <= 80


def test_a_convolution(capsys: pytest.CaptureFixture[str]) -> None:
    out = _printed(capsys, "--act", "gelu", "--kernel", "3", "--stride", "2", "--padding", "1", "--channels-out", "128")
    assert "weights of shape 128x64x3x3: fan_in 576, fan_out 1152" in out
    assert "terms of an output 256 to 576, 552.25 in the mean; of an input's gradient 128 to 512, 276.125" in out
    out = _printed(
        capsys, "--act", "relu", "--kernel", "3x1", "--size", "8x9", "--padding", "same", "--base-width", "32"
    )
    assert "terms of an output 128 to 192" in out
    assert "muP, output layers: std 0.05103, learning rate x0.5 for SGD" in out


def test_json_is_what_the_function_returns(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(_printed(capsys, "--act", "prelu", "--a", "0.25", "--depth", "3", "--fan-out", "64", "--json"))[
        "data"
    ]
    result = propstats.scales("prelu", a=0.25, fan_in=512, fan_out=64, depth=3)
    assert {"activation", "fan_in", "fan_out", "schemes"} <= data.keys()
    assert (data["fan_in"], data["fan_out"], data["params"]) == (512, 64, {"a": 0.25})
    for shown, row in zip(data["schemes"], result.schemes, strict=True):
        assert {"name", "weight_std", "forward_factor", "backward_factor"} <= shown.keys()
        assert shown["name"] == row.name
        assert shown["forward_factor"]["value"] == row.forward_factor.value
        assert shown["forward_factor"]["route"] == "closed_form"
        assert shown["forward_remaining"]["error"] == row.forward_remaining.error
    assert data["advice"]["why"] == result.advice.why
    he = next(row for row in data["schemes"] if row["name"] == "he")
    assert math.isclose(he["weight_std"]["value"], math.sqrt(2 / (1 + 0.25**2) / 512), rel_tol=2**-51)


def test_infinity_is_null_with_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(_printed(capsys, "--expr", "x**3", "--json"))["data"]
    he = next(row for row in data["schemes"] if row["name"] == "he")
    assert he["forward_remaining"]["value"] is None
    assert he["forward_remaining"]["code"] == "infinite"
    assert he["backward_remaining"]["code"] == "undefined"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give --act or --expr"),
        (("--act", "rellu"), "did you mean"),
        (("--act", "relu", "--fan-in", "0"), "fan_in must be at least 1, got 0"),
        (("--act", "relu", "--depth", "0"), "depth must be from 1"),
        (("--act", "relu", "--kernel", "3", "--fan-in", "5"), "exclude each other"),
        (("--act", "relu", "--stride", "2"), "--kernel is missing"),
        (("--act", "relu", "--kernel", "3,3"), "--kernel takes one number, or one for each axis, got '3,3'"),
        (("--act", "relu", "--kernel", "-3"), "--kernel takes one number"),
        (("--act", "relu", "--kernel", "40"), "a kernel of 40 does not fit into 32 positions"),
        (("--act", "relu", "--kernel", "3x3", "--size", "8x8x8"), "other numbers of axes"),
        (("--act", "relu", "--kernel", "3", "--groups", "3"), "3 groups do not divide 64"),
        (("--act", "relu", "--kernel", "3", "--padding", "1", "--padding-mode", "wrap"), "unknown padding mode 'wrap'"),
        (
            (
                "--expr",
                "exp(x**2)",
            ),
            "does not exist",
        ),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str) -> None:
    assert run(["scales", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err
