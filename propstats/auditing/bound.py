"""Proposition 1 for every weight of a file, and the first layer's covariance on real data."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from propstats.auditing.covariance import MeasuredCovariance, measure
from propstats.auditing.data.find import Places
from propstats.auditing.data.load import load_data
from propstats.auditing.loading.access import SAFE, Access
from propstats.auditing.matrices import Matrices, Matrix, read_matrices
from propstats.auditing.provenance import DataInfo, ModelInfo
from propstats.auditing.records import Skipped
from propstats.errors import DomainError, ModelError
from propstats.theory.weights.coherence import CanonicalError, canonical_error, check_std

_ROWS_AS_STORED: Final = (
    "the file names no layers: rows are taken as they are stored, those of transposed or grouped convolutions and of "
    "embeddings too"
)


@dataclass(frozen=True, slots=True)
class WeightBound:
    """Proposition 1 for one weight.

    Args:
        name: Its name in the file.
        type: The layer it belongs to, or `weight` if the file does not say.
        shape: Its shape in the file.
        groups: Groups of units with inputs of their own.
        canonical: Both sides of the proposition.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    groups: int
    canonical: CanonicalError


@dataclass(frozen=True, slots=True)
class BoundReport:
    """Everything `propstats bound` prints.

    Args:
        model: The file.
        std: Standard deviation of the uncorrelated inputs that the proposition is about.
        weights: Its weights.
        skipped: What was left out, with the reason.
        data: The data, if there were any.
        first: The first layer on these data.
        notes: What a reader should know of the numbers.
    """

    model: ModelInfo
    std: float
    weights: tuple[WeightBound, ...]
    skipped: tuple[Skipped, ...]
    data: DataInfo | None
    first: MeasuredCovariance | None
    notes: tuple[str, ...]


def bound(
    path: str | os.PathLike[str],
    *,
    std: float = 1.0,
    data: str | None = None,
    normalize: str | None = None,
    places: Places | None = None,
    access: Access = SAFE,
    progress: Callable[[int, int], None] | None = None,
) -> BoundReport:
    """Return, for each weight of a file, how far `Cov(Wx)` is from diagonal, exactly and by Proposition 1.

    Args:
        path: A .npy array with a unit in each row, a state_dict, safetensors, or a pickled network of torch.nn layers.
        std: Standard deviation of the inputs, which the proposition takes to be uncorrelated.
        data: Real inputs for the first layer, as in `propstats.audit`.
        normalize: What to do with the data first, as in `propstats.audit`.
        places: Where data sets with a name are kept, and whether they may be downloaded.
        access: What is permitted when the file is loaded, and what its weights belong to.
        progress: Called with the number of weights that are done and of all.

    Raises:
        UnsafeModelError: If loading the file would execute code; nothing was executed.
        ModelError: If the file cannot be used, or a weight is not finite.
        DataError: If the data cannot be used or do not fit the first layer.
        DomainError: If `std` is not a positive number.

    References:
        Arpit et al. 2016, arXiv:1603.01431, Proposition 1, Eq. 3.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/weights.npy", np.array([[1.0, 0.0], [0.6, 0.8]]))
    ...     [found] = bound(f"{folder}/weights.npy").weights
    >>> round(found.canonical.coherence.value, 12), round(found.canonical.off_diagonal.value, 12)  # 0.6, 0.6 sqrt(2)
    (0.6, 0.848528137424)
    """
    check_std(std)
    if normalize is not None and data is None:
        raise DomainError("--normalize is for data", "add --data")
    matrices = read_matrices(path, access)
    weights = []
    for done, matrix in enumerate(matrices.found):
        weights.append(_of(matrix, matrices, std))
        if progress is not None:
            progress(done + 1, len(matrices.found))
    info, first = None, None
    if data is not None:
        loaded = load_data(data, normalize=normalize, places=places)
        info = loaded.info()
        first = measure(matrices.found[0], rows_of(matrices.found[0]), loaded.inputs)
    notes = () if matrices.found[0].module is not None else (_ROWS_AS_STORED,)
    return BoundReport(matrices.model, std, tuple(weights), matrices.skipped, info, first, notes)


def rows_of(matrix: Matrix) -> NDArray[np.generic]:
    """Return the rows as an array; numpy knows neither bfloat16 nor what is smaller."""
    known = matrix.rows.dtype in (torch.float16, torch.float32, torch.float64)
    return (matrix.rows if known else matrix.rows.float()).numpy()


def _of(matrix: Matrix, matrices: Matrices, std: float) -> WeightBound:
    try:
        canonical = canonical_error(rows_of(matrix), std=std, groups=matrix.groups)
    except DomainError as error:
        raise ModelError(f"{matrices.model.path}: {matrix.name}: {error.message}", error.hint) from error
    return WeightBound(matrix.name, matrix.kind, matrix.shape, matrix.groups, canonical)
