"""What is known of a pooling layer: the records that `propstats pool` prints."""

from dataclasses import dataclass

from propstats.estimate import Quantity
from propstats.theory.pooling.inputs import PoolInput
from propstats.theory.unit import Compared


@dataclass(frozen=True, slots=True)
class PoolForward:
    """What pooling does to the signal; in the mean over all windows, where they differ at borders."""

    mean: Quantity
    second_moment: Quantity
    var: Quantity
    std: Quantity


@dataclass(frozen=True, slots=True)
class PositionStd:
    """The gradient at one position of the input.

    Args:
        position: The position, within one stride of the interior or within the input.
        count: At how many positions it is the same.
        std: The standard deviation of the gradient there.
    """

    position: tuple[int, ...]
    count: int
    std: Quantity


@dataclass(frozen=True, slots=True)
class PoolBackward:
    """What pooling does to gradients `dy ~ N(0, 1)` of its outputs, independent of each other and of the input.

    Args:
        std: Standard deviation of `dx`, root mean square over the positions.
        std_by_position: The same by position.
        alive_std: What of it a ReLU below the layer lets through, for rectified inputs: that which falls on units that
            are positive.
    """

    std: Quantity
    std_by_position: tuple[PositionStd, ...]
    alive_std: Quantity | None


@dataclass(frozen=True, slots=True)
class WindowCount:
    """Windows that hold equally many inputs.

    Args:
        inputs: How many real inputs they hold.
        divisor: By what an average divides; None for other kinds.
        count: How many there are, for each stride of the interior or in all.
    """

    inputs: int
    divisor: float | None
    count: int


@dataclass(frozen=True, slots=True)
class PoolMoments(Compared):
    """Everything `propstats pool` prints.

    Args:
        kind: Which pooling.
        kernel: Size of a window, by axis; None where it follows from the sizes.
        stride: Steps between windows, by axis.
        padding: Padded positions at each end, by axis.
        dilation: Steps between the inputs of a window, by axis.
        ceil_mode: Whether windows may begin within the input and end beyond its padding.
        count_include_pad: Whether an average divides by padded positions, too.
        power: The p of Lp pooling.
        size: Size of the input, by axis; None for the interior of a large one.
        output_size: Size of the output, by axis.
        correlation: Correlation of two inputs of a window.
        windows: How many inputs the windows hold.
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
    correlation: float
    input: PoolInput
    forward: PoolForward
    backward: PoolBackward
    windows: tuple[WindowCount, ...]
    samples: int
    seed: int
    notes: tuple[str, ...] = ()

    def quantities(self) -> dict[str, Quantity]:
        """Return all quantities under dotted names, in the order in which they are printed."""
        found = {f"forward.{name}": getattr(self.forward, name) for name in ("mean", "second_moment", "var", "std")}
        found["backward.std"] = self.backward.std
        if self.backward.alive_std is not None:
            found["backward.alive_std"] = self.backward.alive_std
        for entry in self.backward.std_by_position:
            found[f"backward.std_by_position[{','.join(map(str, entry.position))}]"] = entry.std
        return found
