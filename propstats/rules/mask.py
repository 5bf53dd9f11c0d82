"""Who attends to whom: masks of attention, as shares of queries that see so and so many keys."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from propstats.errors import ModelError

#: Numbers of keys with a share of the pairs of queries each; a softmax over so many stands for them.
Shares = tuple[tuple[int, float], ...]
#: Means over pairs vary little: pairs of as many inputs, and of as many queries, evenly spread, stand for all.
_INPUTS, _QUERIES = 32, 512


@dataclass(frozen=True, slots=True)
class Pattern:
    """What two queries see in common, of how many keys.

    A query that sees n keys gives them `E[sum_j a_j^2] = A(n)`. Of two queries that see n and n' keys, c of them both,
    `E[sum_j a_j a'_j] = c m A(m)/(n n')` with `m = min(n, n')`: exact where their logits are independent (`A = 1/m`),
    where they see the same keys and for many tokens; off by up to 3 % for causal masks and by up to 7 % for narrow
    bands where logits of standard deviation 1 are the same for both queries.

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
    def of(cls, seen: NDArray[np.bool_]) -> "Pattern":
        """Return the pattern of a mask.

        Args:
            seen: Whether a query sees a key, shape (..., queries, keys): one mask for all inputs, or one each. A query
                that sees none counts as one that sees all, as a softmax over equally low numbers does.

        Raises:
            ModelError: If there are no queries or no keys.
        """
        if seen.ndim < 2 or 0 in seen.shape:
            raise ModelError(f"a mask of shape {seen.shape} masks nothing", "its last axes are queries and keys")
        masks = seen.reshape(-1, *seen.shape[-2:])[:_INPUTS].astype(np.float32)
        masks[~masks.any(axis=2)] = 1.0
        if (masks == masks[0]).all():
            masks = masks[:1]
        queries = masks.shape[1]
        some = ((np.arange(min(queries, _QUERIES)) + 0.5) * queries / min(queries, _QUERIES)).astype(int)
        own, token, inputs, both = _Tally(), _Tally(), _Tally(), _Tally()
        for mask, following in zip(masks, np.roll(masks, 1, axis=0), strict=True):
            for at_one, at_two, second in ((own, token, mask), (inputs, both, following)):
                at_one.queries(mask, second)
                if queries > 1:
                    at_two.pairs(mask[some], second[some])
        if queries == 1:
            token, both = own, inputs
        return cls(own.shares, token.shares, inputs.shares, both.shares)


class _Tally:
    """Weights by number of keys, in the mean over what is added."""

    def __init__(self) -> None:
        self._sums: NDArray[np.float64] = np.zeros(1)
        self._count = 0

    def add(self, numbers: NDArray[np.int64], weights: NDArray[np.float64]) -> None:
        """Add weights of numbers of keys."""
        found = np.zeros(max(len(self._sums), int(numbers.max()) + 1))
        found[: len(self._sums)] = self._sums
        np.add.at(found, numbers, weights)
        self._sums, self._count = found, self._count + numbers.size

    def queries(self, first: NDArray[np.float32], second: NDArray[np.float32]) -> None:
        """Add each query of one mask with the same one of another."""
        n, other = first.sum(axis=1), second.sum(axis=1)
        smaller = np.minimum(n, other)
        self.add(smaller.astype(np.int64), (first * second).sum(axis=1) * smaller / (n * other))

    def pairs(self, first: NDArray[np.float32], second: NDArray[np.float32]) -> None:
        """Add each query of one mask with all others of another."""
        n, other = first.sum(axis=1), second.sum(axis=1)
        smaller, different = np.minimum.outer(n, other), ~np.eye(len(n), dtype=bool)
        weights = (first @ second.T) * smaller / np.multiply.outer(n, other)
        self.add(smaller[different].astype(np.int64), weights[different])

    @property
    def shares(self) -> Shares:
        """The mean weight of each number."""
        return tuple((int(n), float(self._sums[n]) / self._count) for n in np.flatnonzero(self._sums))
