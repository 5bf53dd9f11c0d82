"""Weights in parts come out as the layer itself computes them, and nothing else is touched."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from propstats.auditing.composed import composed
from propstats.auditing.matrices import read_matrices


def pruned(layer: nn.Module) -> nn.Module:
    return prune.l1_unstructured(layer, "weight", 0.5)  # type: ignore[no-untyped-call, no-any-return]


@pytest.mark.parametrize(
    "make", [lambda: nn.Linear(5, 4), lambda: nn.Conv2d(3, 4, 2), lambda: nn.ConvTranspose1d(3, 4, 2)]
)
@pytest.mark.parametrize(
    "wrap",
    [
        pruned,
        torch.nn.utils.weight_norm,
        parametrizations.weight_norm,
        lambda layer: parametrizations.weight_norm(layer, dim=None),  # type: ignore[arg-type] # as documented
        lambda layer: parametrizations.weight_norm(layer, dim=1),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_as_the_layer_computes(make: Callable[[], nn.Module], wrap: Callable[[nn.Module], nn.Module]) -> None:
    layer = wrap(make())
    found, count = composed(nn.Sequential(layer).state_dict())
    assert count == 1
    assert sorted(found) == ["0.bias", "0.weight"]
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    assert torch.allclose(found["0.weight"], weight, rtol=4 * torch.finfo(torch.float32).eps, atol=0)


@pytest.mark.parametrize(
    "tensors",
    [
        {"a_v": torch.ones(2, 3)},
        {"a_v": torch.ones(2, 3), "a_g": torch.ones(2, 3)},
        {"a_v": torch.ones(2, 3), "a_g": torch.ones(3)},
        {"a_v": torch.ones(2, 3), "a_g": torch.ones(4, 1)},
        {"a_v": torch.ones(2, 3), "a_g": torch.ones(2, 1), "a": torch.ones(1)},
        {"a_v": torch.ones(2, 3), "a_g": torch.ones(2, 1, dtype=torch.int64)},
        {"a_orig": torch.ones(2, 3), "a_mask": torch.ones(3)},
        {"k_mask": torch.ones(2, 3), "v": torch.ones(2, 3)},
        {"parametrizations.weight.original0": torch.ones(2, 1)},
    ],
)
def test_what_does_not_belong_together_stays(tensors: dict[str, torch.Tensor]) -> None:
    assert composed(tensors) == (tensors, 0)


def test_a_file_says_so(tmp_path: Path) -> None:
    torch.save(nn.Sequential(pruned(nn.Linear(6, 4)), nn.Linear(4, 2)).state_dict(), tmp_path / "m.pt")
    matrices = read_matrices(tmp_path / "m.pt")
    assert [matrix.name for matrix in matrices.found] == ["0.weight", "1.weight"]
    assert matrices.model.notes[-1].startswith("1 weight was put together")
    assert float((matrices.found[0].rows == 0).float().mean()) == 0.5
