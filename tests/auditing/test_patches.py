"""Patches against torch's own convolutions: a patch times a filter is an output."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from propstats.auditing import patches
from propstats.auditing.matrices import Matrix
from propstats.auditing.patches import Patches
from propstats.errors import DataError, ModelError


def _matrix(module: nn.Module) -> Matrix:
    weight = module.weight
    assert isinstance(weight, torch.Tensor)
    weight = weight.detach()
    return Matrix("0.weight", type(module).__name__, tuple(weight.shape), weight.flatten(1), module=module)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Linear(12, 5, bias=False), (3, 4)),
        (nn.Conv1d(3, 5, 4, stride=2, padding=2, bias=False), (3, 9)),
        (nn.Conv2d(2, 4, 3, padding=1, bias=False), (2, 6, 5)),
        (nn.Conv2d(2, 4, (2, 3), stride=(1, 2), dilation=(2, 1), padding=(0, 2), bias=False), (2, 7, 6)),
        (nn.Conv2d(2, 4, 3, padding="same", bias=False), (2, 6, 5)),
        (nn.Conv2d(2, 4, 3, padding="valid", bias=False), (2, 6, 5)),
        (nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect", bias=False), (2, 6, 5)),
        (nn.Conv2d(2, 4, 3, padding=2, padding_mode="replicate", bias=False), (2, 6, 5)),
        (nn.Conv2d(2, 4, 3, padding=(1, 2), padding_mode="circular", bias=False), (2, 6, 5)),
        (nn.Conv3d(1, 3, 2, bias=False), (1, 4, 3, 5)),
    ],
)
def test_patches_times_filters_are_outputs(
    module: nn.Module, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = module.double()
    inputs = torch.randn((7, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = Patches.of(_matrix(module), inputs)
    monkeypatch.setattr(patches, "_CHUNK_NUMBERS", 3 * found.length * found.positions)  # three samples at a time
    chunks = list(found.chunks(slice(None)))
    assert len(chunks) == 3
    weight = _matrix(module).rows
    mine = np.concatenate(chunks) @ weight.numpy().T
    theirs = module(inputs.flatten(1) if isinstance(module, nn.Linear) else inputs).detach()
    theirs = theirs.movedim(1, -1).reshape(-1, len(weight)).numpy()
    assert np.allclose(mine, theirs, rtol=0, atol=1e-13)
    assert len(mine) == 7 * found.positions


def test_a_filter_without_its_layer_has_stride_1() -> None:
    inputs = torch.randn(4, 2, 6, 5, dtype=torch.float64)
    filters = Matrix("w", "weight", (3, 2, 3, 3), torch.ones(3, 18))
    assert Patches.of(filters, inputs).positions == 4 * 3
    grey = Matrix("w", "weight", (3, 1, 3, 3), torch.ones(3, 9))
    assert Patches.of(grey, inputs[:, 0]).positions == 4 * 3  # images without an axis of channels


def _tampered(**settings: Any) -> nn.Module:
    module = nn.Conv2d(2, 4, 3)
    for name, value in settings.items():
        setattr(module, name, value)
    return module


@pytest.mark.parametrize(
    ("matrix", "inputs", "message"),
    [
        (_matrix(nn.Linear(12, 5)), torch.ones(4, 13), "takes 12 inputs, a sample is 13"),
        (_matrix(nn.Conv2d(2, 4, 3)), torch.ones(4, 3, 6, 6), "takes samples of 2 channels and 2 axes"),
        (_matrix(nn.Conv2d(2, 4, 3)), torch.ones(4, 2, 2, 6), "its kernel is larger than a sample of 2x2x6"),
        (_matrix(nn.Linear(3, 5)), torch.ones(4, 3, dtype=torch.int64), "tokens are looked up"),
        (_matrix(nn.Linear(2, 5)), torch.tensor([[1.0, float("nan")]]), "values that are not finite"),
        (_matrix(nn.Linear(9000, 1)), torch.ones(4, 9000), "9,000 inputs are too many"),
        (_matrix(nn.ConvTranspose1d(2, 2, 2)), torch.ones(4, 2, 5), "transposed or grouped"),
    ],
)  # fmt: skip
def test_data_that_do_not_fit(matrix: Matrix, inputs: torch.Tensor, message: str) -> None:
    with pytest.raises(DataError) as caught:
        Patches.of(matrix, inputs)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "settings",
    [{"stride": (0, 1)}, {"stride": (1,)}, {"dilation": ("a", 1)}, {"padding": (-1, 0)}, {"padding_mode": "mirror"}],
)
def test_settings_of_a_tampered_file(settings: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="make no sense"):
        Patches.of(_matrix(_tampered(**settings)), torch.ones(4, 2, 6, 6))
