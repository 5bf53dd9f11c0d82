import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.records import AuditReport, Finding, Severity
from propstats.estimate import Estimate, Quantity, Route
from propstats.report.jsonable import Json, dump, to_jsonable
from propstats.signals import Signal
from propstats.simulation.jacobian import jacobian
from propstats.theory.unit import moments


@dataclass(frozen=True, slots=True)
class Record:
    values: tuple[float, ...]
    named: Mapping[str, float]
    inner: "Record | None" = None


def _audit(weight: float = 0.5) -> AuditReport:
    first = nn.Linear(3, 4)
    with torch.no_grad():
        first.weight[0, 0] = weight
    return audit(
        nn.Sequential(first, nn.ReLU(), nn.Linear(4, 2)), torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    )


def _object(value: Json) -> dict[str, Json]:
    assert isinstance(value, dict)
    return value


def test_estimate() -> None:
    assert to_jsonable(Estimate(0.1, 0.25, Route.QUADRATURE)) == {"value": 0.1, "error": 0.25, "route": "quadrature"}
    sampled = _object(to_jsonable(Estimate(0.1, 0.25, Route.SAMPLING, 7)))
    assert sampled == {"value": 0.1, "error": 0.25, "route": "sampling", "samples": 7}


@pytest.mark.parametrize(
    ("value", "error", "code"),
    [
        (1.0, math.inf, "no_error"),
        (1.0, math.nan, "no_error"),
        (math.nan, 0.0, "undefined"),
        (math.nan, math.inf, "undefined"),
        (math.inf, 0.0, "infinite"),
        (-math.inf, math.inf, "infinite"),
        (1.0, 0.0, None),
    ],
)
def test_codes_of_an_estimate(value: float, error: float, code: str | None) -> None:
    plain = _object(to_jsonable(Estimate(value, error, Route.MEASURED)))
    assert plain.get("code") == code
    assert plain["value"] == (value if math.isfinite(value) else None)
    assert plain["error"] == (error if math.isfinite(error) else None)


def test_codes_stay_with_the_record_that_holds_the_number() -> None:
    plain = to_jsonable(Record((1.0,), {"a": 2.0}, Record((math.inf,), {"b": math.nan})))
    inner = {"values": [None], "named": {"b": None}, "inner": None, "code": "undefined"}
    assert plain == {"values": [1.0], "named": {"a": 2.0}, "inner": inner}


def test_a_mapping_keeps_a_code_of_its_own() -> None:
    assert to_jsonable({"code": "domain", "x": math.nan}) == {"code": "domain", "x": None}
    assert to_jsonable([math.nan]) == [None]


def test_quantity() -> None:
    routes = {
        Route.CLOSED_FORM: Estimate(0.5, 1e-16, Route.CLOSED_FORM),
        Route.SAMPLING: Estimate(0.51, 0.01, Route.SAMPLING, 10**9),
    }
    plain = _object(to_jsonable(Quantity.of(routes, "1/2")))
    assert set(plain) == {"value", "error", "route", "formula", "routes", "agree", "z"}
    assert (plain["route"], plain["formula"], plain["agree"]) == ("closed_form", "1/2", True)
    assert plain["z"] == pytest.approx(1.0)
    assert _object(_object(plain["routes"])["sampling"])["samples"] == 10**9


def test_answers_beyond_the_fields() -> None:
    unit = _object(to_jsonable(moments("relu", samples=0)))
    assert unit["agree"] is True
    assert "z" not in unit
    spectrum = _object(to_jsonable(jacobian(depth=2, width=8, draws=4)))
    assert isinstance(spectrum["agree"], bool)
    assert set(_object(spectrum["z"])) == {"mean_square", "normalised_variance", "max", "zero_fraction"}
    signal = _object(to_jsonable(Signal(0.5, 1.0, 0.25)))
    assert signal["var"] == Signal(0.5, 1.0, 0.25).var
    assert signal["c"] == Signal(0.5, 1.0, 0.25).c


def test_verdict() -> None:
    passed = _object(to_jsonable(replace(_audit(), findings=[])))
    assert (passed["passed"], passed["verdict"]) == (True, "pass")
    finding = Finding("dead-units", Severity.ERROR, None, 1.0, (0.5, math.inf), None, "all are dead", "wake them")
    failed = _object(to_jsonable(replace(_audit(), findings=[finding])))
    assert (failed["passed"], failed["verdict"]) == (False, "fail")
    assert failed["findings"] == [
        {
            "rule": "dead-units",
            "severity": "error",
            "layer": None,
            "value": 1.0,
            "interval": [0.5, None],
            "expected": None,
            "message": "all are dead",
            "remedy": "wake them",
            "predicted": None,
            "derivation": "",
            "code": "infinite",
        }
    ]


def test_numbers_of_other_libraries() -> None:
    given = [
        np.float64(0.1),
        np.float32(0.5),
        np.int64(3),
        np.bool_(True),
        np.arange(2),
        torch.tensor(2),
        torch.ones(1),
    ]
    plain = to_jsonable(given)
    assert plain == [0.1, 0.5, 3, True, [0, 1], 2, [1.0]]
    assert isinstance(plain, list)
    assert [type(entry) for entry in plain] == [float, float, int, bool, list, int, list]
    assert _object(to_jsonable({"x": np.float64("nan")})) == {"x": None, "code": "undefined"}
    assert to_jsonable(torch.tensor(0.5, requires_grad=True)) == 0.5


def test_other_types() -> None:
    class Small(IntEnum):
        ONE = 1

    assert to_jsonable({Route.SAMPLING: Small.ONE, 2: Path("a/b")}) == {"sampling": 1, "2": str(Path("a/b"))}
    for stranger in (object(), b"bytes", 1j, {(1, 2): 3}, {1.5}, Estimate):
        with pytest.raises(TypeError):
            to_jsonable(stranger)


def test_dump_is_strict_and_exact() -> None:
    document: Json = {"z": 0.1 + 0.2, "a": ["\u03c3", "\ud800", "\x1b"], "m": 5e-324}
    text = dump(document)
    assert text.isascii()
    assert text.endswith("}\n")
    assert text.index('"a"') < text.index('"m"') < text.index('"z"')
    assert "0.30000000000000004" in text
    assert json.loads(text) == document
    with pytest.raises(ValueError, match="JSON compliant"):
        dump({"x": math.nan})


def test_whole_results_are_strict_json() -> None:
    for result in (_audit(math.nan), jacobian(depth=2, width=4, draws=1), moments("tanh", std=0.0, samples=0)):
        dump(to_jsonable(result))
