"""Masks of attention: who sees whom, counted; and what attention behind them does, against torch."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from propstats.errors import ModelError
from propstats.estimate import STANDARD_ERRORS
from propstats.rules.affine import Unchanged
from propstats.rules.attention import Attention, AttentionBetween, Given
from propstats.rules.mask import Pattern
from propstats.rules.softmax import common_moments, softmax_moments
from propstats.signals import Gradient, Positions, Signal


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (5, 5), (7, 4), (4, 9), (1, 3)])
def test_a_causal_pattern_is_that_of_its_mask(queries: int, keys: int) -> None:
    one, two = Pattern.causal(queries, keys), Pattern.of(np.tril(np.ones((queries, keys), dtype=bool)))
    for name in ("own", "token", "inputs", "both"):
        first, second = dict(getattr(one, name)), dict(getattr(two, name))
        assert first.keys() == second.keys()
        assert all(
            first[n] == pytest.approx(second[n], rel=1e-6) for n in first
        )  # masks are counted in single precision


def test_a_mask_that_hides_nothing() -> None:
    for seen in (np.ones((3, 4), dtype=bool), np.zeros((3, 4), dtype=bool), np.ones((2, 3, 4), dtype=bool)):
        pattern = Pattern.of(seen)
        for name in ("own", "token", "inputs", "both"):
            assert getattr(pattern, name) == ((4, pytest.approx(1.0)),)


def test_inputs_with_masks_of_their_own() -> None:
    """Two inputs of 1 and of 3 tokens: a query of the one and one of the other have one key in common."""
    seen = np.zeros((2, 3, 3), dtype=bool)
    seen[0, :, :1] = seen[1] = True
    pattern = Pattern.of(seen)
    assert dict(pattern.own) == pytest.approx({1: 0.5, 3: 0.5})
    assert dict(pattern.token) == pytest.approx({1: 0.5, 3: 0.5})
    assert dict(pattern.inputs) == dict(pattern.both) == pytest.approx({1: 1 / 3})


@pytest.mark.parametrize("shape", [(4,), (0, 4), (4, 0)])
def test_no_mask(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="masks nothing"):
        Pattern.of(np.ones(shape, dtype=bool))


def _masks(tokens: int) -> dict[str, np.ndarray]:
    low = np.tril(np.ones((tokens, tokens), dtype=bool))
    padding = np.broadcast_to(np.arange(tokens) < tokens - 3, (tokens, tokens))
    return {"causal": low, "padding": padding, "both": low & padding, "prefix": low | (np.arange(tokens) < 4)}


@pytest.mark.parametrize("name", ["causal", "padding", "both", "prefix"])
def test_independent_logits_are_weighed_as_softmax_weighs_them(name: str) -> None:
    """Sums of products of weights of two queries, and their mean: exact for logits that are independent."""
    tokens, draws, std = 9, 4000, 1.2
    seen = torch.from_numpy(np.ascontiguousarray(_masks(tokens)[name]))
    logits = std * torch.randn(draws, tokens, tokens, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = torch.softmax(logits.masked_fill(~seen, -math.inf), dim=2)
    products = weights @ weights.transpose(1, 2)
    different = ~torch.eye(tokens, dtype=torch.bool)
    pattern = Pattern.of(seen.numpy())
    for found, shares, deviation in (
        (products[:, ~different].mean(dim=1), pattern.own, std),
        (products[:, different].mean(dim=1), pattern.token, 0.0),
    ):
        theory = softmax_moments(tuple(shares), deviation).squares
        error = float(found.std()) / math.sqrt(draws)
        assert abs(theory - float(found.mean())) <= STANDARD_ERRORS * error


def _attend(seen: np.ndarray, signal: Signal, draws: int, scale: float) -> dict[str, tuple[float, float]]:
    """Return what torch's attention does to tokens like a signal, with random weights: means and their errors."""
    generator, tokens, units = torch.Generator().manual_seed(1), seen.shape[-1], 64
    assert signal.positions is not None
    alike, free = signal.positions.same, signal.q - signal.positions.same

    common = math.sqrt(alike) * torch.randn(draws, 1, units, generator=generator)
    drawn = common + math.sqrt(free) * torch.randn(draws, tokens, units, generator=generator)

    def project() -> torch.Tensor:
        weights = torch.randn(draws, units, units, generator=generator) / math.sqrt(units)
        return (drawn @ weights).requires_grad_()

    query, key, value = project(), project(), project()
    mask = torch.from_numpy(seen)
    mask = mask if mask.dtype == torch.bool else mask.float()
    out = functional.scaled_dot_product_attention(query, key, value, mask, scale=scale)
    gradients = torch.autograd.grad(out, [query, key, value], torch.randn(out.shape, generator=generator))
    samples = {"q": out.detach(), **dict(zip(("query", "key", "value"), gradients, strict=True))}
    found = {}
    for name, tensor in samples.items():
        squares = tensor.square().mean(dim=(1, 2), dtype=torch.float64)
        found[name] = float(squares.mean()), float(squares.std()) / math.sqrt(draws)
    return found


@pytest.mark.parametrize("name", ["causal", "padding", "both", "itself", "relative"])
@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_attention_behind_a_mask_is_what_torch_does(name: str, scale: float) -> None:
    """Forwards and backwards, to what is of order 1/units beyond standard errors."""
    tokens, units = 10, 64
    seen = np.ascontiguousarray(_masks(tokens)[name] if name in _masks(tokens) else _BIASES[name][:tokens, :tokens])
    signal = Signal(0.0, 0.8, 0.8, positions=Positions(0.2, 0.0), units=units)
    one = Unchanged()
    attention = Attention(Given(units), one, one, one, tokens, pattern=Pattern.of(seen), scale=scale)
    rule, signals = AttentionBetween(attention), [signal] * 3
    back = rule.split(Gradient(1.0), signals)
    theory = {"q": rule.join(signals).q, **{n: g.q for n, g in zip(("query", "key", "value"), back, strict=True)}}
    for what, (mean, error) in _attend(seen, signal, 1000, scale / math.sqrt(units)).items():
        # Theory is right to first order in 1/units: what is left is of the order of 2/units, the relative variance of
        # a query's length.
        assert abs(theory[what] - mean) <= STANDARD_ERRORS * error + 2.0 / units * mean, what


def _products(bias: np.ndarray, std: float, correlation: float) -> tuple[np.ndarray, np.ndarray]:
    """Sums of squares of the weights of biased logits, and of products of those of two queries, draw by draw."""
    generator = np.random.default_rng(1)
    common, own = generator.normal(size=(2000, 1, bias.shape[1])), generator.normal(size=(2000, *bias.shape))
    logits = bias + std * (math.sqrt(correlation) * common + math.sqrt(1.0 - correlation) * own)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    squares = np.square(weights).sum(axis=(1, 2))
    pairs = np.square(weights.sum(axis=1)).sum(axis=1) - squares
    queries = len(bias)
    return squares / queries, pairs / (queries * (queries - 1))


_TOKENS = np.arange(12)
_APART = abs(_TOKENS[:, None] - _TOKENS)
_BIASES = {
    "none": np.full((12, 12), 3.0),
    "random": np.random.default_rng(1).normal(size=(12, 12)),
    "alibi": np.where(_TOKENS[:, None] >= _TOKENS, -0.5 * _APART, -np.inf),
    "itself": 4.0 * (_APART == 0),
    "first": np.broadcast_to(4.0 * (_TOKENS == 0), (12, 12)),
    "relative": np.random.default_rng(2).normal(size=23)[_TOKENS[:, None] - _TOKENS + 11],
}


@pytest.mark.parametrize("name", _BIASES)
def test_biases_are_exact_where_logits_do_not_vary(name: str) -> None:
    pattern, (own, pairs) = Pattern.of(_BIASES[name]), _products(_BIASES[name], 0.0, 0.0)
    assert softmax_moments(pattern.own, 0.0).squares == pytest.approx(own[0])
    assert common_moments(pattern.token, 0.0, 0.5)[0] == pytest.approx(pairs[0])


@pytest.mark.parametrize("name", _BIASES)
@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_biased_logits_that_vary(name: str, correlation: float) -> None:
    """Of standard deviation 1: a few pairs of queries stand for all, and may be off by 3 % beyond sampling's errors."""
    pattern, (own, pairs) = Pattern.of(_BIASES[name]), _products(_BIASES[name], 1.0, correlation)
    theory = softmax_moments(pattern.own, 1.0).squares, common_moments(pattern.token, 1.0, correlation)[0]
    for expected, found in zip(theory, (own, pairs), strict=True):
        error = STANDARD_ERRORS * found.std() / math.sqrt(len(found))
        assert abs(expected - found.mean()) <= 0.03 * found.mean() + error


def test_heads_have_biases_of_their_own() -> None:
    one, two = (Pattern.of(_BIASES[name]) for name in ("random", "alibi"))
    both = Pattern.of(np.stack([_BIASES["random"], _BIASES["alibi"]] * 3), heads=2)
    for name in ("own", "token", "inputs", "both"):
        first, second, mean = (common_moments(getattr(pattern, name), 0.0, 1.0)[0] for pattern in (one, two, both))
        assert mean == pytest.approx((first + second) / 2)


def test_biases_that_differ_from_input_to_input() -> None:
    """What the same query gives in two inputs is in common by chance alone."""
    generator = np.random.default_rng(3)
    pattern = Pattern.of(3.0 * generator.normal(size=(8, 6, 10)))
    own, inputs = (common_moments(shares, 0.0, 1.0)[0] for shares in (pattern.own, pattern.inputs))
    assert own > 2 * inputs
    assert inputs == pytest.approx(1 / 10, rel=0.3)


def test_one_query_meets_no_other() -> None:
    pattern = Pattern.of(_BIASES["random"][:1])
    assert pattern.token == pattern.own
    assert pattern.both == pattern.inputs
