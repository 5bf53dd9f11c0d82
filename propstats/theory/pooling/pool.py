"""What a pooling layer does to the signal and to the gradient, by every route."""

import time
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from propstats.estimate import Quantity
from propstats.expectation.samples import check_samples
from propstats.theory.pooling.combine import combined
from propstats.theory.pooling.inputs import PoolInput
from propstats.theory.pooling.layer import KINDS, PoolLayer, Sizes, pool_layer
from propstats.theory.pooling.layout import Layout
from propstats.theory.pooling.records import PoolBackward, PoolForward, PoolMoments, PositionStd, WindowCount
from propstats.theory.pooling.window import Part, part_of


def pool(
    kind: str = "max",
    kernel: Sizes | None = None,
    *,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    power: float | None = None,
    size: Sizes | None = None,
    output_size: Sizes | None = None,
    dims: int | None = None,
    mean: float = 0.0,
    std: float = 1.0,
    correlation: float = 0.0,
    rectified: bool = False,
    digits: int | None = 30,
    timeout: float = 10.0,
    samples: int = 100_000,
    seed: int = 0,
    device: str = "cpu",
) -> PoolMoments:
    """Compute what a pooling layer does to its input and to the gradient of its output.

    The inputs of a window are Gaussians, any two of them equally correlated, or `max(0, .)` of such Gaussians. The
    gradient of an input is the sum over the windows that hold it, `dx_i = sum_w dy_w d out_w/d x_i`; because the `dy`
    are independent, `E[dx_i^2] = sum_w E[(d out_w/d x_i)^2]`, however much the windows overlap. For max pooling these
    are the probabilities that the input wins; among equal inputs the first in memory wins, as in torch, which after a
    ReLU is often one of several zeros.

    Args:
        kind: `average` (or `avg`), `max`, `lp`, `global_average`, `global_max`, `adaptive_average` or `adaptive_max`.
        kernel: Size of a window, one number or one for each dimension.
        stride: Step between windows; the kernel if None.
        padding: Padding on both sides: zeros for averages, nothing that could win for max pooling.
        dilation: Step within a window, of max pooling.
        ceil_mode: Whether a last window may run over the end.
        count_include_pad: Whether an average counts padding among its inputs.
        power: p of `lp` pooling, `(sum x^p)^(1/p)`; 2 if None.
        size: Size of the input, for what happens at the borders; None for the interior. Global and adaptive pooling
            need it.
        output_size: Size of the output, of adaptive pooling.
        dims: Number of dimensions: 2, if nothing says otherwise.
        mean: Mean of the Gaussians.
        std: Their standard deviation.
        correlation: Their correlation, from `-1/(k - 1)` for k inputs of a window, to 1.
        rectified: Whether the inputs are `max(0, .)` of the Gaussians.
        digits: Digits that the certified route proves; None leaves it out.
        timeout: Seconds that the certified route may take.
        samples: Number of windows for the sampling route; 0 leaves it out (and torch unloaded).
        seed: Seed of the sampling route.
        device: Device of the sampling route: `cpu`, `cuda` or `auto`.

    Raises:
        UnknownNameError: If the kind is not known.
        DomainError: If the layer is none that torch would compute, or an argument is out of range.

    References:
        Arpit et al. 2016, arXiv:1603.01431, section 3.2 (which leaves the moments after pooling as they were).

    >>> found = pool("max", 2, samples=0)
    >>> found.forward.mean.value, found.forward.mean.routes["certified"].digits
    (1.029375373003964, '1.02937537300396413205698664698')
    >>> [entry.std.formula for entry in pool("max", 3, stride=2, samples=0).backward.std_by_position]
    ['2/3', 'sqrt(2)/3', 'sqrt(2)/3', '1/3']
    """
    layer = pool_layer(
        kind, kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode,
        count_include_pad=count_include_pad, power=power, size=size, output_size=output_size, dims=dims,
    )  # fmt: skip
    if samples:
        check_samples(samples)
    given = PoolInput(mean, std, correlation, rectified)
    found = layer.layout()
    given.check(max(window.inputs for window in found.windows))
    end = time.monotonic() + timeout
    parts = [
        part_of(
            layer.function(window),
            window.inputs,
            given,
            digits=digits,
            timeout=max(end - time.monotonic(), 1e-3) if k else timeout,
            samples=samples,
            seed=seed,
            stream=k,
            device=device,
        )
        for k, window in enumerate(found.windows)
    ]
    if all(part.law.is_symmetric for part in parts):
        found = found.merged()
    return PoolMoments(
        **{name: getattr(layer, name) for name in PoolLayer.__dataclass_fields__},
        correlation=correlation,
        input=given,
        forward=_forward(parts, found),
        backward=_backward(parts, found, rectified=rectified),
        windows=tuple(
            WindowCount(window.inputs, layer.function(window).divisor, count)
            for window, count in zip(found.windows, found.counts, strict=True)
        ),
        samples=samples,
        seed=seed,
        notes=tuple(dict.fromkeys(_notes(layer, given, parts))),
    )


def _forward(parts: list[Part], found: Layout) -> PoolForward:
    def mean_of(name: str, *, root: bool = False) -> Quantity:
        return combined(parts, [{name: share} for share in found.shares], root=root)

    # Of a single kind of windows the deviation itself is known, with its digits.
    std = mean_of("std") if len(parts) == 1 else mean_of("var", root=True)
    return PoolForward(mean_of("mean"), mean_of("second_moment"), mean_of("var"), std)


def _backward(parts: list[Part], found: Layout, *, rectified: bool) -> PoolBackward:
    def std_at(group: tuple[int, ...]) -> Quantity:
        counts = [
            {"first": Fraction(int(first[group])), "other": Fraction(int(cover[group] - first[group]))}
            for cover, first in zip(found.cover, found.first, strict=True)
        ]
        return combined(parts, counts, root=True)

    per_input = [
        (window.inputs, Fraction(count, found.size)) for window, count in zip(found.windows, found.counts, strict=True)
    ]
    over_all = [{"first": share, "other": (inputs - 1) * share} for inputs, share in per_input]
    alive = [{"alive": inputs * share} for inputs, share in per_input]
    places = sorted((found.example(group), group) for group in np.ndindex(*found.positions.shape))
    return PoolBackward(
        combined(parts, over_all, root=True),
        tuple(PositionStd(place, int(found.positions[group]), std_at(group)) for place, group in places),
        combined(parts, alive, root=True) if rectified else None,
    )


def _notes(layer: PoolLayer, given: PoolInput, parts: list[Part]) -> Iterator[str]:
    """Yield what a reader should know."""
    for part in parts:
        yield from part.evaluated.notes
    computes_max = KINDS[layer.kind][0] == "max"
    if computes_max and given.rectified:
        yield (
            "where all inputs of a window are 0, torch gives the gradient to the first of them, and a ReLU below "
            "stops it there"
        )
    if computes_max and given.ties:
        yield "all inputs of a window are equal: torch gives the gradient to the first of them"
