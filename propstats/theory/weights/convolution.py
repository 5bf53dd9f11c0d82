"""Convolutions as people write them: one number for all axes, or one for each."""

from collections.abc import Sequence

from propstats.errors import DomainError
from propstats.theory.geometry import Axis, same_padding
from propstats.theory.weights.fans import Connections

Sizes = int | Sequence[int]


def convolution(
    channels_in: int,
    channels_out: int,
    *,
    size: Sizes,
    kernel: Sizes,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    dimensions: int | None = None,
    mode: str = "zeros",
    transposed: bool = False,
) -> Connections:
    """Return the connections of a convolution.

    Args:
        channels_in: Input channels.
        channels_out: Output channels.
        size: Input positions, by axis.
        kernel: Taps, by axis.
        stride: Steps between outputs (between inputs, if transposed).
        padding: Positions added at both ends of an axis, or `same` or `valid`, as in torch.
        dilation: Steps between taps.
        groups: Groups of channels that do not see each other.
        dimensions: Spatial axes; as many as the longest of the sizes above, or 2.
        mode: What the padding holds: zeros, reflect, replicate or circular.
        transposed: Whether it is a transposed convolution.

    Raises:
        DomainError: If numbers are out of range, of different lengths, or the kernel does not fit.

    >>> layer = convolution(64, 128, size=32, kernel=3, stride=2, padding=1)
    >>> layer.weight_shape, layer.terms_in, layer.terms_out
    ((128, 64, 3, 3), 552.25, 276.125)
    """
    given = {"size": size, "kernel": kernel, "stride": stride, "dilation": dilation}
    if not isinstance(padding, str):
        given["padding"] = padding
    elif padding not in ("same", "valid"):
        raise DomainError(f"padding must be a number, same or valid, got {padding!r}")
    lengths = {len(sizes) for sizes in given.values() if not isinstance(sizes, int)}
    if dimensions is None:
        dimensions = max(lengths, default=2)
    if dimensions < 1 or lengths - {dimensions}:
        found = ", ".join(f"{name} {'x'.join(map(str, s))}" for name, s in given.items() if not isinstance(s, int))
        hint = "give one number, or one for each axis"
        raise DomainError(f"a convolution of {dimensions} dimensions has other numbers of axes than {found}", hint)
    if padding == "same" and (transposed or stride not in (1, (1,) * dimensions, [1] * dimensions)):
        raise DomainError("padding 'same' is for stride 1 and not for transposed convolutions")
    by_axis = {name: (sizes,) * dimensions if isinstance(sizes, int) else tuple(sizes) for name, sizes in given.items()}
    axes = []
    for i in range(dimensions):
        taps, apart = by_axis["kernel"][i], by_axis["dilation"][i]
        ends = by_axis["padding"][i] if "padding" in by_axis else 0
        around = same_padding(taps, apart) if padding == "same" else (ends, ends)
        axes.append(Axis(by_axis["size"][i], taps, by_axis["stride"][i], around, apart, mode, transposed))
    return Connections(channels_in, channels_out, groups, tuple(axes))
