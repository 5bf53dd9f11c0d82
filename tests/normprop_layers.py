"""One of every layer of propstats.nn that can be saved."""

import torch
from torch import nn

from propstats.activations import activation
from propstats.nn import (
    BatchNormalization,
    GlobalNormalization,
    NormPropConv1d,
    NormPropConv2d,
    NormPropConv3d,
    NormPropConvTranspose1d,
    NormPropConvTranspose2d,
    NormPropConvTranspose3d,
    NormPropLinear,
    NormPropPool,
    ScaleGradient,
)
from propstats.nn.activations import Elementwise
from propstats.nn.affine import Affine
from propstats.nn.backward import BackwardNorm
from propstats.nn.init.fixup import Residual, ScalarBias, ScalarMultiplier


def every_layer() -> list[nn.Module]:
    generator = torch.Generator().manual_seed(0)
    convolutions = (NormPropConv1d, NormPropConv2d, NormPropConv3d)
    transposed = (NormPropConvTranspose1d, NormPropConvTranspose2d, NormPropConvTranspose3d)
    return [
        NormPropLinear(4, 3, activation="leaky_relu", generator=generator),
        *(kind(4, 6, 3, groups=2, activation="prelu", generator=generator) for kind in convolutions),
        *(kind(4, 6, 3, stride=2, activation="tanh", generator=generator) for kind in transposed),
        GlobalNormalization(torch.zeros(4), torch.ones(4)),
        BatchNormalization(4),
        NormPropPool(nn.MaxPool2d(2)),
        ScaleGradient(0.5),
        BackwardNorm.of(nn.ReLU()),
        Affine(torch.ones(4), torch.zeros(4), 0),
        Elementwise(activation("x*sigmoid(2*x)")),
        Residual(nn.Linear(4, 4)),
        ScalarBias(),
        ScalarMultiplier(),
    ]
