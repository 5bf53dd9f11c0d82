"""`propstats dropout`."""

import json

import pytest
from propstats_cli.main import run
from propstats_cli.output import ExitCode


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dropout", "--keep", "0.8", "--mean", "1", "--samples", "500"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "inverted dropout, kept with probability 0.8, then times 1.25" in out
    assert "var = 3/2" in out
    assert "slope_second_moment = 1.25000000000000000000000000000" in out
    assert "gradient std" in out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dropout", "--kind", "feature", "--mean", "1", "--samples", "500", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["forward"].keys() == {"mean", "second_moment", "var", "std", "correlation"}
    assert data["backward"].keys() == {"mean_slope", "slope_second_moment", "std"}
    assert (data["kind"], data["keep"], data["agree"]) == ("feature", 0.5, True)


def test_disagreement_exits_with_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from propstats.theory import dropout

    monkeypatch.setattr(dropout, "_RESULTS", {**dropout._RESULTS, "mean": "1.5*scale*q*u"})
    assert run(["dropout", "--mean", "1", "--samples", "2000"]) == 1
    assert "NO" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["--keep", "0"], "above 0"), (["--kind", "drop"], "unknown dropout"), (["--std", "-1"], "std at least 0")],
)
def test_bad_input(capsys: pytest.CaptureFixture[str], arguments: list[str], word: str) -> None:
    assert run(["dropout", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert word in err


def test_p_is_that_of_torch(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dropout", "--p", "0.25", "--samples", "0"]) == ExitCode.OK
    assert "kept with probability 0.75" in capsys.readouterr().out
    assert run(["dropout", "--p", "0.2", "--keep", "0.8"]) == ExitCode.USAGE
    assert "give one of them" in capsys.readouterr().err
