"""Term counts against torch: with all weights 1, outputs and gradients of ones are the numbers of their terms."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from torch import nn

from propstats.errors import DomainError
from propstats.theory.geometry import PADDING_MODES, Axis, same_padding
from propstats.theory.weights.fans import Connections, dense

_PLAIN: list[type[nn.Module]] = [nn.Conv1d, nn.Conv2d, nn.Conv3d]
_TRANSPOSED: list[type[nn.Module]] = [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d]


def _module(layer: Connections) -> nn.Module:
    """The torch module with these connections and all weights 1."""
    axes = layer.axes
    options: dict[str, Any] = {
        "kernel_size": tuple(axis.kernel for axis in axes),
        "stride": tuple(axis.stride for axis in axes),
        "padding": tuple(axis.padding[0] for axis in axes),
        "dilation": tuple(axis.dilation for axis in axes),
    }
    if layer.transposed:
        options["output_padding"] = tuple(axis.output_padding for axis in axes)
    else:
        options["padding_mode"] = axes[0].mode
    kind = (_TRANSPOSED if layer.transposed else _PLAIN)[len(axes) - 1]
    module = kind(layer.channels_in, layer.channels_out, groups=layer.groups, bias=False, **options).double()
    assert isinstance(module.weight, nn.Parameter)
    assert tuple(module.weight.shape) == layer.weight_shape
    nn.init.ones_(module.weight)
    return module


def _check(layer: Connections) -> None:
    x = torch.ones(1, layer.channels_in, *(axis.size for axis in layer.axes), dtype=torch.float64, requires_grad=True)
    y = _module(layer)(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    for counts, mean, found in ((layer.forward, layer.terms_in, y), (layer.backward, layer.terms_out, gradient)):
        for channel in found.detach()[0]:
            assert np.array_equal(counts, channel.numpy())
        assert abs(mean - float(counts.mean())) <= 1e-14 * mean


@st.composite
def _layers(draw: st.DrawFn) -> Connections:
    transposed = draw(st.booleans())
    mode = "zeros" if transposed else draw(st.sampled_from(PADDING_MODES))
    axes = []
    for _ in range(draw(st.integers(1, 3))):
        stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        padding = draw(st.integers(0, 3))
        extra = draw(st.integers(0, max(stride, dilation) - 1)) if transposed else 0
        try:
            axes.append(
                Axis(draw(st.integers(1, 7)), draw(st.integers(1, 4)), stride, (padding, padding), dilation, mode,
                     transposed, extra)
            )  # fmt: skip
        except DomainError:
            reject()
    groups = draw(st.integers(1, 3))
    return Connections(groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2)), groups, tuple(axes))


@settings(max_examples=120, deadline=None)
@given(_layers())
def test_terms_by_counting(layer: Connections) -> None:
    _check(layer)


@pytest.mark.parametrize(
    "layer",
    [
        Connections(4, 6, axes=(Axis(7, 3, 2, (1, 1)), Axis(6, 3, 2, (1, 1)))),  # kernel > stride: windows overlap
        Connections(4, 6, axes=(Axis(9, 3, 1, (2, 2), 2),) * 2),
        Connections(4, 4, 4, axes=(Axis(8, 5, 1, (2, 2)),) * 2),  # depthwise
        Connections(4, 6, 2, axes=(Axis(5, 4, 2, (1, 1), transposed=True),) * 2),
        Connections(2, 3, axes=(Axis(5, 3, 3, (0, 0), 2, transposed=True, output_padding=2),)),
        Connections(2, 3, axes=(Axis(6, 3, 2, (2, 2), mode="circular"), Axis(5, 2, mode="circular"))),
        Connections(2, 3, axes=(Axis(4, 3, 1, (1, 1)),) * 3),
    ],
)
def test_terms_of_layers_as_people_build_them(layer: Connections) -> None:
    _check(layer)


@pytest.mark.filterwarnings("ignore:Using padding=:UserWarning")  # of even kernels: torch copies the input
@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (4, 1), (2, 3), (1, 5)])
def test_same_padding_is_torchs(kernel: int, dilation: int) -> None:
    axis = Axis(8, kernel, padding=same_padding(kernel, dilation), dilation=dilation)
    module = nn.Conv1d(1, 1, kernel, dilation=dilation, padding="same", bias=False).double()
    nn.init.ones_(module.weight)
    x = torch.ones(1, 1, 8, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad((y := module(x)).sum(), x)
    assert np.array_equal(axis.forward, y.detach()[0, 0].numpy())
    assert np.array_equal(axis.backward, gradient[0, 0].numpy())


@settings(max_examples=60, deadline=None)
@given(_layers())
def test_both_directions_count_the_same_pairs(layer: Connections) -> None:
    assert layer.forward.sum() * layer.channels_out == layer.backward.sum() * layer.channels_in
    assert layer.forward.max() <= layer.row_length or layer.transposed


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_fans_are_what_torch_and_keras_count(transposed: bool, groups: int) -> None:
    layer = Connections(4, 6, groups, (Axis(8, 3, transposed=transposed), Axis(8, 5, transposed=transposed)))
    weight = torch.empty(layer.weight_shape)
    assert (layer.fan_in, layer.fan_out) == nn.init._calculate_fan_in_and_fan_out(weight)
    assert layer.row_length == layer.channels_in // groups * 15
    assert dense(7, 5).fan_in == dense(7, 5).row_length == 7
    assert dense(7, 5).fan_out == 5


def test_a_fully_connected_layer() -> None:
    layer = dense(7, 5)
    assert (layer.forward.tolist(), layer.backward.tolist()) == (7, 5)
    assert (layer.terms_in, layer.terms_out, layer.weight_shape) == (7.0, 5.0, (5, 7))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Axis(0), "size must be at least 1, got 0"),
        (lambda: Axis(3, 0), "kernel must be at least 1, got 0"),
        (lambda: Axis(3, 1, 0), "stride must be at least 1, got 0"),
        (lambda: Axis(3, 1, 1, (0, 0), -1), "dilation must be at least 1, got -1"),
        (lambda: Axis(3, 1, 1, (0, -1)), "padding must be at least 0, got -1"),
        (lambda: Axis(3, 5), "a kernel of 5 does not fit into 3 positions"),
        (lambda: Axis(3, 3, dilation=3, padding=(1, 1)), "a kernel of 3 dilated by 3 does not fit into 3 positions pa"),
        (lambda: Axis(1, 1, padding=(1, 0), transposed=True), "leaves no output"),
        (lambda: Axis(3, mode="constant"), "unknown padding mode 'constant'"),
        (lambda: Axis(3, 2, padding=(3, 0), mode="reflect"), "reflect padding reaches at most 2 positions here, got 3"),
        (lambda: Axis(3, mode="circular", transposed=True), "pads with zeros only"),
        (lambda: Axis(3, output_padding=1), "output_padding belongs to transposed"),
        (lambda: Axis(3, stride=2, transposed=True, output_padding=2), "below stride or dilation, got 2"),
        (lambda: Connections(0, 3), "channels_in must be at least 1, got 0"),
        (lambda: Connections(3, 4, 2), "2 groups do not divide 3 input and 4 output channels"),
        (lambda: Connections(2, 2, axes=(Axis(3), Axis(3, transposed=True))), "along all axes or along none"),
        (lambda: dense(0, 3), "fan_in must be at least 1, got 0"),
        (lambda: dense(3, -1), "fan_out must be at least 1, got -1"),
    ],
)
def test_impossible_layers(build: Any, message: str) -> None:
    with pytest.raises(DomainError) as caught:
        build()
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
