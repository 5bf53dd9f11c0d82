"""A model file -> a network that can be run, without running anything that the file brings along."""

import os
from dataclasses import dataclass, replace

import torch
from torch import nn

from propstats.auditing.loading.access import SAFE, USE_ARCH, Access
from propstats.auditing.loading.architectures import build
from propstats.auditing.loading.content import ModelContent, read_file
from propstats.auditing.loading.finding import without_keys
from propstats.auditing.loading.folders import is_folder, read_folder
from propstats.auditing.loading.weights import load_weights
from propstats.auditing.provenance import ModelInfo
from propstats.errors import ModelError, WeightsOnlyError
from propstats.text import printable


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network read from a file.

    Attributes:
        model: The network, in evaluation mode, on the CPU.
        info: Where it came from, and what was permitted.
    """

    model: nn.Module
    info: ModelInfo


def load_model(path: str | os.PathLike[str], access: Access = SAFE) -> LoadedModel:
    """Load a network from a file without executing anything that the file contains, unless the user trusts it.

    Whole modules are rebuilt if they are made of torch.nn and of classes that the user allows. Weights (a state_dict,
    a checkpoint, safetensors, a folder of them) go into the network that `access.arch` builds.

    Args:
        path: The file, whose kind is told from its bytes, or a folder with a config.json and safetensors.
        access: What is permitted, and what the weights belong to.

    Returns:
        The network and where it came from.

    Raises:
        UnsafeModelError: If loading the file would execute code; nothing was executed.
        WeightsOnlyError: If the file holds weights and there is no `arch`.
        ModelError: If the file is missing, damaged, of another kind, or does not fit `arch`.
    """
    found = read_content(path, access)
    info, content = found.info, found.content
    if isinstance(content, nn.Module):
        if access.arch is not None:
            raise ModelError(f"{info.path}: already holds a whole module, so there is nothing to build", "drop --arch")
        model = content
    else:
        model, notes = network_of(content, info, access)
        info = replace(info, notes=(*info.notes, *notes))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return LoadedModel(_settled(model, info.path or ""), replace(info, parameters=parameters))


def network_of(weights: dict[str, object], info: ModelInfo, access: Access) -> tuple[nn.Module, tuple[str, ...]]:
    """Build the network that `access.arch` names and put weights into it.

    Returns:
        The network, and what did not fit.

    Raises:
        WeightsOnlyError: If there is no `arch`.
        ModelError: If the network cannot be built, or the weights do not fit it.
    """
    architecture = access.architecture
    if architecture is None:
        tensors = sum(isinstance(value, torch.Tensor) for value in weights.values())
        count = f"{tensors:,} tensor{'s' if tensors != 1 else ''}, {info.parameters:,} parameters"
        what = f"holds weights only ({count}), no network to run"
        arch = f"hf:{info.path}" if info.format == "Hugging Face folder" else "package.module:factory"
        raise WeightsOnlyError(f"{info.path}: {what}", f"add --arch {arch}; or audit --static for the weights alone")
    model = build(architecture)
    return model, load_weights(model, weights, name=info.path or "", arch=str(architecture), partial=access.partial)


def read_content(path: str | os.PathLike[str], access: Access = SAFE) -> ModelContent:
    """Read what a model file holds, without building a network and without executing anything in the file.

    Args:
        path: The file, whose kind is told from its bytes, or a folder with a config.json and safetensors.
        access: What is permitted.

    Raises:
        UnsafeModelError: If loading the file would execute code; nothing was executed.
        ModelError: If the file is missing, damaged, or of another kind.
    """
    if not is_folder(path):
        return read_file(path, access)
    if access.key is not None:
        raise without_keys("is a folder", printable(os.fspath(path), limit=300))
    return read_folder(path, access)


def _settled(model: nn.Module, name: str) -> nn.Module:
    try:
        return model.to("cpu").eval()
    except Exception as error:  # the network's own code may run here
        raise ModelError(f"{name}: the network cannot be put into evaluation mode on the CPU", USE_ARCH) from error
