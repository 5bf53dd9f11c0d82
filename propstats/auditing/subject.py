"""What is measured: a network, and the data that run through it."""

import math
import os
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from propstats.auditing.data.dataset import Dataset, fitted
from propstats.auditing.data.find import Places
from propstats.auditing.data.load import open_data
from propstats.auditing.loading.access import SAFE, Access
from propstats.auditing.loading.load import load_model
from propstats.auditing.loading.programs import watchable
from propstats.auditing.measuring.leaves import unwrapped
from propstats.auditing.placement import on_cpu
from propstats.auditing.provenance import DataInfo, ModelInfo
from propstats.errors import DataError


@dataclass(frozen=True, slots=True)
class Subject:
    """A network with its inputs, and what a report says of both."""

    network: nn.Module
    dataset: Dataset
    model: ModelInfo
    data: DataInfo

    @property
    def inputs(self) -> torch.Tensor:
        """All inputs at once, (samples, ...)."""
        return self.dataset.inputs


def load_subject(
    model: str | os.PathLike[str] | nn.Module,
    data: Any,
    *,
    access: Access = SAFE,
    normalize: str | None = None,
    samples: int | None = None,
    seed: int = 0,
    places: Places | None = None,
) -> Subject:
    """Load a network and data, and bring them together.

    Args:
        model: A file (a pickled module of torch.nn classes, a state_dict or safetensors), a folder of such, or a
            module. Nothing in a file is executed unless `access` says so.
        data: A name, file or factory that `propstats.auditing.data.load.load_data` knows, a tensor of shape
            (samples, ...), a DataLoader, or an iterable of batches.
        access: What is permitted when a file is loaded, and what its weights belong to.
        normalize: `none`, `global`, `feature` or `batch`; by default what the data set is used with.
        samples: How many samples to use; None for all.
        seed: Of the choice of samples.
        places: Where data sets with a name are kept, and whether they may be downloaded.

    Raises:
        ModelError: If the model cannot be loaded.
        DataError: If the data cannot be loaded, or hold fewer than two samples.
    """
    if isinstance(model, nn.Module):
        parameters = sum(p.numel() for p in model.parameters())
        network, info = unwrapped(model), ModelInfo(None, None, "torch module in memory", False, parameters)
    else:
        loaded = load_model(model, access)
        network, info = loaded.model, loaded.info
    network = on_cpu(network)
    dataset, layout = _fit(network, open_data(data, normalize=normalize, samples=samples, seed=seed, places=places))
    if isinstance(network, torch.jit.ScriptModule):
        network = watchable(network, next(dataset.pairs(2)).inputs, name=info.path or "the network")
    return Subject(network, dataset, info, dataset.info(layout))


def _fit(model: nn.Module, data: Dataset) -> tuple[Dataset, str]:
    """Give the model the data in its own precision, and flat if that is the only way its first layer fits."""
    if data.samples is not None and data.samples < 2:
        raise DataError("one sample has no variance over the data", "audit with at least 2 samples, better hundreds")
    kind = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    first = next((module for module in model.modules() if not any(module.children())), None)
    wanted = first.in_features if isinstance(first, nn.Linear) else None
    if not data.dtype.is_floating_point and _counts_numbers(model):
        data = replace(data, dtype=kind)
    numbers = math.prod(data.shape)
    flat = wanted is not None and data.shape[-1:] != (wanted,) and numbers == wanted
    return fitted(data, dtype=kind, flat=flat), f"flattened to {numbers}" if flat else "as it is"


def _counts_numbers(model: nn.Module) -> bool:
    """Say whether whole numbers can only be numbers: a network for tokens looks them up first."""
    leaves = [module for module in model.modules() if not any(module.children())]
    first = next((module for module in leaves if any(True for _ in module.parameters())), None)
    looks_up = any(isinstance(module, nn.Embedding | nn.EmbeddingBag) for module in leaves)
    return isinstance(first, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d) and not looks_up
