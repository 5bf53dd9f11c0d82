"""A network as the bytes of a model file, in the form it came in."""

import io
import os
from pathlib import Path
from typing import Final

import torch
from torch import nn

from propstats.errors import OutputError

#: Names by which programs tell what torch saved.
_TORCH: Final = (".pt", ".pth", ".bin", ".ckpt")
#: Forms in which whole networks are saved; the others hold weights by their names.
_WHOLE: Final = ("torch module", "torch module in memory")


def form_of(original: str) -> str:
    """Return in which form a network goes out that came in another.

    >>> form_of("safetensors"), form_of("torch legacy state_dict"), form_of("torch module in memory")
    ('safetensors', 'torch state_dict', 'torch module')
    """
    if original == "safetensors":
        return original
    return "torch module" if original in _WHOLE else "torch state_dict"


def check_name(path: str | os.PathLike[str], form: str) -> None:
    """Refuse a name that says another form than the file will have: programs, `torch.load` too, go by the name.

    Args:
        path: Where it is to be written; a name that says nothing is good for every form.
        form: What it will be, as `form_of` says.

    Raises:
        OutputError: If they do not fit.

    >>> check_name("fixed.safetensors", "torch module")
    Traceback (most recent call last):
    propstats.errors.OutputError: cannot write fixed.safetensors: the result is a torch module (name it .pt)
    """
    suffix = Path(path).suffix.lower()
    if form == "safetensors" and suffix in _TORCH:
        raise OutputError(f"cannot write {os.fspath(path)}: the result is safetensors", "name it .safetensors")
    if form != "safetensors" and suffix == ".safetensors":
        raise OutputError(f"cannot write {os.fspath(path)}: the result is a {form}", "name it .pt")


def serialised(network: nn.Module, original: str) -> bytes:
    """Return the content of a file.

    Args:
        network: The network.
        original: The form it came in, as `ModelInfo.format` says.
    """
    form = form_of(original)
    if form == "safetensors":
        from safetensors.torch import save

        # Copies, because this format holds no tensor twice and nothing but dense memory.
        tensors = {name: value.detach().clone().contiguous() for name, value in network.state_dict().items()}
        return save(tensors, metadata={"format": "pt"})
    buffer = io.BytesIO()
    torch.save(network if form == "torch module" else network.state_dict(), buffer)
    return buffer.getvalue()
