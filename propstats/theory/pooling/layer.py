"""A pooling layer as its arguments say it: what it computes, and over which windows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from propstats.errors import DomainError, unknown_name
from propstats.theory.pooling.geometry import adaptive, bordered, interior
from propstats.theory.pooling.layout import Layout, Window, layout
from propstats.theory.pooling.window import WindowFunction

#: Names of layers, each with what a window computes and how windows are laid.
KINDS = {
    "average": ("average", "sliding"),
    "max": ("max", "sliding"),
    "lp": ("lp", "sliding"),
    "global_average": ("average", "global"),
    "global_max": ("max", "global"),
    "adaptive_average": ("average", "adaptive"),
    "adaptive_max": ("max", "adaptive"),
}
#: At most so many dimensions, as in torch.
_MOST_DIMS = 3

Sizes = int | Sequence[int]


@dataclass(frozen=True, slots=True)
class PoolLayer:
    """A pooling layer; one number for each dimension.

    Args:
        kind: One of `KINDS`.
        kernel: Size of the windows; None where it follows from the sizes of input and output.
        stride: Step from window to window; None likewise.
        padding: Padding on both sides.
        dilation: Step from input to input within a window.
        ceil_mode: Whether a last window may run over the end.
        count_include_pad: Whether an average divides by padding as well.
        power: p of `lp`; None for other kinds.
        size: Size of the input; None for the interior, far from all borders.
        output_size: Size of the output of adaptive pooling.
    """

    kind: str
    kernel: tuple[int, ...] | None
    stride: tuple[int, ...] | None
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil_mode: bool
    count_include_pad: bool
    power: float | None
    size: tuple[int, ...] | None
    output_size: tuple[int, ...] | None

    def function(self, window: Window) -> WindowFunction:
        """Return what a window computes."""
        name = KINDS[self.kind][0]
        if name == "average":
            return WindowFunction(name, float(window.span if self.count_include_pad else window.inputs))
        if self.power is None or self.kernel is None:
            return WindowFunction(name)
        # Torch takes the mean over the places there are, and multiplies it by those of a whole window.
        return WindowFunction(name, power=self.power, scale=Fraction(math.prod(self.kernel), window.span))

    def layout(self) -> Layout:
        """Return the windows.

        Raises:
            DomainError: If the layer is none that torch would compute.
        """
        if self.kernel is None or self.stride is None:
            assert self.size is not None
            output = self.output_size or (1,) * len(self.size)
            return layout([adaptive(n, m) for n, m in zip(self.size, output, strict=True)])
        sliding = list(zip(self.kernel, self.stride, self.padding, self.dilation, strict=True))
        if self.size is None:
            return layout([interior(*numbers) for numbers in sliding])
        return layout(
            [bordered(n, *numbers, ceil_mode=self.ceil_mode) for n, numbers in zip(self.size, sliding, strict=True)]
        )


def pool_layer(
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
) -> PoolLayer:
    """Return a layer, one number for each dimension; two dimensions if nothing says how many.

    Raises:
        UnknownNameError: If the kind is not known.
        DomainError: If arguments do not belong together.

    >>> pool_layer("avg", 3).kernel, pool_layer("avg", 3).stride
    ((3, 3), (3, 3))
    """
    name = kind.lower().replace("-", "_").replace("avg", "average")
    if name not in KINDS:
        raise unknown_name("pooling", kind, list(KINDS))
    function, laying = KINDS[name]
    given = {"kernel": kernel, "stride": stride, "size": size, "output_size": output_size}
    given |= {"padding": padding, "dilation": dilation}
    count = _dims(given, dims)
    found = {what: _each(what, value, count) for what, value in given.items()}
    _belong(name, laying, found)
    if function != "max" and any(step != 1 for step in found["dilation"] or ()):
        raise DomainError(f"{name} pooling has no dilation", "torch dilates max pooling alone")
    if function == "lp" and any(found["padding"] or ()):
        raise DomainError("lp pooling has no padding", "torch pads no such layer")
    if function != "lp" and power is not None:
        raise DomainError(f"{name} pooling has no power", "leave it out")
    return PoolLayer(
        kind=name,
        kernel=found["kernel"],
        stride=found["stride"] or found["kernel"],
        padding=found["padding"] or (0,) * count,
        dilation=found["dilation"] or (1,) * count,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        power=(2.0 if power is None else float(power)) if function == "lp" else None,
        size=found["size"],
        output_size=found["output_size"] or ((1,) * count if laying == "global" else None),
    )


def _dims(given: dict[str, Sizes | None], dims: int | None) -> int:
    """Return how many dimensions are meant."""
    lengths = {what: len(value) for what, value in given.items() if isinstance(value, Sequence)}
    counts = set(lengths.values()) | ({dims} if dims is not None else set())
    if len(counts) > 1:
        said = ", ".join(f"{what} {length}" for what, length in lengths.items())
        raise DomainError(f"these do not have equally many dimensions: {said}" + (f", dims {dims}" if dims else ""))
    count = counts.pop() if counts else 2
    if not 1 <= count <= _MOST_DIMS:
        raise DomainError(f"pooling has 1, 2 or 3 dimensions, got {count}")
    return count


def _each(what: str, value: Sizes | None, count: int) -> tuple[int, ...] | None:
    if value is None:
        return None
    numbers = tuple(value) if isinstance(value, Sequence) else (value,) * count
    if not all(isinstance(number, int) for number in numbers):
        raise DomainError(f"the {what} must be whole numbers, got {numbers}")
    return numbers


def _belong(kind: str, laying: str, found: dict[str, tuple[int, ...] | None]) -> None:
    """Insist on what a kind needs, and on nothing that it would ignore."""
    needed = {"sliding": ("kernel",), "global": ("size",), "adaptive": ("size", "output_size")}[laying]
    for what in needed:
        if found[what] is None:
            example = what.replace("_", "-")
            raise DomainError(
                f"{kind} pooling needs a {what}", f"for example --{example} {3 if what == 'kernel' else 8}"
            )
    sliding = ("kernel", "stride") if laying != "sliding" else ()
    extra = [what for what in sliding if found[what] is not None]
    extra += ["output_size"] if laying != "adaptive" and found["output_size"] is not None else []
    plain = {"padding": 0, "dilation": 1}
    extra += [what for what, usual in plain.items() if sliding and any(n != usual for n in found[what] or ())]
    if extra:
        raise DomainError(f"{kind} pooling has no {extra[0]}", "leave it out")
