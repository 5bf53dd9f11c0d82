from typing import Any

import pytest
from torch import nn

from propstats.activations import activation, activation_names
from propstats.theory.weights.gains import torch_gain

_TORCH = {"identity": "linear", "relu": "relu", "leaky_relu": "leaky_relu", "tanh": "tanh", "sigmoid": "sigmoid",
          "selu": "selu"}  # fmt: skip

_CALCULATE_GAIN: Any = nn.init.calculate_gain  # which is typed to take the names it knows


@pytest.mark.parametrize("name", activation_names())
def test_the_table_is_torchs(name: str) -> None:
    act = activation(name)
    if name in _TORCH:
        slope = act.params.get("negative_slope")
        # The last digit of a square root may differ between libraries.
        assert torch_gain(act) == pytest.approx(_CALCULATE_GAIN(_TORCH[name], slope), rel=2**-52, abs=0)
    else:
        assert torch_gain(act) is None
        with pytest.raises(ValueError, match="Unsupported nonlinearity"):
            _CALCULATE_GAIN(name)


def test_other_slopes() -> None:
    assert torch_gain(activation("leaky_relu", negative_slope=0.2)) == nn.init.calculate_gain("leaky_relu", 0.2)
