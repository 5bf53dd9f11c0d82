"""A closer look: what the units of a layer have in common, on some of the samples, where a rule asks for it."""

import math
from collections.abc import Callable
from typing import Final

import torch
from torch import nn

from propstats.auditing.measuring.batches import Batch, arguments, batches_of, part
from propstats.auditing.measuring.running import evaluating
from propstats.auditing.measuring.trees import tensors_in, with_tensors
from propstats.estimate import Estimate, Route

#: Samples that are looked at, in batches; units and positions of each that are kept: megabytes a layer at most.
SAMPLES: Final = 512
_BATCH: Final = 128
_UNITS: Final = 256
_POSITIONS: Final = 4
#: Groups of samples that are left out in turn: their scatter gives the standard errors.
_GROUPS: Final = 10

WEIGHTS: Final = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)

Statistic = Callable[[torch.Tensor], float]


class Closer:
    """The layers of weights of a network, seen once more by some of the samples.

    Args:
        network: The network; it is left as it was.
        data: Some of the data.
    """

    def __init__(self, network: nn.Module, data: Batch) -> None:
        self._network = network
        self._data = part(data, slice(SAMPLES))
        self._seen: tuple[dict[str, list[torch.Tensor]], dict[str, list[torch.Tensor]]] | None = None

    @property
    def data(self) -> torch.Tensor:
        """The samples that are looked at; the first argument, where the network takes several."""
        return tensors_in(self._data)[0]

    def outputs(self, name: str) -> torch.Tensor | None:
        """Return what a layer's first call gave, shape (samples, positions, units); None if it was not seen."""
        return self._of(1, name)

    def inputs(self, name: str) -> torch.Tensor | None:
        """Return what a layer's first call got, shape (samples, positions, units); None if it was not seen."""
        return self._of(0, name)

    def _of(self, which: int, name: str) -> torch.Tensor | None:
        if self._seen is None:
            self._seen = self._look()
        parts = self._seen[which].get(name)
        return torch.cat(parts).double() if parts else None

    def _look(self) -> tuple[dict[str, list[torch.Tensor]], dict[str, list[torch.Tensor]]]:
        inputs: dict[str, list[torch.Tensor]] = {}
        outputs: dict[str, list[torch.Tensor]] = {}
        called: set[str] = set()

        def hook(name: str) -> Callable[..., None]:
            def keep(module: nn.Module, args: tuple[object, ...], output: object) -> None:
                if name in called or not args or not isinstance(args[0], torch.Tensor):
                    return
                called.add(name)
                inputs.setdefault(name, []).append(_thinned(args[0], module))
                if isinstance(output, torch.Tensor):
                    outputs.setdefault(name, []).append(_thinned(output, module))

            return keep

        handles = [m.register_forward_hook(hook(n)) for n, m in self._network.named_modules() if isinstance(m, WEIGHTS)]
        try:
            with evaluating(self._network), torch.no_grad():
                for batch in batches_of(self._data, _BATCH):
                    called.clear()
                    args, kwargs = arguments(with_tensors(batch, torch.clone))
                    self._network(*args, **kwargs)
        finally:
            for handle in handles:
                handle.remove()
        return inputs, outputs


def estimate(values: torch.Tensor, statistic: Statistic) -> Estimate:
    """Return a statistic of samples with its jackknife standard error over groups of samples.

    Args:
        values: Shape (samples, ...).
        statistic: What to compute of any number of samples.

    References:
        Efron & Tibshirani 1993, An Introduction to the Bootstrap, section 11.5.

    >>> found = estimate(torch.arange(100.0), lambda x: float(x.mean()))
    >>> round(found.value, 2), round(found.error, 2)
    (49.5, 2.46)
    """
    n = len(values)
    groups = min(_GROUPS, n)
    # At random, because data may come in an order: then neither blocks nor strides are as good as drawn.
    part = torch.randperm(n, generator=torch.Generator().manual_seed(0)) % groups
    without = [statistic(values[part != group]) for group in range(groups)]
    mean = sum(without) / groups
    scatter = sum((value - mean) ** 2 for value in without)
    return Estimate(statistic(values), math.sqrt(scatter * (groups - 1) / groups), Route.MEASURED, n)


def covariance(values: torch.Tensor) -> torch.Tensor:
    """Return the covariance of units over samples and positions, shape (units, units).

    Args:
        values: Shape (samples, positions, units).
    """
    rows = values.flatten(0, 1)
    centred = rows - rows.mean(dim=0)
    return centred.T @ centred / max(len(rows) - 1, 1)


def off_diagonal(cov: torch.Tensor) -> float:
    """Return the Frobenius norm of a matrix without its diagonal.

    >>> off_diagonal(torch.tensor([[1.0, 3.0], [4.0, 1.0]]))
    5.0
    """
    return math.sqrt(float((cov - torch.diag(cov.diagonal())).square().sum()))


def effective_rank(values: torch.Tensor) -> float:
    """Return the participation ratio `(tr C)^2 / tr C^2` of the covariance over the data: how many directions vary.

    Args:
        values: Shape (samples, positions, units); positions count as units, too.

    >>> effective_rank(torch.tensor([[[1.0, 2.0]], [[2.0, 4.0]], [[3.0, 6.0]]]))
    1.0
    """
    rows = values.flatten(1)
    centred = rows - rows.mean(dim=0)
    gram = centred @ centred.T
    total = float(gram.diagonal().sum())
    return total**2 / float(gram.square().sum()) if total > 0.0 else 0.0


def _thinned(tensor: torch.Tensor, module: nn.Module) -> torch.Tensor:
    """Return some of the units at some of the positions, shape (samples, positions, units)."""
    x = tensor.detach()
    is_linear = isinstance(module, nn.Linear)
    x = x.reshape(len(x), -1, x.shape[-1]) if is_linear else x.flatten(2).transpose(1, 2)
    positions = torch.linspace(0, x.shape[1] - 1, min(_POSITIONS, x.shape[1])).round().long()
    units = torch.linspace(0, x.shape[2] - 1, min(_UNITS, x.shape[2])).round().long()
    return x[:, positions][:, :, units].float().clone()
