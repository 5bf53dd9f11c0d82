"""What weights belong to: the network that the user names is built, by the user's own code or by a library."""

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from torch import nn

from propstats.auditing.loading.access import Architecture
from propstats.auditing.loading.users_code import imported, users_code
from propstats.errors import ModelError
from propstats.text import printable

_LIBRARIES: Final = {"torchvision": "torchvision", "timm": "timm", "hf": "transformers"}


def build(architecture: Architecture) -> nn.Module:
    """Build a network with weights of its own, still without those of a file.

    The current directory is importable meanwhile.

    Args:
        architecture: What to import and call.

    Returns:
        The network, with real memory behind its weights.

    Raises:
        ModelError: If the import or the factory fails, or does not give a module; if a library is not installed.
    """
    shown = f"--arch {architecture}"
    if architecture.source in _LIBRARIES:
        model = _of_library(architecture, shown)
    else:
        with users_code(shown, "it must import, and build with these arguments"):
            factory = imported(architecture.source, architecture.name)
            if isinstance(factory, nn.Module):
                what = "is a module, not a factory"
                raise ModelError(f"{shown} {what}", "name a function or class that returns a torch.nn.Module")
            model = factory(**architecture.arguments)
    if not isinstance(model, nn.Module):
        got = f"gave a {type(model).__name__}, not a module"
        raise ModelError(f"{shown} {got}", "name a function or class that returns a torch.nn.Module")
    if any(tensor.device.type == "meta" for tensor in [*model.parameters(), *model.buffers()]):
        raise ModelError(f"{shown} builds on the meta device, without memory", "build on the CPU")
    return model


def _of_library(architecture: Architecture, shown: str) -> object:
    library = _LIBRARIES[architecture.source]
    makers: dict[str, Callable[[str, dict[str, object]], object]] = {
        "torchvision": _torchvision,
        "timm": _timm,
        "hf": _hugging_face,
    }
    try:
        with users_code(shown, f"see the names that {library} knows"):
            return makers[architecture.source](architecture.name, architecture.arguments)
    except ModelError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and cause.name == library:
            what = f"{shown} needs {library}, which is not installed"
            raise ModelError(what, f"pip install {library}") from error
        # Its own text speaks of an operator that does not exist.
        if isinstance(cause, RuntimeError | OSError) and re.search(r"torchvision::|_C\.so|image\.so", str(cause)):
            what = f"{shown}: the installed torchvision was built for another torch than {torch.__version__}"
            raise ModelError(what, "install the torchvision that belongs to this torch, from the same place") from error
        raise


def _torchvision(name: str, arguments: dict[str, object]) -> object:
    return imported("torchvision.models", "get_model")(name, weights=None, **arguments)


def _timm(name: str, arguments: dict[str, object]) -> object:
    return imported("timm", "create_model")(name, pretrained=False, **arguments)


def _hugging_face(folder: str, arguments: dict[str, object]) -> object:
    if not (Path(folder) / "config.json").is_file():
        what = f"--arch hf:{printable(folder, limit=120)}: there is no config.json"
        raise ModelError(what, "name the folder of the model")
    library = importlib.import_module("transformers")
    config = library.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    # The name is the file's, so it is looked up in the library and nowhere else.
    name = next(iter(config.architectures or []), "")
    found = getattr(library, name, None) if name.isidentifier() else None
    if isinstance(found, type) and issubclass(found, library.PreTrainedModel):
        return found(config)
    return library.AutoModel.from_config(config, trust_remote_code=False)
