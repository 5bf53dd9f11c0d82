"""`propstats derive`."""

import json

import pytest
from propstats_cli.main import run
from well_formed import check_latex


def _printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["derive", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_a_derivation(capsys: pytest.CaptureFixture[str]) -> None:
    out = _printed(capsys, "--act", "gelu", "--quantity", "second_moment")
    for step in ("definition", "Stein's lemma", "complete the square", "squared distribution function", "collect"):
        assert f". {step}" in out
    assert "second_moment = 1/(2*sqrt(3)*pi) + 1/3 for x ~ N(0, 1)" in out
    assert "certified 0.425221482570298674918554416385" in out
    assert "all routes agree" in out


def test_kinks_are_split_at(capsys: pytest.CaptureFixture[str]) -> None:
    out = _printed(capsys, "--act", "elu", "--param", "alpha=0.5", "--quantity", "mean")
    assert "f changes its branch at a kink: split there" in out
    assert "E[alpha*expm1(x); x < 0] + E[x; x > 0]" in out
    assert "alpha = 0.5" in out


def test_symmetry_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "symmetry: for mu = 0" in _printed(capsys, "--act", "sigmoid", "--quantity", "mean")


def test_a_gated_unit(capsys: pytest.CaptureFixture[str]) -> None:
    out = _printed(capsys, "--act", "reglu", "--quantity", "slope")
    assert "a and b are independent" in out
    assert "slope = 1 for x ~ N(0, 1)" in out
    assert "all routes agree" in out
    check_latex(_printed(capsys, "--act", "swiglu", "--quantity", "var", "--format", "latex"))


def test_own_formula(capsys: pytest.CaptureFixture[str]) -> None:
    out = _printed(capsys, "--expr", "max(x, 0)*a", "--param", "a=3", "--quantity", "mean")
    assert "mean = a*(mu*Phi(mu/s) + s*phi(mu/s))" in out or "a*mu*Phi(mu/s) + a*s*phi(mu/s)" in out


def test_where_only_a_small_deviation_has_a_mean(capsys: pytest.CaptureFixture[str]) -> None:
    out = _printed(capsys, "--expr", "exp(x**2)", "--quantity", "mean", "--std", "0.5")
    assert "with d = 1 - 2 a s^2 > 0" in out
    assert "mean = exp(mu**2/(1 - 2*s**2))/sqrt(1 - 2*s**2)" in out
    assert "for x ~ N(0, 1)" not in out


@pytest.mark.parametrize("form", ["markdown", "latex"])
def test_other_forms(capsys: pytest.CaptureFixture[str], form: str) -> None:
    out = _printed(capsys, "--act", "relu", "--quantity", "gain", "--format", form)
    assert r"\sqrt{2}" in out
    if form == "latex":
        check_latex(out)


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["derive", "--act", "prelu", "--a", "0.25", "--quantity", "var", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["quantity"] == "var"
    assert data["params"] == {"a": 0.25}
    assert data["check"]["agree"] is True
    assert data["derivation"]["lines"]
    assert data["check"]["routes"].keys() == {"closed_form", "certified", "quadrature"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--act", "relu", "--quantity", "secnd_moment"), "second_moment"),
        (("--act", "rellu", "--quantity", "mean"), "relu"),
        (("--act", "relu", "--std", "0"), "std must be greater than 0"),
        (("--act", "relu", "--std", "-1"), "std must be"),
        (("--expr", "exp(x**2)", "--quantity", "mean"), "does not exist: it outgrows the density of N(0, 1)"),
        (("--expr", "1/x", "--quantity", "mean"), "does not exist: it has a pole at x = 0, which N(0, 1) reaches"),
        (("--expr", "__import__('os')", "--quantity", "mean"), "unknown function"),
        (("--expr", "x*y", "--quantity", "mean"), "unknown name 'y'"),
        (("--expr", "+".join(["x"] * 6000), "--quantity", "mean"), "at most 10000"),
        (("--expr", "abs(sin(100*x))", "--quantity", "mean"), "cannot find all points"),
        (
            ("--expr", "log(abs(x))", "--quantity", "mean_slope"),
            "mean_slope does not exist: phi'(x) has a pole at x = 0",
        ),
        (("--act", "swiglu", "--quantity", "gain"), "unknown quantity of a gated unit: 'gain'"),
        (("--act", "swiglu", "--a", "1"), "a gated unit has no parameters"),
        ((), "--act"),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str) -> None:
    assert run(["derive", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err
    assert "Traceback" not in err
