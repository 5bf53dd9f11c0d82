"""Layers of weights as a scheme draws them."""

from propstats.activations import Activation
from propstats.errors import DomainError
from propstats.rules.dense import Weights
from propstats.rules.meetings import Meetings
from propstats.theory.weights.fans import Connections
from propstats.theory.weights.schemes import weight_scheme


def weight_variance(scheme: str, layer: Connections, act: Activation) -> float:
    """Return the variance of one weight: the one place in which rules ask schemes.

    Args:
        scheme: Name of a scheme.
        layer: What the layer connects.
        act: The activation that follows.

    Raises:
        UnknownNameError: If there is no such scheme.
        DomainError: If the scheme depends on how many branches the network has.

    >>> from propstats.activations import activation
    >>> from propstats.theory.weights.fans import dense
    >>> weight_variance("he", dense(50, 10), activation("relu"))
    0.04
    """
    if scheme == "fixup":
        raise DomainError("fixup depends on the number of branches", "write sigma_w instead")
    return weight_scheme(scheme).variance(layer, act, 1)


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

    >>> from propstats.rules.meetings import meetings
    >>> from propstats.theory.geometry import Axis
    >>> padded = meetings([Axis(5, 3, padding=(1, 1))])
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
