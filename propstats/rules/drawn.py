"""Layers of weights as a scheme draws them."""

from propstats.activations import Activation
from propstats.rules.dense import Weights
from propstats.rules.geometry import Meetings
from propstats.theory.schemes import weight_scheme


def weight_variance(scheme: str, fan_in: int, fan_out: int, act: Activation) -> float:
    """Return the variance of one weight: the one place in which rules ask schemes.

    Args:
        scheme: Name of a scheme.
        fan_in: Fan-in as initialisers count it: input channels of a group times the kernel's taps.
        fan_out: Fan-out, the same.
        act: The activation that follows.

    Raises:
        UnknownNameError: If there is no such scheme.

    >>> from propstats.activations import activation
    >>> weight_variance("he", 50, 10, activation("relu"))
    0.04
    """
    return weight_scheme(scheme).variance(fan_in, fan_out, act)


def dense(variance: float, inputs: int, outputs: int, bias_std: float = 0.0) -> Weights:
    """Return a fully connected layer with weights of a variance."""
    return Weights(0.0, variance, 0.0, bias_std**2, inputs, outputs, outputs)


def convolution(
    variance: float, channels: tuple[int, int], groups: int, meetings: Meetings, bias_std: float = 0.0
) -> Weights:
    """Return a convolution with weights of a variance; its terms are counted, position by position.

    Args:
        variance: Variance of one weight.
        channels: Channels in and out.
        groups: Groups of channels.
        meetings: Which outputs meet which inputs.
        bias_std: Standard deviation of the biases.

    >>> from propstats.rules.geometry import Window
    >>> padded = Window((3,), (1,), (1,), (1,)).meetings((5,))
    >>> convolution(1.0, (2, 4), 1, padded).fan_in  # 2 channels, 13 terms for 5 outputs
    5.2
    """
    inputs, outputs = channels
    return Weights(
        0.0,
        variance,
        0.0,
        bias_std**2,
        fan_in=inputs / groups * meetings.pairs / meetings.outputs,
        fan_out=outputs / groups * meetings.pairs / meetings.inputs,
        units=outputs,
        taps=meetings.taps,
        shared_out=meetings.shared_by_outputs,
        shared_in=meetings.shared_by_inputs,
    )
