"""The JSON contract: one document, these keys, these exit codes, whatever happens."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from networks import mlp
from propstats_cli.main import run

ENVELOPE = {"schema", "command", "status", "exit_code", "data", "errors"}
ESTIMATE = {"value", "error", "route"}
QUANTITY = ESTIMATE | {"formula", "routes", "agree", "z"}
SUMMARY = {"mean_square", "normalised_variance", "max", "zero_fraction"}

Answer = tuple[int, dict[str, Any], str]


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run a command with --json; return the exit code, the document and what stderr got."""

    def call(*arguments: str) -> Answer:
        code = run([*arguments, "--json"])
        out, err = capsys.readouterr()
        document = json.loads(out, parse_constant=_refuse)
        assert document.keys() == ENVELOPE
        assert document["schema"] == "propstats/1"
        assert document["exit_code"] == code
        assert document["status"] == {0: "ok", 1: "findings"}.get(code, "error")
        assert out == json.dumps(document, indent=2, sort_keys=True) + "\n"
        return code, document, err

    return call


def _refuse(constant: str) -> float:
    raise AssertionError(f"{constant} is not JSON")


def test_moments(answer: Callable[..., Answer]) -> None:
    code, document, err = answer("moments", "--act", "prelu", "--a", "0.25", "--samples", "20000")
    data = document["data"]
    assert (code, err, document["command"]) == (0, "", "moments")
    assert {"activation", "params", "input", "forward", "backward", "scales"} <= data.keys()
    assert data["params"] == {"a": 0.25}
    assert data["input"] == {"mean": 0.0, "std": 1.0}
    assert data["forward"].keys() == {"mean", "second_moment", "var"}
    assert data["backward"].keys() == {"mean_slope", "slope_second_moment", "std"}
    assert data["scales"].keys() == {
        "gain", "unit_variance_gain", "jacobian_factor", "normprop_shift", "normprop_scale", "stability_slope",
        "nonlinear_share",
    }  # fmt: skip
    for group in ("forward", "backward", "scales"):
        for quantity in data[group].values():
            assert quantity.keys() == QUANTITY
            assert quantity["routes"].keys() == {"closed_form", "certified", "quadrature", "sampling"}
            assert all(estimate.keys() >= ESTIMATE for estimate in quantity["routes"].values())
            assert quantity["routes"]["sampling"]["samples"] == 20000
            assert quantity["agree"] is True
    # Remark 2 of the paper, to thirty digits by independent integration.
    for name, exact in (("mean", 0.29920671030107450845), ("var", 0.44172534451080887363)):
        routes = data["forward"][name]["routes"]
        for route in ("closed_form", "certified", "quadrature"):
            assert abs(routes[route]["value"] - exact) <= 1e-15
        assert abs(routes["sampling"]["value"] - exact) <= 4 * routes["sampling"]["error"]


def test_without_samples(answer: Callable[..., Answer]) -> None:
    _, document, _ = answer("moments", "--act", "tanh", "--samples", "0")
    mean, second = (document["data"]["forward"][name] for name in ("mean", "second_moment"))
    assert mean["routes"].keys() == {"closed_form", "certified", "quadrature"}
    assert second["routes"].keys() == {"certified", "quadrature"}
    assert second["formula"] is None
    assert second["z"] is None


def test_undefined_numbers_are_null_with_a_code(answer: Callable[..., Answer]) -> None:
    code, document, _ = answer("moments", "--act", "relu", "--mean", "-1", "--std", "0", "--samples", "0")
    gain = document["data"]["scales"]["gain"]
    assert code == 0
    assert gain["value"] is None
    assert gain["code"] == "undefined"


def test_jacobian(answer: Callable[..., Answer]) -> None:
    code, document, _ = answer("jacobian", "--depth", "9", "--width", "64", "--draws", "50")
    data = document["data"]
    assert code == 0
    assert {"depth", "width", "activation", "scheme", "gamma", "histogram"} <= data.keys()
    assert data["theory"].keys() == data["simulation"].keys() == SUMMARY
    assert abs(data["gamma"] - math.sqrt(1 - 1 / math.pi)) < 1e-15  # 1/1.2111...
    for name in SUMMARY:
        theory, simulation = data["theory"][name], data["simulation"][name]
        assert simulation["route"] == "sampling"
        assert abs(theory["value"] - simulation["value"]) <= theory["error"] + 4 * simulation["error"]


def test_scales(answer: Callable[..., Answer]) -> None:
    code, document, err = answer("scales", "--act", "relu", "--fan-in", "64", "--depth", "5")
    data = document["data"]
    assert (code, err) == (0, "")
    assert {"activation", "fan_in", "fan_out", "schemes"} <= data.keys()
    for row in data["schemes"]:
        assert {"name", "weight_std", "forward_factor", "backward_factor"} <= row.keys()
        assert row["weight_std"].keys() >= ESTIMATE
        assert row["forward_factor"].keys() >= ESTIMATE
        assert row["backward_factor"].keys() >= ESTIMATE


def test_bound(answer: Callable[..., Answer], tmp_path: Path) -> None:
    torch.save(mlp("relu", depth=3).state_dict(), tmp_path / "weights.pt")
    code, document, err = answer("bound", str(tmp_path / "weights.pt"))
    data = document["data"]
    assert (code, err) == (0, "")
    assert data["model"].keys() >= {"path", "sha256", "format", "trusted", "parameters", "tier", "allowed", "torch"}
    assert len(data["weights"]) == 3
    for weight in data["weights"]:
        for name in ("coherence", "canonical_error_bound", "off_diagonal", "ratio"):
            assert weight["canonical"][name].keys() >= ESTIMATE


def test_audit(answer: Callable[..., Answer], tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(mlp("relu"), path)
    code, document, _ = answer("audit", str(path), "--data", "digits")
    data = document["data"]
    assert code == 1
    assert {"model", "data", "coverage", "layers", "findings", "trend"} <= data.keys()
    assert data["model"].keys() >= {"path", "sha256", "format", "trusted", "parameters", "tier", "allowed", "torch"}
    assert {"name", "sha256", "samples"} <= data["data"].keys()
    assert data["coverage"].keys() == {"analysed", "skipped"}
    for layer in data["layers"]:
        assert {"name", "call", "type", "forward", "backward", "expected", "verdict"} <= layer.keys()
    for finding in data["findings"]:
        assert {"rule", "layer", "value", "interval", "expected", "message", "remedy"} <= finding.keys()
    for rate in ("forward_rate", "backward_rate"):
        low, high = data["trend"][rate]["interval"]
        assert low < data["trend"][rate]["value"] < high


@pytest.mark.slow
def test_demo(answer: Callable[..., Answer], tmp_path: Path) -> None:
    code, document, _ = answer("demo", "--steps", "200", "--out", str(tmp_path))
    data = document["data"]
    assert code == 0
    assert data["carries"]["report"]["verdict"] == "pass"
    assert data["dies"]["report"]["verdict"] == "fail"
    assert data["carries"]["accuracy"] > 0.5 > 2 * data["dies"]["accuracy"]
    assert data["explanation"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        (["moments", "--act", "relUU"], 2, "unknown_name"),
        (["moments", "--act", "relu", "--std", "-1"], 2, "domain"),
        (["moments", "--act", "relu", "--bogus"], 2, "usage"),
        (["moments"], 2, "domain"),
        (["nonsense"], 2, "usage"),
        (["jacobian", "--gamma", "0"], 2, "domain"),
        (["scales", "--act", "relu", "--fan-in", "0"], 2, "domain"),
        (["audit", "missing.pt"], 3, "model"),
        (["bound", "missing.pt"], 3, "model"),
    ],
)
def test_failures_speak_json_too(
    answer: Callable[..., Answer], arguments: list[str], exit_code: int, code: str
) -> None:
    exited, document, err = answer(*arguments)
    assert exited == exit_code
    assert document["data"] == {}
    (error,) = document["errors"]
    assert error.keys() == {"code", "message", "hint"}
    assert error["code"] == code
    assert err.startswith("propstats: error: ")
    assert err.count("\n") == 1


def test_a_fault_of_ours_is_4_and_says_so(answer: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> None:
        raise ZeroDivisionError("planted\nfault")

    monkeypatch.setattr("propstats.theory.unit.moments", broken)
    code, document, err = answer("moments", "--act", "relu")
    assert code == 4
    assert document["errors"][0]["code"] == "fault"
    assert "ZeroDivisionError: planted fault" in err
    assert err.count("\n") == 1


def test_disagreement_is_loud(answer: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    from propstats.activations.syntax import parse
    from propstats.expectation import closed_form

    right = closed_form.formulas

    def wrong(activation: Any, **given: float) -> Any:
        return {**right(activation, **given), "mean": parse("1.000001/sqrt(2*pi)", set())}

    monkeypatch.setattr(closed_form, "formulas", wrong)
    code, document, _ = answer("moments", "--act", "relu", "--samples", "0")
    assert code == 1
    assert document["data"]["agree"] is False
    assert document["data"]["forward"]["mean"]["agree"] is False
    assert document["data"]["backward"]["slope_second_moment"]["agree"] is True
