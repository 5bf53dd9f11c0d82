"""Sums for each column of a stream of rows, at one call of torch for each tensor."""

from typing import Final

import torch

#: From so many columns on, a row of them keeps a processor busy.
WIDE: Final = 32
#: So many rows are averaged in their own precision, which rounds a mean by at most this many times 2**-24 of itself.
ROWS: Final = 256
#: So many averages wait until they are added up, all at once: a dozen small calls cost more than reading numbers.
_WAITING: Final = 32


class RowSums:
    """Sums and sums of squares of columns, added up now and then.

    >>> sums, total = RowSums(), torch.zeros(2, 2, dtype=torch.float64)
    >>> sums.add(torch.tensor([[1.0, 5.0], [3.0, 5.0]]), None, total)
    >>> sums.into(total)
    >>> total.tolist()
    [[4.0, 10.0], [10.0, 50.0]]
    """

    def __init__(self) -> None:
        self._counts: list[int] = []
        self._found: list[torch.Tensor] = []

    def add(self, values: torch.Tensor, centre: torch.Tensor | None, total: torch.Tensor) -> None:
        """Take the deviations of numbers of shape (rows, columns) from a centre, shape (columns,), or from zero.

        Args:
            values: The numbers, in single or double precision.
            centre: The same until the next `into`, in the precision of the numbers or a higher one.
            total: Where sums go when too many averages wait, as in `into`.
        """
        for block in reversed(torch.split(values, ROWS)) if values.shape[0] > ROWS else (values,):
            deviations = block if centre is None else block - centre
            # The first half of a batch norm: mean and variance in two quick passes, which `torch.var_mean` is not.
            self._found += torch.batch_norm_update_stats(deviations, None, None, 0.0)
            self._counts.append(block.shape[0])
        if len(self._counts) >= _WAITING:
            self.into(total)

    def into(self, total: torch.Tensor) -> None:
        """Add what was taken to sums and sums of squares, shape (2, columns), and forget it."""
        if not self._counts:
            return
        counts = torch.tensor(self._counts, dtype=torch.float64).to(total.device)
        means, variances = self._found[::2], self._found[1::2]
        mean, variance = torch.stack(means).double(), torch.stack(variances).double()
        total += torch.stack([counts @ mean, counts @ variance.addcmul_(mean, mean)])
        self._counts, self._found = [], []
