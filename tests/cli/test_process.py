"""The command line as a process: what it loads, how it dies, what terminals do to it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import propstats_cli.main as main_module
import pytest
import torch
from networks import mlp
from propstats_cli.main import Interrupted
from propstats_cli.main import run as in_this_process
from propstats_cli.output import ExitCode, fail_interrupted

PROPSTATS = [sys.executable, "-m", "propstats"]
_LOADED = "import sys; {}; print(sorted(set(sys.modules) & {{'torch', 'sympy', 'scipy', 'numpy', 'matplotlib'}}))"


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROPSTATS, *arguments], capture_output=True, text=True, timeout=120, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize(
    ("statement", "loaded"),
    [
        ("import propstats", "[]"),
        ("import propstats; dir(propstats); propstats.__version__", "[]"),
        ("from propstats_cli.main import run; run(['--help'])", "[]"),
        ("from propstats_cli.main import run; run(['moments', '--help'])", "[]"),
        ("from propstats_cli.main import run; run(['--version'])", "[]"),
        ("from propstats_cli.main import run; run(['moments', '--act', 'relu', '--samples', '0'])", "['numpy']"),
        # That the test can fail: sampling needs torch.
        ("from propstats_cli.main import run; run(['moments', '--act', 'relu', '--samples', '10'])", "torch"),
    ],
)
def test_what_is_loaded(statement: str, loaded: str) -> None:
    done = subprocess.run([sys.executable, "-c", _LOADED.format(statement)], capture_output=True, text=True, check=True)
    assert loaded in done.stdout.splitlines()[-1]


def test_version_and_help() -> None:
    from importlib.metadata import version

    assert run("--version").stdout == f"propstats {version('propstats')}\n"
    bare, asked = run(), run("--help")
    assert bare.stdout == asked.stdout
    assert (bare.returncode, asked.returncode) == (0, 0)
    for command in ("moments", "jacobian", "audit", "demo"):
        assert command in asked.stdout
        shown = run(command, "-h")
        assert shown.returncode == 0
        assert shown.stdout.count(f"\n    propstats {command}") >= 2  # examples, each on its own line


def _one_line(out: str, err: str, *words: str) -> None:
    assert out == ""
    assert err.startswith("propstats: error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    for word in words:
        assert word in err


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Run a command in this process, which takes no second; it must refuse with one line that has these words."""

    def check(command: list[object], code: int, *words: str) -> None:
        assert in_this_process([str(word) for word in command]) == code
        out, err = capsys.readouterr()
        _one_line(out, err, *words)

    return check


def test_a_refusal_of_the_whole_process() -> None:
    done = run("moments", "--act", "rleu")
    assert done.returncode == 2
    _one_line(done.stdout, done.stderr, "unknown activation 'rleu'", "did you mean relu")


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("moments --act relu --std -1", 2, ["std must be at least 0"]),
        ("moments --act relu --std nan", 2, ["finite"]),
        ("moments --act relu --samples 1", 2, ["at least 2 samples"]),
        ("moments --act elu --param alpha", 2, ["NAME=VALUE"]),
        ("moments --act prelu --a 1 --param a=2", 2, ["twice"]),
        ("jacobian --depth 0", 2, ["depth must be at least 1"]),
        ("jacobian --width 1000000", 2, ["GiB"]),
        ("jacobian --width 8 --draws 2 --plot spectrum.bmp", 2, ["png"]),
        ("jacobian --width 8 --draws 2 --plot no/such/folder/a.png", 3, ["folder"]),
        ("frobnicate", 2, ["frobnicate", "propstats --help"]),
        ("moments --mean x", 2, ["'--mean'", "valid", "'x'"]),
        ("moments --act relu --samples 0 --device cuba", 2, ["did you mean cuda"]),
        ("moments --act relu --samples 0 --device gpu", 2, ["did you mean cuda? known: auto"]),
        ("moments --act relu --samples 99999999999999999999", 2, ["at most 10,000,000,000,000 samples"]),
        ("scales --act relu --fan-in 99999999999999999999", 2, ["at most 1,000,000,000"]),
        ("jacobian --depth 1000000000", 2, ["at most 10,000"]),
        ("jacobian --beta 1e308", 2, ["finite"]),
        ("phase --act tanh --beta 1e308", 2, ["finite"]),
        ("dual --act relu --correlation 0.5 --std 1e308", 2, ["1e+70"]),
        ("derive --act relu --std 1e308", 2, ["beyond the largest float"]),
        ("ways --steps 1 --write no/such/folder/a.md", 3, ["folder"]),
        ("claims --write=", 3, ["the name is empty"]),
    ],
)
def test_wrong_use_is_one_line(refused: Callable[..., None], command: str, code: int, words: list[str]) -> None:
    refused(command.split(), code, *words)


def test_what_does_not_fit_into_memory(refused: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    def large(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 74.5 GiB")

    monkeypatch.setattr("propstats.theory.weights.scales.scales", large)
    refused(["scales", "--act", "relu"], 3, "not enough memory: Unable to allocate 74.5 GiB", "something smaller")


def test_files_that_are_no_models(tmp_path: Path, refused: Callable[..., None]) -> None:
    refused(["audit", tmp_path / "missing.pt"], 3, "no such file")
    (tmp_path / "text.pt").write_text("These are my weights: 1, 2, 3\n")
    refused(["audit", tmp_path / "text.pt"], 3, "text")
    torch.save(mlp("relu", depth=3), tmp_path / "whole.pt")
    (tmp_path / "half.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:20_000])
    refused(["audit", tmp_path / "half.pt"], 3, "half.pt")


class Bomb:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_runs_code_is_not_run(tmp_path: Path, refused: Callable[..., None]) -> None:
    marker = tmp_path / "it ran".replace(" ", "_")
    torch.save({"weights": Bomb(marker)}, tmp_path / "bomb.pt")
    refused(["audit", tmp_path / "bomb.pt"], 3, "nothing was executed")
    assert not marker.exists()
    torch.load(tmp_path / "bomb.pt", weights_only=False)  # the bomb is real
    assert marker.exists()


def test_data_that_the_model_refuses(tmp_path: Path, refused: Callable[..., None]) -> None:
    torch.save(mlp("relu", depth=3), tmp_path / "model.pt")
    np.save(tmp_path / "images.npy", np.zeros((10, 7), dtype=np.float32))
    audit = ["audit", tmp_path / "model.pt", "--data"]
    refused([*audit, tmp_path / "images.npy"], 3, "layer 1 (Linear) refuses an input of shape (10, 7)")
    refused([*audit, "digitz"], 2, "did you mean digits")


def test_nan_in_the_data_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(mlp("relu", depth=3, critical=True), tmp_path / "model.pt")
    data = np.random.default_rng(0).normal(size=(50, 64))
    data[0, 0] = np.nan
    np.save(tmp_path / "images.npy", data)
    code = in_this_process(["audit", str(tmp_path / "model.pt"), "--data", str(tmp_path / "images.npy"), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert (code, document["status"]) == (1, "findings")
    assert "non-finite-data" in {finding["rule"] for finding in document["data"]["findings"]}


@pytest.mark.slow
def test_ctrl_c() -> None:
    process = subprocess.Popen(
        [*PROPSTATS, "jacobian", "--width", "512", "--draws", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(6)  # long enough to be at work on any machine; the work lasts hours
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "propstats: error: interrupted\n")


def test_ctrl_c_before_anything_is_loaded() -> None:
    """The first thing that loads, in the place of what takes a fifth of a second, sends the signal."""
    module = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    program = (
        "import importlib.abc, sys\n"
        "class Loading(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == 'propstats_cli.main': {module}\n"
        "sys.meta_path.insert(0, Loading())\n"
        "from propstats_cli.start import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "propstats: error: interrupted\n")


def test_ctrl_c_that_code_in_c_turns_into_something_else(
    refused: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def returned_with_an_exception_set(*_: object, **__: object) -> None:
        monkeypatch.setattr(Interrupted, "came", ExitCode.INTERRUPTED)
        monkeypatch.setattr(Interrupted, "told", False)
        raise SystemError("returned a result with an exception set")

    monkeypatch.setattr("propstats.theory.unit.moments", returned_with_an_exception_set)
    refused(["moments", "--act", "relu"], 130, "interrupted")


@pytest.mark.slow
def test_terminated_leaves_nothing_behind(tmp_path: Path) -> None:
    arguments = [*PROPSTATS, "demo", "--steps", "100000", "--out", str(tmp_path)]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE)
    time.sleep(6)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (143, b"propstats: error: terminated\n")
    assert list(tmp_path.iterdir()) == []


def test_reader_goes_away() -> None:
    command = f"{sys.executable} -m propstats moments --act gelu --samples 0 | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("gelu(x) = x*Phi(x)")
    assert done.returncode in (0, 141)  # short answers may be through before the reader leaves


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_disk() -> None:
    with Path("/dev/full").open("w") as full:
        arguments = [*PROPSTATS, "moments", "--act", "relu", "--samples", "0"]
        done = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr == "propstats: error: cannot write the answer: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_complaints_that_nobody_gets() -> None:
    command = f"{sys.executable} -m propstats moments --act no-such"
    for nowhere in ("2>/dev/full", "1>&- 2>&-"):
        done = subprocess.run(["bash", "-c", f"{command} {nowhere}"], capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (2, b"", b""), nowhere


@pytest.mark.skipif(os.name == "nt", reason="needs limits on the size of files")
def test_a_disk_that_takes_a_part_of_the_answer(tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    command = f"ulimit -f 1; {sys.executable} -m propstats moments --act relu --samples 0 --json > {answer}"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (3, "propstats: error: cannot write the answer: File too large\n")


def test_ctrl_c_pressed_twice(refused: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*_: object, **__: object) -> None:
        main_module._interrupt(signal.SIGINT, None)

    def and_again(command: str | None, came: ExitCode, *, as_json: bool) -> int:
        press()
        return fail_interrupted(command, came, as_json=as_json)

    monkeypatch.setattr(Interrupted, "came", None)
    monkeypatch.setattr(Interrupted, "told", False)
    monkeypatch.setattr("propstats.theory.unit.moments", press)
    monkeypatch.setattr(main_module, "fail_interrupted", and_again)
    refused(["moments", "--act", "relu"], 130, "interrupted")


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return what a command prints on a terminal of this width."""

    def call(width: int, *command: object) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        assert in_this_process([str(word) for word in command]) == 0
        return capsys.readouterr().out

    return call


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_number_is_cut_off(printed: Callable[..., str], width: int) -> None:
    shown = printed(width, "moments", "--act", "prelu", "--samples", "2000")
    assert "0.299206710301075" in shown
    assert "…" not in shown


def test_no_column_is_squeezed(tmp_path: Path, printed: Callable[..., str]) -> None:
    torch.save(mlp("relu", depth=3, critical=True), tmp_path / "model.pt")
    for command in (["audit", tmp_path / "model.pt"], ["jacobian", "--width", "16", "--draws", "4"]):
        assert _words(printed(40, *command)) == _words(printed(200, *command))


def _words(text: str) -> list[str]:
    """All words but those beside drawn lines, which are as long as there is room."""
    return [word for line in text.splitlines() if not set("▁▂▃▄▅▆▇█") & set(line) for word in line.split()]


def test_ascii_terminal_and_no_colour() -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = run("moments", "--act", "relu", "--samples", "0", env=env)
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout
