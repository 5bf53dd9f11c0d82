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


def _with(mean: float, variance: float, error: float = 0.001, correlation: float = 0.1) -> AuditReport:
    report = small_audit()

    def estimate(value: float, samples: int = 10**6) -> Estimate:
        return Estimate(value, error, Route.MEASURED, samples)

    def change(layer: Layer) -> Layer:
        forward = replace(
            layer.forward,
            unit_mean=estimate(mean),
            unit_var=estimate(variance),
            unit_correlation=estimate(correlation),
        )
        return replace(layer, forward=forward)

    return replace(report, layers=[change(layer) for layer in report.layers])


@pytest.mark.parametrize(
    ("mean", "variance", "error", "correlation", "words"),
    [
        (0.0, 1.0, 0.001, 0.1, []),
        (0.09, 1.05, 0.001, 0.7, []),
        (0.12, 1.0, 0.001, 0.1, ["mean 0.12", "instead of 0"]),
        (0.0, 1.2, 0.001, 0.1, ["variance 1.2", "instead of 1"]),
        (0.0, 0.5, 0.001, 0.1, ["variance 0.5"]),
        (0.0, 1.0, 0.001, 0.8, ["correlation 0.8", "instead of at most 0.707"]),
        (0.12, 1.2, 0.1, 0.9, []),  # the data do not say
        (3.0, 1.0, 0.001, 0.1, ["mean 3"]),
        (math.nan, math.nan, math.inf, math.nan, ["mean nan", "variance nan", "correlation nan"]),
    ],
)
def test_canonical(mean: float, variance: float, error: float, correlation: float, words: list[str]) -> None:
    report = _with(mean, variance, error, correlation)
    if not words:
        assert assert_canonical(report) is report
        return
    with pytest.raises(AssertionError) as caught:
        assert_canonical(report)
    for word in ["layers are not canonical", "one (Linear)", "two (Linear)", *words]:
        assert word in str(caught.value)
    assert "three" not in str(caught.value)  # the last layer's scale is the task's


def test_infinite_layers_are_not_canonical() -> None:
    report = _with(0.0, 1.0)
    broken = replace(report.layers[0], forward=replace(report.layers[0].forward, unit_mean=None))
    with pytest.raises(AssertionError, match=r"one \(Linear\): nothing finite"):
        assert_canonical(replace(report, layers=[broken, *report.layers[1:]]))


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


def _normalised(units: int, scale: float = 1.0) -> nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Linear(256, units), nn.BatchNorm1d(units), nn.Linear(units, 4))
    with torch.no_grad():
        network.get_parameter("0.weight").normal_(0, scale / 16, generator=generator)
        network.get_parameter("0.bias").zero_()
    return network


def _white(samples: int) -> torch.Tensor:
    return torch.randn(samples, 256, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("samples", [64, 2000])  # a mean of 64 numbers is off by 1/8: more than the tolerance
def test_a_network_whose_layers_are_canonical(samples: int) -> None:
    assert assert_canonical(_normalised(256), _white(samples)).passed


def test_a_network_of_another_scale_is_not() -> None:
    with pytest.raises(AssertionError, match=r"0 \(Linear\): variance 4"):
        assert_canonical(_normalised(256, scale=2.0), _white(2000))


def test_means_that_cancel_are_no_zero_means() -> None:
    network = _normalised(256)
    with torch.no_grad():
        network.get_parameter("0.bias")[::2] = 1.0
        network.get_parameter("0.bias")[1::2] = -1.0
    with pytest.raises(AssertionError, match=r"0 \(Linear\): mean (1|0.99)"):
        assert_canonical(network, _white(2000))


def test_units_that_say_the_same_are_not_canonical() -> None:
    network = _normalised(32)
    with torch.no_grad():
        weight = network.get_parameter("0.weight")
        weight[:] = weight[0] + 0.3 * weight
        weight.div_(weight.norm(dim=1, keepdim=True))  # zero mean, unit variance, correlation 1/(1 + 0.09)
    with pytest.raises(AssertionError) as caught:
        assert_canonical(network, _white(2000))
    assert "0 (Linear): correlation 0.9" in str(caught.value)
    assert "correlated-units: two units of 0" in str(caught.value)
    with pytest.raises(AssertionError, match="correlation"):
        assert_canonical(network, _white(2000), layers=["0"], correlation=0.5)
    assert assert_canonical(network, _white(2000), layers=["2"], tolerance=10.0, correlation=1.0).layers


def test_of_chosen_layers_only_their_errors_count() -> None:
    report = replace(_with(0.0, 1.0), findings=[finding(Severity.ERROR, "three")])
    assert assert_canonical(report, layers=["one"]) is report
    with pytest.raises(AssertionError, match="some-rule"):
        assert_canonical(report)
