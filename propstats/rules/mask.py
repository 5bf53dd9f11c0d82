"""Who attends to whom: masks of attention, as shares of queries that see so and so many keys."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from propstats.errors import ModelError

#: What a query gives to each key where logits do not vary.
Row = tuple[float, ...]
#: Keys with a weight each, of the pairs of queries that see them: so many of them, all alike; or unequal ones, of both
#: queries. Softmaxes over them stand for those queries.
Shares = tuple[tuple[int, float], ...] | tuple[tuple[tuple[Row, Row], float], ...]
#: Means over pairs vary little: pairs of as many inputs, and of as many queries, evenly spread, stand for all.
_INPUTS, _QUERIES = 32, 512
#: So many pairs stand for all where keys have unequal shares, fewer where they have many keys; and of so many they are
#: drawn, of two inputs at least.
_ROWS, _NUMBERS, _PAIRS = 64, 4096, 1 << 24
#: A number of keys is whole but for rounding.
_WHOLE = 1e-6


@dataclass(frozen=True, slots=True)
class Pattern:
    """What two queries see in common, of how many keys.

    A query that sees n keys gives them `E[sum_j a_j^2] = A(n)`. Of two queries that see n and n' keys, c of them both,
    `E[sum_j a_j a'_j] = c m A(m)/(n n')` with `m = min(n, n')`: exact where their logits are independent (`A = 1/m`),
    where they see the same keys and for many tokens; off by up to 3 % for causal masks and by up to 7 % for narrow
    bands where logits of standard deviation 1 are the same for both queries.

    Keys whose logits have a bias get unequal shares. A few pairs of queries stand for all of those, drawn in proportion
    to what both see: means are right to 1 to 3 % for logits of standard deviation 1, to 6 % for 2, and exact where
    logits do not vary.

    Args:
        own: Of a query with itself.
        token: Of two queries of one input.
        inputs: Of the same query in two inputs.
        both: Of two queries, of two inputs.

    >>> Pattern.causal(2, 2).own
    ((1, 0.5), (2, 0.5))
    >>> Pattern.causal(2, 2).token
    ((1, 0.5),)
    """

    own: Shares
    token: Shares
    inputs: Shares
    both: Shares

    @classmethod
    def everyone(cls, tokens: int) -> "Pattern":
        """Return the pattern of attention without a mask."""
        alike = ((tokens, 1.0),)
        return cls(alike, alike, alike, alike)

    @classmethod
    def causal(cls, queries: int, keys: int) -> "Pattern":
        """Return the pattern of queries that see the keys up to their own number."""
        seen = np.minimum(np.arange(1, queries + 1), keys)
        own = _Tally()
        own.add(seen, np.ones(queries))
        if queries == 1:
            return cls(own.shares, own.shares, own.shares, own.shares)
        # Of two queries the earlier sees m keys, which the later sees as well: m/n' for each of those that follow.
        following = np.cumsum(1.0 / seen[::-1])[::-1] - 1.0 / seen
        pairs = _Tally()
        pairs.add(seen, seen * following * 2.0 / (queries - 1))
        return cls(own.shares, pairs.shares, own.shares, pairs.shares)

    @classmethod
    def of(cls, seen: NDArray[np.bool_] | NDArray[np.floating], heads: int = 1) -> "Pattern":
        """Return the pattern of a mask.

        Args:
            seen: Whether a query sees a key, shape (..., queries, keys): one mask for all inputs, or one each. Or what
                is added to its logits, minus infinity where it does not. A query that sees none counts as one that sees
                all, as a softmax over equally low numbers does.
            heads: How many masks each input has; they follow each other.

        Raises:
            ModelError: If there are no queries or no keys.
        """
        if seen.ndim < 2 or 0 in seen.shape:
            raise ModelError(f"a mask of shape {seen.shape} masks nothing", "its last axes are queries and keys")
        masks = seen.reshape(-1, heads, *seen.shape[-2:])[:_INPUTS]
        if (masks == masks[0]).all():
            masks = masks[:1]
        shares = _shares(masks)
        largest = shares.max(axis=-1, keepdims=True)
        if not ((shares == 0.0) | (shares > (1.0 - _WHOLE) * largest)).all():
            return cls._biased(shares)
        queries = shares.shape[2]
        some = _evenly(queries)
        own, token, inputs, both = _Tally(), _Tally(), _Tally(), _Tally()
        for of_input, following in zip(shares, np.roll(shares, 1, axis=0), strict=True):
            for one, other in zip(of_input, following, strict=True):
                for at_one, at_two, second in ((own, token, one), (inputs, both, other)):
                    at_one.queries(one, second)
                    if queries > 1:
                        at_two.pairs(one[some], second[some])
        if queries == 1:
            token, both = own, inputs
        return cls(own.shares, token.shares, inputs.shares, both.shares)

    @classmethod
    def _biased(cls, shares: NDArray[np.float64]) -> "Pattern":
        """Return the pattern of keys with unequal shares, shape (inputs, heads, queries, keys)."""
        some = shares[:, :, _evenly(shares.shape[2])]
        some = some[: max(2, _PAIRS // (some.shape[1] * some.shape[2] ** 2))]
        following = np.roll(some, 1, axis=0)
        different = ~np.eye(some.shape[2], dtype=bool)
        alone = not different.any()
        own, inputs = _drawn(some, some, ~different), _drawn(some, following, ~different)
        return cls(
            own,
            own if alone else _drawn(some, some, different),
            inputs,
            inputs if alone else _drawn(some, following, different),
        )


def _evenly(queries: int) -> NDArray[np.int_]:
    """Return as many queries as stand for all of them, evenly spread."""
    few = min(queries, _QUERIES)
    return ((np.arange(few) + 0.5) * queries / few).astype(int)


def _drawn(first: NDArray[np.float64], second: NDArray[np.float64], pairs: NDArray[np.bool_]) -> Shares:
    """Return pairs of queries in proportion to what both see, which stand for all.

    Args:
        first: What queries give to keys, shape (inputs, heads, queries, keys).
        second: The same of the others.
        pairs: Which pairs count, shape (queries, queries).
    """
    common = np.where(pairs, first @ second.swapaxes(-1, -2), 0.0)
    running = np.cumsum(common)
    if running[-1] == 0.0:
        return ()
    mean = float(running[-1]) / (common[..., 0, 0].size * int(pairs.sum()))
    rows = max(4, min(_ROWS, _NUMBERS // first.shape[-1]))
    drawn = np.searchsorted(running, (np.arange(rows) + 0.5) / rows * running[-1])
    inputs, heads, one, other = np.unravel_index(drawn, common.shape)
    ones, others = first[inputs, heads, one], second[inputs, heads, other]
    weights = mean / rows / (ones * others).sum(axis=1)
    rows_of = zip(map(tuple, ones.tolist()), map(tuple, others.tolist()), strict=True)
    return tuple((pair, float(weight)) for pair, weight in zip(rows_of, weights, strict=True))


def _shares(masks: NDArray[np.bool_] | NDArray[np.floating]) -> NDArray[np.float64]:
    """Return what a query gives to each key whose logits are what the mask adds to them."""
    logits = np.where(masks, 0.0, -np.inf) if masks.dtype == np.bool_ else masks.astype(np.float64)
    highest = logits.max(axis=-1, keepdims=True)
    weights = np.where(np.isneginf(highest), 1.0, np.exp(logits - np.where(np.isneginf(highest), 0.0, highest)))
    found: NDArray[np.float64] = weights / weights.sum(axis=-1, keepdims=True)
    return found


class _Tally:
    """Weights by number of keys, in the mean over what is added."""

    def __init__(self) -> None:
        self._sums: NDArray[np.float64] = np.zeros(1)
        self._count = 0

    def add(self, numbers: NDArray[np.integer] | NDArray[np.floating], weights: NDArray[np.float64]) -> None:
        """Add weights of numbers of keys; between two whole numbers both have a part, so that 1/number is as given."""
        low = np.maximum(np.floor(numbers + _WHOLE), 1.0)
        part = np.clip((numbers - low) * (low + 1.0) / numbers, 0.0, 1.0)
        part[part < _WHOLE] = 0.0
        keys = low.astype(np.int64)
        found = np.zeros(max(len(self._sums), int(keys.max()) + 2))
        found[: len(self._sums)] = self._sums
        np.add.at(found, keys, weights * (1.0 - part))
        np.add.at(found, keys + 1, weights * part)
        self._sums, self._count = found, self._count + numbers.size

    def queries(self, first: NDArray[np.float64], second: NDArray[np.float64]) -> None:
        """Add each query of one mask with the same one of another."""
        smaller = np.minimum(_keys(first), _keys(second))
        self.add(smaller, (first * second).sum(axis=1) * smaller)

    def pairs(self, first: NDArray[np.float64], second: NDArray[np.float64]) -> None:
        """Add each query of one mask with all others of another."""
        smaller, different = np.minimum.outer(_keys(first), _keys(second)), ~np.eye(len(first), dtype=bool)
        self.add(smaller[different], ((first @ second.T) * smaller)[different])

    @property
    def shares(self) -> Shares:
        """The mean weight of each number."""
        return tuple((int(n), float(self._sums[n]) / self._count) for n in np.flatnonzero(self._sums))


def _keys(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return as how many keys with equal shares those of each query count."""
    found: NDArray[np.float64] = 1.0 / np.square(shares).sum(axis=1)
    return found
