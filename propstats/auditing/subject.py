"""What is measured: a network, and the data that run through it."""

import math
import os
from dataclasses import dataclass

import torch
from torch import nn

from propstats.auditing.data.load import Dataset, load_data
from propstats.auditing.loading.access import SAFE, Access
from propstats.auditing.loading.load import load_model
from propstats.auditing.loading.programs import watchable
from propstats.auditing.records import DataInfo, ModelInfo
from propstats.errors import DataError


@dataclass(frozen=True, slots=True)
class Subject:
    """A network with its inputs, and what a report says of both."""

    network: nn.Module
    inputs: torch.Tensor
    model: ModelInfo
    data: DataInfo


def load_subject(
    model: str | os.PathLike[str] | nn.Module,
    data: str | torch.Tensor,
    *,
    access: Access = SAFE,
    normalize: str | None = None,
) -> Subject:
    """Load a network and data, and bring them together.

    Args:
        model: A file (a pickled module of torch.nn classes, a state_dict or safetensors), a folder of such, or a
            module. Nothing in a file is executed unless `access` says so.
        data: A name or a file that `propstats.auditing.data.load.load_data` knows, or a tensor of shape (samples, ...).
        access: What is permitted when a file is loaded, and what its weights belong to.
        normalize: `none`, `global` or `feature`; by default what the data set is used with.

    Raises:
        ModelError: If the model cannot be loaded.
        DataError: If the data cannot be loaded, or hold fewer than two samples.
    """
    if isinstance(model, nn.Module):
        parameters = sum(p.numel() for p in model.parameters())
        network, info = model, ModelInfo(None, None, "torch module in memory", False, parameters)
    else:
        loaded = load_model(model, access)
        network, info = loaded.model, loaded.info
    dataset = Dataset("tensor", "", data, None, "none") if isinstance(data, torch.Tensor) else load_data(
        data, normalize=normalize
    )  # fmt: skip
    inputs, layout = _fit(network, dataset.inputs)
    network = watchable(network, inputs[:2], name=info.path or "the network")
    shape = tuple(dataset.inputs.shape[1:])
    described = DataInfo(dataset.name, dataset.sha256 or None, len(inputs), shape, layout, dataset.normalization)
    return Subject(network, inputs, info, described)


def _fit(model: nn.Module, inputs: torch.Tensor) -> tuple[torch.Tensor, str]:
    """Give the model the data in its own precision, and flat if that is the only way its first layer fits."""
    if inputs.ndim < 2 or len(inputs) == 0:
        raise DataError(f"data of shape {tuple(inputs.shape)} hold no samples", "the first axis counts samples")
    if len(inputs) < 2:
        raise DataError("one sample has no variance over the data", "audit with at least 2 samples, better hundreds")
    kind = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    if inputs.is_floating_point():
        inputs = inputs.to(kind)
    first = next((module for module in model.modules() if not any(module.children())), None)
    wanted = first.in_features if isinstance(first, nn.Linear) else None
    numbers = math.prod(inputs.shape[1:])
    if wanted is not None and inputs.shape[-1] != wanted and numbers == wanted:
        return inputs.flatten(1), f"flattened to {numbers}"
    return inputs, "as it is"
