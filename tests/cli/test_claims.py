"""`propstats claims`: for people, for programs, and as a page."""

import json
from pathlib import Path

import pytest
from propstats_cli.main import run

FIELDS = {
    "id", "source", "statement", "printed", "exact", "holds", "verdict", "relative_error", "note", "seed",
}  # fmt: skip


def called(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(["claims", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = called(capsys, "--match", "gain of tanh")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:2] == ["", "pytorch/pytorch, issue 24991"]
    assert "      estimate off by +3.2e-03: printed 1.5975916385650635, exact 1.5925374" in lines
    assert "  calculate_gain: gain of tanh" in lines
    assert "      fails by +4.7e-02: printed 5/3, exact 1.59253741972" in lines
    assert "      (1/sqrt(E[tanh^2]) for N(0, 1))" in lines
    assert lines[-1] == "2 claims: 1 estimate off, 1 fails"


def test_what_fails_is_information(capsys: pytest.CaptureFixture[str]) -> None:
    assert called(capsys, "--match", "torch-gain-sigmoid")[0] == 0


@pytest.mark.parametrize("width", [60, 80, 200])
def test_lines_fit_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    _, out, _ = called(capsys, "--match", "SNNs")
    lines = out.splitlines()
    assert all(line == line.rstrip() for line in lines)
    assert all(len(line) <= width for line in lines)
    assert "…" not in out
    for number in ("1.6732632423543772848170429916717", "1.05070098735548049341933498529460635"):
        assert number in out


def test_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "--match", "normprop-", "--json")
    document = json.loads(out)
    assert (code, document["command"], document["status"]) == (0, "claims", "ok")
    assert document["data"].keys() == {"claims"}
    claims = {claim["id"]: claim for claim in document["data"]["claims"]}
    assert all(claim.keys() == FIELDS for claim in claims.values())
    jacobian = claims["normprop-jacobian"]
    assert jacobian["source"] == "Arpit et al. 2016, Normalization Propagation, arXiv:1603.01431, section 3.4"
    assert (jacobian["printed"], jacobian["exact"], jacobian["verdict"]) == ("1.21", "1.211174", "holds")
    assert (jacobian["holds"], jacobian["seed"]) == (True, True)
    assert jacobian["relative_error"] == pytest.approx(1.21 / 1.2111738962363166 - 1)
    assert claims["normprop-singular-values"]["holds"] is False
    assert claims["normprop-table-1"]["relative_error"] is None


def test_write(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "claims.md"
    code, out, err = called(capsys, "--match", "truncated", "--write", path)
    assert (code, err) == (0, "")
    assert out.startswith(f"wrote 1 claims to {path}: 1 nearest double\n")
    assert "| `0.87962566103423978` | `0.879625661034239750413` | **nearest double** | +3.4e-17 |" in path.read_text()


def test_write_corrections(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "corrections.md"
    code, out, err = called(capsys, "--match", "truncated", "--corrections", path)
    assert (code, out, err) == (0, f"wrote corrections to {path}\n", "")
    assert "1.5925374197228314" in path.read_text()


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["--match", "nonsense"], 2, "no claim has 'nonsense'"),
        (["--match", "\x1b[31m"], 2, r"no claim has '\\x1b[31m'"),
        (["--bogus"], 2, "--bogus"),
        (["--match", "truncated", "--write", "no/such/folder/x.md"], 3, "does not exist"),
        (["--match", "truncated", "--write", "."], 3, "it is a directory"),
    ],
)
def test_wrong_use(capsys: pytest.CaptureFixture[str], arguments: list[str], exit_code: int, words: str) -> None:
    code, out, err = called(capsys, *arguments)
    assert (code, out) == (exit_code, "")
    assert err.startswith("propstats: error: ")
    assert err.count("\n") == 1
    assert words in err
