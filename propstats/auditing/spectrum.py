"""The Jacobian of a real network, of any size, on real data: known by its products with vectors, never formed."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from propstats.auditing.data.find import Places
from propstats.auditing.data.load import DEFAULT_SAMPLES
from propstats.auditing.loading.access import SAFE, Access
from propstats.auditing.measuring.running import evaluating
from propstats.auditing.provenance import DataInfo, ModelInfo
from propstats.auditing.subject import load_subject
from propstats.errors import DataError, DomainError, ModelError
from propstats.estimate import Estimate, Route
from propstats.simulation.averages import mean_of, normalised_variance_of
from propstats.simulation.matrix_free.density import Transposed, lanczos_quadrature
from propstats.simulation.matrix_free.largest import Operator, largest
from propstats.simulation.matrix_free.operator import JacobianOperator, copies, formed
from propstats.simulation.stream import Stream
from propstats.text import reason_of

#: A Jacobian with at most so many rows or columns is formed: that many products give all its singular values exactly.
_FORMED = 64
_STEPS = 40
_BINS = 40
_TOLERANCE = 1e-4
#: Bytes for the vectors of one Krylov space.
_BASIS_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class MeasuredHistogram:
    """The density of singular values between ascending edges, in the mean over inputs, with standard errors."""

    edges: tuple[float, ...]
    density: tuple[float, ...]
    error: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class MeasuredSpectrum:
    """The singular values of a network's Jacobian, of which there are as many as inputs or outputs (the fewer).

    Args:
        model: Which network.
        data: Which data.
        inputs: At how many samples; standard errors come from them.
        rows: Outputs of the network.
        columns: Inputs of the network.
        seed: Seed of the samples and directions.
        mean_square: Mean squared singular value.
        normalised_variance: Variance of the squared singular values, of all inputs, divided by their squared mean.
        max: Largest singular value.
        top: The largest ones in descending order, each in the mean over inputs.
        residual: How far a value of `top` may be from a singular value, at most, relative to the largest.
        histogram: Their density.
    """

    model: ModelInfo
    data: DataInfo
    inputs: int
    rows: int
    columns: int
    seed: int
    mean_square: Estimate
    normalised_variance: Estimate
    max: Estimate
    top: tuple[Estimate, ...]
    residual: float
    histogram: MeasuredHistogram


def spectrum(
    model: str | os.PathLike[str] | nn.Module,
    data: Any = "digits",
    *,
    inputs: int = 16,
    top: int = 10,
    access: Access = SAFE,
    normalize: str | None = None,
    places: Places | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> MeasuredSpectrum:
    """Measure the singular values of a network's Jacobian at samples of data.

    Networks with few inputs or outputs are measured exactly. For others the largest values come from block
    Golub-Kahan-Lanczos, the density from stochastic Lanczos quadrature and the mean square from the same random
    directions (Hutchinson); memory stays bounded whatever the width.

    Args:
        model: A file (a pickled module of torch.nn classes, a state_dict or safetensors), a folder of such, or a
            module, which is left as it was. Nothing in a file is executed unless `access` says so.
        data: A name, file or factory that `propstats.auditing.data.load.load_data` knows, a tensor of shape
            (samples, ...), a torch DataLoader, or an iterable of batches.
        inputs: At how many samples, drawn without replacement.
        top: How many of the largest values.
        access: What is permitted when a file is loaded, and what its weights belong to.
        normalize: `none`, `global`, `feature` or `batch`; by default what the data set is used with.
        places: Where data sets with a name are kept, and whether they may be downloaded.
        seed: Seed of the samples and directions.
        progress: Called with the number of inputs that are done and that there are.

    Raises:
        ModelError: If the model cannot be loaded or differentiated, or its Jacobian is not finite.
        DataError: If the data cannot be loaded, or the model refuses them.
        DomainError: If a number is out of range.

    >>> weights = torch.diag(torch.tensor([3.0, 1.0]))
    >>> linear = nn.Linear(2, 2, bias=False)
    >>> _ = linear.load_state_dict({"weight": weights})
    >>> found = spectrum(linear, torch.randn(8, 2), inputs=4)
    >>> found.max.value, found.mean_square.value
    (3.0, 5.0)
    """
    for name, value in (("inputs", inputs), ("top", top)):
        if value < 1:
            raise DomainError(f"{name} must be at least 1, got {value}")
    samples = max(DEFAULT_SAMPLES, inputs)
    subject = load_subject(model, data, access=access, normalize=normalize, samples=samples, seed=seed, places=places)
    if not subject.inputs.is_floating_point():
        raise DataError("the inputs are tokens, by which nothing is differentiated", "audit measures such networks")
    stream = Stream(seed, 0, torch.device("cpu"), torch.float64)
    chosen = stream.uniform(len(subject.inputs)).argsort()[:inputs]
    points = subject.inputs[chosen]
    found: torch.Tensor
    with evaluating(subject.network), torch.enable_grad():
        operator = _operator(subject.network, points)
        rows, columns = operator.rows, operator.columns
        if min(rows, columns) <= _FORMED:
            nodes = torch.linalg.svdvals(formed(operator))
            weights = torch.full_like(nodes, 1 / nodes.shape[1])
            found, residual = nodes[:, :top], 0.0
        else:
            # From the side where there are no more directions than singular values.
            side: Operator = operator if columns <= rows else Transposed(operator)
            nodes, weights = lanczos_quadrature(side, stream.normal(len(points), side.columns), _STEPS)
            del operator, side  # and the activations that they hold
            found, residual = _top(subject.network, points, top, stream, progress)
    square, fourth = ((weights * nodes**power).sum(dim=1).numpy() for power in (2, 4))
    return MeasuredSpectrum(
        model=subject.model,
        data=subject.data,
        inputs=len(points),
        rows=rows,
        columns=columns,
        seed=seed,
        mean_square=mean_of(square, Route.MEASURED),
        normalised_variance=normalised_variance_of(square, fourth, Route.MEASURED),
        max=mean_of(found[:, 0].numpy(), Route.MEASURED),
        top=tuple(mean_of(value, Route.MEASURED) for value in found.T.numpy()),
        residual=residual,
        histogram=_histogram(nodes, weights, float(found[:, 0].max())),
    )


def _operator(network: nn.Module, points: torch.Tensor) -> JacobianOperator:
    shape = "x".join(map(str, points.shape[1:]))
    try:
        operator = JacobianOperator(network, points)
        product = operator.transposed_times(torch.ones(len(points), operator.rows))
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
        what = f"the model cannot be differentiated at inputs of shape {shape}: {reason_of(error)}"
        raise DataError(what) from None
    if not torch.isfinite(product).all():
        raise ModelError("the network's Jacobian is not finite", "propstats audit says in which layer that begins")
    return operator


def _top(
    network: nn.Module,
    points: torch.Tensor,
    count: int,
    stream: Stream,
    progress: Callable[[int, int], None] | None,
) -> tuple[torch.Tensor, float]:
    """Return the largest singular values of each input, and the largest residual relative to the largest value."""
    values, residual = [], 0.0
    for done, point in enumerate(points, 1):
        operator = _operator(network, copies(point, 2 * count))
        room = _BASIS_BYTES // (8 * (operator.rows + operator.columns))
        basis = min(512, max(room, 6 * count), operator.rows, operator.columns)
        start = stream.normal(2 * count, operator.columns)
        one = largest(operator, start, count, tolerance=_TOLERANCE, basis=basis)
        values.append(torch.tensor(one.values, dtype=torch.float64))
        residual = max(residual, max(one.errors) / one.values[0] if one.values[0] > 0 else 0.0)
        if progress is not None:
            progress(done, len(points))
    return torch.stack(values), residual


def _histogram(nodes: torch.Tensor, weights: torch.Tensor, top: float) -> MeasuredHistogram:
    edges = np.linspace(0.0, 1.02 * top or 1.0, _BINS + 1)
    width = edges[1] - edges[0]
    shares = np.stack(
        [np.histogram(at, edges, weights=mass)[0] for at, mass in zip(nodes.numpy(), weights.numpy(), strict=True)]
    )
    bins = [mean_of(share / width, Route.MEASURED) for share in shares.T]
    return MeasuredHistogram(tuple(edges.tolist()), tuple(one.value for one in bins), tuple(one.error for one in bins))
