"""Weights that a file holds in parts: pruned ones beside their masks, normalised ones as directions and lengths."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

import torch

#: Puts a weight together from two parts; None if they do not belong together.
_Compose: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor | None]
_REGISTERED: Final = re.compile(r"(.*?)parametrizations\.([^.]+)\.original1")


def composed(tensors: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], int]:
    """Put weights together that a file holds in parts, as their layers do before they compute with them.

    Pruned weights (`torch.nn.utils.prune`) are `NAME_orig * NAME_mask`. Weight normalisation keeps directions v and
    lengths g (`NAME_v` and `NAME_g`, or `parametrizations.NAME.original1` and `original0`): `w = g v / |v|`, with the
    norm over all axes along which g is one number.

    Args:
        tensors: The tensors of a file by name.

    Returns:
        The same with each such weight in the place of its parts; and how many weights were put together.

    References:
        Salimans and Kingma 2016, arXiv:1602.07868, Eq. 2.

    >>> composed({"0.weight_g": torch.tensor([[10.0]]), "0.weight_v": torch.tensor([[3.0, 4.0]])})
    ({'0.weight': tensor([[6., 8.]])}, 1)
    """
    made: dict[str, tuple[str, torch.Tensor]] = {}
    used: set[str] = set()
    for key, tensor in tensors.items():
        for beside, name, compose in _readings(key):
            if beside in tensors and name not in tensors:
                weight = compose(tensor, tensors[beside])
                if weight is not None:
                    made[key] = name, weight
                    used.add(beside)
    kept = (made.get(key, (key, tensor)) for key, tensor in tensors.items() if key not in used)
    return dict(kept), len(made)


def _readings(key: str) -> Iterator[tuple[str, str, _Compose]]:
    """Return what may lie beside a part, the name of the weight, and what puts it together."""
    if key.endswith("_orig"):
        name = key.removesuffix("_orig")
        yield f"{name}_mask", name, _masked
    if key.endswith("_v"):
        name = key.removesuffix("_v")
        yield f"{name}_g", name, _normalised
    if registered := _REGISTERED.fullmatch(key):
        before, name = registered.groups()
        yield f"{key.removesuffix('1')}0", before + name, _normalised


def _masked(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor | None:
    return values * mask.to(values.dtype) if values.shape == mask.shape and values.is_floating_point() else None


def _normalised(directions: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor | None:
    if not (directions.is_floating_point() and lengths.is_floating_point()) or directions.ndim < 2:
        return None
    if lengths.ndim == 0:
        lengths = lengths.reshape((1,) * directions.ndim)
    sizes = list(zip(directions.shape, lengths.shape, strict=False))
    axes = [axis for axis, (_, length) in enumerate(sizes) if length == 1]
    if lengths.ndim != directions.ndim or not axes or any(length not in (1, size) for size, length in sizes):
        return None
    norms = torch.linalg.vector_norm(directions, dim=axes, keepdim=True)
    return directions * lengths.div(norms)
