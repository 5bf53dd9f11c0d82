"""A network as the bytes of a model file, in the form it came in."""

import io
from typing import Final

import torch
from torch import nn

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
