"""Attention at initialisation: of tokens to each other, or to those of another signal."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from propstats.rules.affine import Unchanged
from propstats.rules.dense import Weights
from propstats.rules.fluctuation import atoms
from propstats.rules.mask import Pattern, Shares
from propstats.rules.rule import Rule
from propstats.rules.softmax import common_moments, softmax_moments
from propstats.signals import Gradient, Positions, Signal

#: The signals that queries, keys and values are made of.
Three = tuple[Signal, Signal, Signal]


@dataclass(frozen=True, slots=True)
class Given(Unchanged):
    """Queries, keys or values that come as they are, without weights.

    Args:
        units: Units of all heads.
    """

    units: int


@dataclass(frozen=True, slots=True)
class Attention:
    """Multi-head self-attention over n tokens: `out(softmax(Q K^T/sqrt(d)) V)`, without a mask.

    For wide heads of random weights the logits of a query are Gaussian, and what tells keys apart has the variance
    `q_Q (q_K - s_K)`, s the mean product of two tokens; it does not vanish as the heads grow wide, so attention is not
    uniform. With `A = E[sum_j a_ij^2]`, exact for any n (`propstats.rules.softmax`), values of mean square q and mean
    product s become `A q + (1 - A) s`. Two queries, of one input or of two, with correlated logits have `E[sum_j a_ij
    a'_ij] = A(rho std^2)`: an approximation, exact at correlations 0 and 1 and for many tokens, off by up to 5 % of it
    for logits of standard deviation 1 and more above.

    Backwards, values get `A` and what gradients of two tokens have in common; queries and keys get the slope of the
    softmax times `q_v - s_v`. All ways meet random weights of their own, so that second moments add.

    Behind a mask queries see different numbers of keys: all statistics are means over queries, and what two of them see
    in common is what `propstats.rules.mask` says. That the first tokens then differ from the last is not carried on.

    Finite width: tokens that a query attends to are alike in its direction, one of as many as there are units, which
    adds to A what `SoftmaxMoments.aligned` says. The variance of the logits fluctuates by `2/d + 2/units`, relatively,
    over heads of size d and their weights, and with the input: A is averaged over that. Values and outputs are layers
    of weights.

    Args:
        query: The weights of the queries.
        key: Of the keys.
        value: Of the values.
        out: Of the output.
        tokens: How many tokens there are to attend to.
        heads: Among how many heads the units are shared.
        dropout: Share of the weights of the softmax that is dropped; the others are divided by what is left.
        queries: How many tokens attend; as many as there are if left out.
        pattern: Who attends to whom; everyone to everyone if left out.
        scale: What products of queries and keys are multiplied by, times sqrt(d).

    References:
        Vaswani et al. 2017, arXiv:1706.03762, Eq. 1; Hron et al. 2020, arXiv:2006.10540 (logits in the limit).
    """

    query: Weights | Given
    key: Rule
    value: Rule
    out: Rule
    tokens: int
    heads: int = 1
    dropout: float = 0.0
    queries: int | None = None
    pattern: Pattern | None = None
    scale: float = 1.0

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        return self.attend((signal, signal, signal))

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input."""
        back = self.apart(gradient, (signal, signal, signal))
        value = back[2]
        return Gradient(sum(part.q for part in back), value.error, sum(part.positions for part in back), value.fresh)

    def attend(self, signals: Three) -> Signal:
        """Return the signal after the layer, of three signals."""
        return self.out.forward(self._mixed(signals))

    def apart(self, gradient: Gradient, signals: Three) -> Sequence[Gradient]:
        """Return the gradients at what queries, keys and values are made of."""
        query, key, value = self._projected(signals)
        mixed, units = self._mixed(signals), signals[1].units
        given = self.out.backward(gradient, mixed)
        n, std = self.tokens, self._logit_std(query, key)
        each = (n if self.queries is None else self.queries) / n  # queries for each key
        spread = atoms(self._fluctuation(signals))
        possible = [(softmax_moments(self._seen.own, std * math.sqrt(x)), x, p) for x, p in spread]
        own = sum(p * moments.squares for moments, _, p in possible)
        alike = self._shared(signals, self._seen.token, _pairs(query).same / query.q if query.q > 0 else 0.0, 1.0)
        squares, keep = own / (1.0 - self.dropout), 1.0 - self.dropout
        to_value = each * (squares * given.q + (each * n - 1) * alike * given.positions)
        # Of two tokens: all queries send to both keys, a_ij a_ij' in the sum of which A is missing.
        rest = (1.0 - own) * given.q + ((each * n - 1) * (1.0 - alike)) * given.positions
        to_values = each * rest / (n - 1) if n > 1 else 0.0
        # Dropped weights leave of values that are all alike something that no longer cancels.
        apart = (value.q - _pairs(value).same + self.dropout * _pairs(value).same) / keep
        slope = self.scale**2 * given.q * max(apart, 0.0)
        # The covariance D of the softmax meets that of the tokens: (1 + 1/n) tr D^2 + (tr D)^2/n, for n units.
        for_query = sum(p * (m.slope * (1.0 + 1.0 / units) + m.trace / units) for m, _, p in possible)
        to_query = slope * max(key.q - _pairs(key).same, 0.0) * for_query
        to_key = each * slope * query.q * sum(p * x * m.slope for m, x, p in possible)
        error = math.hypot(given.error, max(signal.error for signal in signals))
        return [
            self.query.backward(Gradient(to_query, error), signals[0]),
            self.key.backward(Gradient(to_key, error), signals[1]),
            self.value.backward(Gradient(to_value, error, to_values), signals[2]),
        ]

    def _projected(self, signals: Three) -> Three:
        """Return queries, keys and values."""
        query, key, value = signals
        return self.query.forward(query), self.key.forward(key), self.value.forward(value)

    @property
    def _seen(self) -> Pattern:
        """Who attends to whom."""
        return self.pattern or Pattern.everyone(self.tokens)

    def _mixed(self, signals: Three) -> Signal:
        """Return the signal between the softmax and the output weights."""
        query, key, value = self._projected(signals)
        pairs, q_pairs, seen = _pairs(value), _pairs(query), self._seen
        own = self._shared(signals, seen.own, 1.0, 1.0)
        dropped = own * self.dropout / (1.0 - self.dropout) * value.q
        # Of a query with: the same one in another input; another in the same input; another in another.
        keys = _varying(key)
        input_ = self._shared(signals, seen.inputs, query.overlap / query.q if query.q > 0 else 0.0, keys)
        token = self._shared(signals, seen.token, q_pairs.same / query.q if query.q > 0 else 0.0, 1.0)
        both = self._shared(signals, seen.both, q_pairs.other / query.q if query.q > 0 else 0.0, keys)
        q = own * value.q + (1.0 - own) * pairs.same + dropped
        same = token * value.q + (1.0 - token) * pairs.same
        other = both * value.overlap + (1.0 - both) * pairs.other
        var = (
            own * value.var + (1.0 - own) * (pairs.same - pairs.other) + (own - input_) * (value.overlap - pairs.other)
        )
        return replace(value, q=q, var=max(var, 0.0) + dropped, positions=Positions(same, other))

    def _shared(self, signals: Three, seen: Shares, queries: float, keys: float) -> float:
        """Return `E[sum_j a_j a'_j]` for two queries, from the correlations of queries and of what tells keys apart."""
        square = self._logit_std(self.query.forward(signals[0]), self.key.forward(signals[1])) ** 2
        correlation, total = min(max(queries * keys, 0.0), 1.0), 0.0
        for x, probability in atoms(self._fluctuation(signals)):
            common, aligned = common_moments(seen, math.sqrt(x * square), correlation)
            # The tokens that a query attends to are alike in one of the directions that there are.
            total += probability * (common + x * square * correlation * aligned / signals[1].units)
        return total

    def _logit_std(self, query: Signal, key: Signal) -> float:
        return self.scale * math.sqrt(max(query.q * (key.q - _pairs(key).same), 0.0))

    def _fluctuation(self, signals: Three) -> float:
        """Return the relative standard deviation of the variance of one query's logits."""
        signal = signals[1]
        if math.isinf(signal.units):
            return 0.0
        return math.sqrt(2.0 * self.heads / self.query.units + 2.0 / signal.units + signal.error**2)

    def weights(self, query: Signal, key: Signal) -> Signal:
        """Return the weights of the softmax as a signal whose units are the keys."""
        signals = (query, key, key)
        keys = _varying(key)
        own = self._shared(signals, self._seen.own, 1.0, 1.0) / self.tokens
        other = self._shared(signals, self._seen.inputs, query.overlap / query.q if query.q > 0 else 0.0, keys)
        return Signal(1.0 / self.tokens, own, max(own - other / self.tokens, 0.0), query.error)


@dataclass(frozen=True, slots=True)
class AttentionWeights:
    """The softmax of attention that is written out: what each query gives to each key.

    What comes back to queries and keys is the affair of the whole attention.

    Args:
        attention: The attention that they are the weights of.
    """

    attention: Attention

    def join(self, signals: Sequence[Signal]) -> Signal:
        """Return the weights, of queries and keys."""
        query, key = signals
        return self.attention.weights(query, key)

    def split(self, gradient: Gradient, signals: Sequence[Signal]) -> Sequence[Gradient]:
        """Return nothing: see the whole."""
        return [Gradient(math.nan), Gradient(math.nan)]


@dataclass(frozen=True, slots=True)
class AttentionBetween:
    """Attention whose queries, keys and values are made of signals of their own.

    The signals count as independent of each other, as they are once they have passed random weights of their own. Where
    queries and keys stem from tokens of the same input that is an approximation to first order in 1/units.

    Args:
        attention: What is done with them.
    """

    attention: Attention

    def join(self, signals: Sequence[Signal]) -> Signal:
        """Return the signal after the layer."""
        query, key, value = signals
        return self.attention.attend((query, key, value))

    def split(self, gradient: Gradient, signals: Sequence[Signal]) -> Sequence[Gradient]:
        """Return the gradient at each input."""
        query, key, value = signals
        return self.attention.apart(gradient, (query, key, value))


def _varying(key: Signal) -> float:
    """Return the correlation, over two inputs, of what tells keys apart."""
    pairs = _pairs(key)
    return (key.overlap - pairs.other) / (key.q - pairs.same) if key.q > pairs.same else 0.0


def _pairs(signal: Signal) -> Positions:
    """Return what two tokens have in common; tokens of which nothing is known are alike."""
    return signal.positions or Positions(signal.q, signal.overlap)
