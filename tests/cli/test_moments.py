"""`propstats moments`, as people read it."""

import pytest
from propstats_cli.main import run


def _printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["moments", "--samples", "0", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--act", "prelu"), "closed form, quadrature: ± a bound on the error"),
        (("--act", "swiglu"), "quadrature: ± a bound on the error"),
        (("--act", "tanh", "--mean", "0.3"), "quadrature: ± a bound on the error"),
    ],
)
def test_only_the_routes_that_are_shown_are_named(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], line: str
) -> None:
    assert line in _printed(capsys, *arguments, "--digits", "0").splitlines()


def test_integrable_singularities(capsys: pytest.CaptureFixture[str]) -> None:
    """E log|x| = -(gamma + log 2)/2; the slope 1/x has no mean."""
    lines = _printed(capsys, "--expr", "log(abs(x))", "--digits", "20").splitlines()
    assert "  mean = -0.63518142273073908501" in lines
    assert "  mean_slope = undefined" in lines
    assert "note: mean_slope does not exist: phi'(x) has a pole at x = 0, which N(0, 1) reaches" in lines
    assert not any("mean_slope = 0" in line for line in lines)
