"""Networks as people write them: every call has an expectation or a reason, and random weights do what theory says."""

import math
from collections.abc import Callable
from typing import cast

import architectures
import pytest
import torch
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.expecting.expect import CANONICAL, Expectation, expect
from propstats.auditing.measuring.probe import Probe
from propstats.auditing.probing import probe
from propstats.estimate import STANDARD_ERRORS
from propstats.rules.attention import AttentionBetween

_IMAGE, _TOKENS = (3, 12, 12), (16, 12)
_Build = Callable[[], nn.Module]

#: Networks, the shape of their inputs, and the calls for which there is no rule, with a word of the reason.
_NETWORKS: dict[str, tuple[_Build, tuple[int, ...], dict[str, str]]] = {
    "residual": (architectures.Residual, _IMAGE, {}),
    "vgg": (architectures.vgg, _IMAGE, {}),
    "nin": (architectures.nin, _IMAGE, {}),
    "encoder": (architectures.Encoder, _IMAGE, {}),
    "encoder, post-norm": (lambda: architectures.Encoder(norm_first=False), _IMAGE, {}),
    "attention": (architectures.Attention, _TOKENS, {}),
    "mixer": (architectures.Mixer, _TOKENS, {}),
    "unet": (architectures.UNet, (3, 8, 8), {}),
    "functional": (architectures.Functional, _IMAGE, {}),
    "gpt": (architectures.Gpt, (16,), {"wpe": "not part of the signal"}),
    "gpt, by a function": (lambda: architectures.Gpt(written=False), (16,), {"wpe": "not part of the signal"}),
    "recurrent": (architectures.Recurrent, _TOKENS, {"lstm": "recurrent"}),
}


def _expected(model: nn.Module, x: torch.Tensor) -> tuple[Probe, list[Expectation]]:
    """Measure and expect; batch norms get the statistics of these very data first."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in norms:
        module.momentum = None
    if norms:
        with torch.no_grad():
            model.train()(x)
    found = probe(model.eval(), x)
    return found, expect(found, model, x)


def _data(samples: int, shape: tuple[int, ...]) -> torch.Tensor:
    """Return images or sequences, or tokens where nothing else is asked for."""
    return torch.randn(samples, *shape) if len(shape) > 1 else torch.randint(50, (samples, *shape))


@pytest.mark.parametrize("name", _NETWORKS)
def test_every_call_has_an_expectation_or_a_reason(name: str) -> None:
    torch.manual_seed(0)
    build, shape, without = _NETWORKS[name]
    found, expectations = _expected(build(), _data(8, shape))
    reasons = {}
    for call, expectation in zip(found.calls, expectations, strict=True):
        label = call.name if call.index == 0 else f"{call.name} (call {call.index})"
        if call.rule is None and not expectation.shown and expectation.reason is None:
            continue  # a part of what is written out, or a mask
        if expectation.reason is not None:
            reasons[label] = expectation.reason
            assert call.rule is None
            assert expectation.network is None
        else:
            assert expectation.network is not None, label
            assert expectation.one_step is not None, label
            assert math.isfinite(expectation.network.q)
    assert reasons.keys() == without.keys()
    for label, word in without.items():
        assert word in reasons[label]


def _borders(model: nn.Module) -> float:
    """By how much padding at borders can move a mean square, in all convolutions and pools together.

    Terms are counted in the mean over positions; where counts and signals both vary by a relative standard deviation s,
    their product is off by at most s^2 in each layer.
    """
    total = 0.0
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and any(module.padding):
            counts = torch.nn.functional.conv2d(
                torch.ones(1, 1, 6, 6), torch.ones(1, 1, *module.kernel_size), None, module.stride, module.padding
            )
            total += float(counts.var(correction=0) / counts.mean() ** 2)
    return total


_RANDOM: dict[str, tuple[_Build, tuple[int, ...]]] = {
    "encoder": (architectures.Encoder, _IMAGE),
    "encoder, post-norm": (lambda: architectures.Encoder(norm_first=False), _IMAGE),
    "mixer": (architectures.Mixer, _TOKENS),
    "gpt": (architectures.Gpt, (16,)),
    "unet": (architectures.UNet, (3, 8, 8)),
    "functional": (architectures.Functional, _IMAGE),
    "vgg": (architectures.vgg, _IMAGE),
    "residual": (architectures.Residual, _IMAGE),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in ("vgg", "residual") else name for name in _RANDOM]
)
def test_random_weights_do_what_theory_says(name: str) -> None:
    """Forward q and backward gradient of every layer from end to end: in the mean over draws within standard errors,
    the square of what finite width leaves, and what borders do."""
    torch.manual_seed(1)
    build, shape = _RANDOM[name]
    gaps: dict[tuple[int, str, str], list[float]] = {}
    slack: dict[tuple[int, str, str], float] = {}
    borders = 0.0
    for _ in range(5):
        model = build()
        borders = _borders(model)
        found, expectations = _expected(model, _data(48, shape))
        for position, (call, expectation) in enumerate(zip(found.calls, expectations, strict=True)):
            theory = expectation.network
            if theory is None or not expectation.shown:
                continue
            pairs = [("q", call.output.q, theory.q, theory.error)]
            back = call.gradient_input
            if theory.gradient_input is not None and back.is_measured and call.sources[0] >= 0:
                pairs.append(("gradient", back.running.mean, theory.gradient_input, theory.gradient_error or 0.0))
            for what, measured, value, error in pairs:
                key = (position, call.name, what)
                gaps.setdefault(key, []).append(math.log(measured / value))
                slack[key] = max(slack.get(key, 0.0), error)
    worst = max(slack.values())
    for key, values in gaps.items():
        sample = torch.tensor(values, dtype=torch.float64)
        # The error of a standard error, for few draws: chi-square.
        error = float(sample.std()) / math.sqrt(len(values)) * (1.0 + 3.0 / math.sqrt(2.0 * (len(values) - 1)))
        assert abs(float(sample.mean())) <= STANDARD_ERRORS * error + worst**2 + borders, (key, values)


def test_a_layer_that_follows_its_input_departs_and_none_before() -> None:
    """Rows along the principal direction of what they get, as large as before: theory of that layer alone is off."""
    torch.manual_seed(2)
    layers = [nn.Linear(64, 64) for _ in range(4)]
    model = nn.Sequential(*(part for layer in layers for part in (layer, nn.Tanh())), nn.Linear(64, 4))
    x = torch.randn(256, 64) + 4.0 * torch.randn(256, 1) * torch.randn(64)
    sound = expect(probe(model, x), model, x)
    with torch.no_grad():
        seen = model[:4](x)
        direction = torch.linalg.svd(seen, full_matrices=False).Vh[0]
        layers[2].weight.copy_(direction * layers[2].weight.norm() / 8.0)
    found = probe(model, x)
    broken = expect(found, model, x)
    gaps = {
        call.name: math.log(call.output.q / expectation.one_step.q) / max(expectation.one_step.error, 0.02)
        for call, expectation in zip(found.calls, broken, strict=True)
        if expectation.one_step is not None
    }
    assert gaps["4"] > STANDARD_ERRORS
    assert all(abs(gaps[name]) < STANDARD_ERRORS for name in ("0", "2"))
    for before, after in zip(sound[:4], broken[:4], strict=True):
        assert before.network is not None
        assert after.network is not None
        assert before.network.q == after.network.q


def test_after_an_unknown_layer_theory_begins_anew() -> None:
    torch.manual_seed(3)

    class Sorted(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sort(dim=-1).values * 3.0

    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), Sorted(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))
    x = torch.randn(256, 32)
    found = probe(model, x)
    by_name = {call.name: e for call, e in zip(found.calls, expect(found, model, x), strict=True)}
    assert next(call.rule for call in found.calls if call.name == "2.sort") is None
    before, after = by_name["1"].network, by_name["5"].network
    assert before is not None
    assert after is not None
    assert (before.given, before.since) == ("network", ())
    assert (after.given, after.since) == ("restart", ("2.sort",))
    measured = next(call for call in found.calls if call.name == "5").output.q
    assert abs(math.log(measured / after.q)) <= STANDARD_ERRORS * after.error
    assert before.gradient_input is not None  # the gradient that was measured at the unknown layer goes on


def test_a_normprop_network_is_canonical() -> None:
    """Unit rows, zero mean and unit variance in every layer: what NormProp promises, expected and measured."""
    torch.manual_seed(4)

    class NormProp(nn.Module):
        def __init__(self, inputs: int, units: int) -> None:
            super().__init__()
            self.weight = nn.Parameter(nn.functional.normalize(torch.randn(units, inputs), dim=1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = nn.functional.relu(nn.functional.linear(x, self.weight))
            return (h - 1 / math.sqrt(2 * math.pi)) / math.sqrt((1 - 1 / math.pi) / 2)

    model = nn.Sequential(NormProp(128, 256), NormProp(256, 256), NormProp(256, 256))
    x = torch.randn(512, 128)
    found = probe(model, x)
    for call, expectation in zip(found.calls, expect(found, model, x), strict=True):
        assert expectation.network is not None, expectation.reason
        assert abs(math.log(call.output.q / expectation.network.q)) <= STANDARD_ERRORS * expectation.network.error
    last = expect(found, model, x)[-1].network
    assert last is not None
    assert abs(last.q - CANONICAL.q) < 0.05  # of order 1/width
    assert abs(last.mean - CANONICAL.mean) < 0.05


def test_the_audit_covers_functions() -> None:
    torch.manual_seed(5)
    report = audit(architectures.Residual().eval(), torch.randn(32, *_IMAGE))
    assert not report.coverage.skipped
    assert {"ReLU", "relu", "iadd"} & {layer.type for layer in report.layers}


def test_functions_that_some_numbers_have_no_value_of_are_named() -> None:
    class Loudness(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return cast("torch.Tensor", self.last(torch.sqrt(self.first(x).square())))

    report = audit(Loudness(), torch.randn(64, 8, generator=torch.Generator().manual_seed(0)))
    reasons = {skipped.name: skipped.reason for skipped in report.coverage.skipped}
    assert reasons == {"sqrt": "sqrt is not defined for all numbers, and a Gaussian signal takes all"}


def test_padding_is_that_of_the_data() -> None:
    """Half of the inputs have 4 tokens, half 12: a query sees 8 keys on average, whichever samples came first."""

    class Padded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(50, 32)
            self.attention = nn.MultiheadAttention(32, 2, batch_first=True)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            x = self.embed(tokens)
            return cast("torch.Tensor", self.attention(x, x, x, key_padding_mask=tokens == 0)[0])

    torch.manual_seed(6)
    lengths = torch.tensor([4] * 16 + [12] * 16)
    tokens = torch.where(torch.arange(12) < lengths[:, None], torch.randint(1, 50, (32, 12)), 0)
    model = Padded().eval()
    found = probe(model, tokens)
    expectations = dict(zip((call.name for call in found.calls), expect(found, model, tokens), strict=True))
    rule = next(call.rule for call in found.calls if call.name == "attention")
    assert isinstance(rule, AttentionBetween)
    assert rule.attention.pattern is not None
    assert dict(rule.attention.pattern.own) == pytest.approx({4: 0.5, 12: 0.5})
    assert expectations["eq"].reason is None
    assert expectations["attention"].one_step is not None
