"""What a checkpoint holds of a layer besides tensors may come from anywhere."""

import pytest
import torch

from propstats.errors import ModelError
from propstats.nn import NormPropLinear
from propstats.nn.checkpoint import check_packed, packed


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b"3", b'["constants"]', b"null"])
def test_damaged_states_are_refused(content: bytes) -> None:
    damaged = torch.tensor(list(content), dtype=torch.uint8)
    layer = NormPropLinear(3, 2)
    with pytest.raises(ModelError, match="damaged"):
        layer.set_extra_state(damaged)


def test_what_is_no_tensor_is_refused() -> None:
    with pytest.raises(ModelError, match="damaged"):
        check_packed(packed({"constants": "paper"}), 3)  # type: ignore[arg-type]


def test_the_same_layer_is_taken() -> None:
    NormPropLinear(3, 2).set_extra_state(NormPropLinear(5, 4).get_extra_state())
