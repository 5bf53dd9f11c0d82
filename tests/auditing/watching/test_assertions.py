import math
from dataclasses import replace

import pytest
import torch
from audits import finding, small_audit
from networks import mlp
from torch import nn

from propstats.auditing.records import AuditReport, Layer, Severity
from propstats.auditing.watching.assertions import assert_canonical, assert_survives
from propstats.estimate import Estimate, Route


def test_survival() -> None:
    assert assert_survives(mlp("relu", depth=5)).passed
    with pytest.raises(AssertionError) as caught:
        assert_survives(mlp("relu"), "digits", seed=1)
    text = str(caught.value)
    assert text.startswith("signal does not survive the network on digits:\n")
    assert "forward-vanishing: " in text
    assert "-> draw the weights with std" in text


def test_warnings_do_not_fail() -> None:
    report = replace(small_audit(), findings=[finding(Severity.WARNING)])
    assert assert_survives(report) is report


def test_a_report_takes_no_options() -> None:
    with pytest.raises(TypeError, match="seed"):
        assert_survives(small_audit(), seed=3)


def _with(mean: float, q: float, error: float = 0.001) -> AuditReport:
    report = small_audit()

    def estimate(value: float) -> Estimate:
        return Estimate(value, error, Route.MEASURED, 1000)

    def change(layer: Layer) -> Layer:
        return replace(layer, forward=replace(layer.forward, mean=estimate(mean), q=estimate(q)))

    return replace(report, layers=[change(layer) for layer in report.layers])


@pytest.mark.parametrize(
    ("mean", "q", "error", "words"),
    [
        (0.0, 1.0, 0.001, []),
        (0.09, 1.05, 0.001, []),
        (0.12, 1.0, 0.001, ["mean 0.12", "instead of 0"]),
        (0.0, 1.2, 0.001, ["variance 1.2", "instead of 1"]),
        (0.0, 0.5, 0.001, ["variance 0.5"]),
        (0.12, 1.2, 0.1, []),  # the data do not say
        (3.0, 10.0, 0.001, ["mean 3"]),  # whose variance is 1
        (math.nan, math.nan, math.inf, ["mean nan"]),
    ],
)
def test_canonical(mean: float, q: float, error: float, words: list[str]) -> None:
    report = _with(mean, q, error)
    if not words:
        assert assert_canonical(report) is report
        return
    with pytest.raises(AssertionError) as caught:
        assert_canonical(report)
    for word in ["layers are not canonical", "one (Linear)", "two (Linear)", *words]:
        assert word in str(caught.value)
    assert "three" not in str(caught.value)  # the last layer's scale is the task's


def test_chosen_layers() -> None:
    report = _with(0.0, 2.0)
    with pytest.raises(AssertionError, match="one-act"):
        assert_canonical(report, layers=["one-act"])
    assert assert_canonical(report, layers=["one-act"], tolerance=1.01) is report
    with pytest.raises(LookupError, match="nowhere"):
        assert_canonical(report, layers=["nowhere"])


def test_an_error_is_not_canonical_either() -> None:
    with pytest.raises(AssertionError, match="some-rule: it fails"):
        assert_canonical(replace(_with(0.0, 1.0), findings=[finding(Severity.ERROR)]))


def test_a_network_whose_layers_are_canonical() -> None:
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Linear(256, 256, bias=False), nn.BatchNorm1d(256), nn.Linear(256, 4))
    with torch.no_grad():
        network.get_parameter("0.weight").normal_(0, 1 / 16, generator=generator)
    data = torch.randn(2000, 256, generator=generator)
    assert assert_canonical(network, data).passed
    with torch.no_grad():
        network.get_parameter("0.weight").mul_(2)
    with pytest.raises(AssertionError, match=r"0 \(Linear\): variance 4"):
        assert_canonical(network, data)
