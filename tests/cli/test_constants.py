"""`propstats constants`: listing, writing, checking, and every way to use it wrongly."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from propstats_cli.main import run

LOCK = Path(__file__).parents[2] / "reports" / "constants.toml"
OWN = """\
schema = "propstats-constants/1"

[[constant]]
name = "ours"
expression = 'unit_variance_gain("x*tanh(softplus(x))")'
value = "1.5920254"
digits = 8

[[constant]]
name = "twice"
expression = "2*ours"
value = "3.18405"
digits = 6
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return path


def called(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(["constants", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def document(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    code, out, _ = called(capsys, *arguments, "--json")
    found: dict[str, Any] = json.loads(out)
    assert (found["command"], found["exit_code"]) == ("constants", code)
    return code, found


def test_listing(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = called(capsys, "--match", "truncated")
    assert (code, err) == (0, "")
    assert "truncated_normal_std  0.879625661034239750412841419578  sqrt(1 - 4*phi(2)/between(-2, 2))" in out
    assert "1 constant, correctly rounded: it is within half a unit of its last digit" in out


def test_digits(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = called(capsys, "--match", "he_gain", "--digits", "5")
    assert re.search(r"^he_gain +1\.4142 +sqrt\(2\)$", out, re.MULTILINE)
    _, out, _ = called(capsys, "--match", "he_gain", "--digits", "100")
    assert (
        "1.414213562373095048801688724209698078569671875376948073176679737990732478462107038850387534327641573 " in out
    )


@pytest.mark.parametrize("width", ["40", "80", "200"])
def test_no_line_is_cut_or_filled_up(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    _, out, _ = called(capsys, "--match", "max_pool_3x3")
    assert "1.48501316220923700627821511814" in out
    assert 'sqrt(expect("9*x**2*Phi(x)**8") - max_pool_3x3_mean**2)' in out
    assert "…" not in out
    assert all(line == line.rstrip() for line in out.splitlines()[1:])


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = document(capsys, "--match", "selu_alpha", "--digits", "32")
    assert (code, found["status"]) == (0, "ok")
    names = [constant["name"] for constant in found["data"]["constants"]]
    assert names == ["selu_alpha", "selu_lambda", "selu_alpha_prime", *names[3:]]  # those that use it as well
    first = found["data"]["constants"][0]
    assert first.keys() == {"name", "formula", "digits", "error", "note"}
    assert first["digits"] == "1.6732632423543772848170429916717"
    assert first["error"] == pytest.approx(5e-32)


def test_write_and_check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "lock.toml"
    code, out, _ = called(capsys, "--write", path, "--digits", "6")
    written = tomllib.loads(path.read_text())["constant"]
    assert (code, out) == (0, f"wrote {len(written)} constants to {path}\n")
    assert len(written) >= 400
    assert {tuple(entry) for entry in written} == {("name", "expression", "value", "digits")}
    code, out, err = called(capsys, "--check", path)
    assert (code, out, err) == (0, f"{path}: all {len(written)} come out as stated\n", "")


def test_the_lock_of_this_repository(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "--check", LOCK, "--match", "normprop_relu")
    assert (code, out) == (0, f"{LOCK}: all 9 come out as stated\n")


def test_a_users_own_constants(capsys: pytest.CaptureFixture[str], own: Path) -> None:
    code, found = document(capsys, "--check", own)
    assert (code, found["status"]) == (0, "ok")
    assert found["data"].keys() == {"file", "constants", "drifted", "passed", "verdict"}
    assert (found["data"]["drifted"], found["data"]["passed"]) == ([], True)
    assert [constant["digits"] for constant in found["data"]["constants"]] == ["1.5920254", "3.18405"]


def test_drift_names_constant_values_and_digit(capsys: pytest.CaptureFixture[str], own: Path) -> None:
    own.write_text(OWN.replace("3.18405", "3.18415"))
    code, out, err = called(capsys, "--check", own)
    assert (code, err) == (1, "")
    assert out == (
        "twice = 2*ours: digit 5 differs\n"
        "  stated   3.18415\n"
        "  computed 3.18405\n"
        f"{own}: 1 of 2 drifted\n"
    )  # fmt: skip
    code, found = document(capsys, "--check", own)
    assert (code, found["status"], found["data"]["verdict"]) == (1, "findings", "fail")
    (drift,) = found["data"]["drifted"]
    assert drift == {"name": "twice", "formula": "2*ours", "stated": "3.18415", "computed": "3.18405", "digit": 5}
    # only what is asked for
    assert called(capsys, "--check", own, "--match", "ours")[0] == 1
    assert called(capsys, "--check", own, "--match", "tanh")[0] == 0


def test_a_strangers_file_does_not_command_the_terminal(capsys: pytest.CaptureFixture[str], own: Path) -> None:
    own.write_text(OWN.replace('"2*ours"', '"2*ours # \\u001b[31m [bold]"').replace("3.18405", "3.2\\n"))
    code, out, _ = called(capsys, "--check", own)
    assert code == 1
    assert r"twice = 2*ours # \x1b[31m [bold]: digit 2 differs" in out
    assert r"stated   3.2\n" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["--match", "nonsense"], 2, "no constant has 'nonsense'"),
        (["--digits", "0"], 2, "--digits"),
        (["--digits", "901"], 2, "--digits"),
        (["--digits", "many"], 2, "--digits"),
        (["--check", "OWN", "--digits", "5"], 2, "--check and --digits exclude each other"),
        (["--check", "OWN", "--write", "x"], 2, "--check and --write exclude each other"),
        (["--check", "OWN", "--match", "nonsense"], 2, "no constant has 'nonsense'"),
        (["--write", "x", "--match", "relu"], 2, "--write and --match exclude each other"),
        (["--check", "none.toml"], 3, "no such file: none.toml"),
        (["--check", "."], 3, "Is a directory"),
        (["--write", "no/such/folder/x.toml", "--digits", "6"], 3, "does not exist"),
    ],
)
def test_wrong_use(
    capsys: pytest.CaptureFixture[str], own: Path, arguments: list[str], exit_code: int, words: str
) -> None:
    code, out, err = called(capsys, *(str(own) if argument == "OWN" else argument for argument in arguments))
    assert (code, out) == (exit_code, "")
    assert err.startswith("propstats: error: ")
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("__import__('os').system('true')", "Call is not allowed"),
        ("__import__('os')", "unknown function '__import__'"),
        ("open", "unknown name 'open'"),
        ("1 +" * 3333 + "1", "characters, more than 2000"),
        ("twice + 1", "it uses twice, which is defined after it"),
        ("ours + 1", "it uses itself"),
        ("nope + 1", "unknown name 'nope'"),
        ("gain(rellu)", "did you mean relu"),
        ("1/0", "has no finite value"),
        ("", "cannot read"),
    ],
)
def test_hostile_expressions(capsys: pytest.CaptureFixture[str], own: Path, expression: str, words: str) -> None:
    text = tomllib.loads(OWN)["constant"][0]["expression"]
    own.write_text(OWN.replace(f"'{text}'", json.dumps(expression)))
    code, out, err = called(capsys, "--check", own)
    assert (code, out) == (3, "")
    assert err.startswith(f"propstats: error: {own}: constant ours: ")
    assert err.count("\n") == 1
    assert words in err


def test_failures_speak_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\x7fELF\x00\xff\xfe")
    code, found = document(capsys, "--check", tmp_path / "binary.toml")
    assert (code, found["status"], found["data"]) == (3, "error", {})
    (error,) = found["errors"]
    assert error["code"] == "data"
    assert "is not UTF-8 text" in error["message"]
