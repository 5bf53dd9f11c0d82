"""The arguments of a recorded function, by position or by name."""

from contextlib import suppress
from dataclasses import dataclass

import torch

from propstats.auditing.expecting.places import Place
from propstats.auditing.expecting.products import products
from propstats.auditing.measuring.call import OUTSIDE, Call, Slot
from propstats.rules.from_torch import NoRuleError
from propstats.rules.from_torch_parts import whole


@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor that does not depend on the data, by its moments.

    Args:
        mean: Mean.
        square: Mean square.
        same: Mean product of two positions, of the same unit.
    """

    mean: float
    square: float
    same: float

    @classmethod
    def of(cls, tensor: torch.Tensor, place: Place | None) -> "Constant":
        """Return the moments of a tensor.

        Args:
            tensor: The tensor.
            place: The place of the signal that it meets, each number of which meets one of the tensor's.
        """
        numbers = whole(tensor).double()
        square = same = float(numbers.square().mean())
        if place is not None and place.batch == 0 and place.axes and place.count > 1:
            with suppress(RuntimeError):  # another for each sample
                same = products(numbers.broadcast_to(1, *place.shape), place).same
        return cls(float(numbers.mean()), square, same)


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a function was called with.

    Args:
        call: The call.
        places: The place of each of its tensor inputs; None for those that are no part of the signal.
    """

    call: Call
    places: tuple[Place | None, ...]

    def get(self, index: int, name: str, default: object = None) -> object:
        """Return an argument."""
        if index < len(self.call.args):
            return self.call.args[index]
        return self.call.kwargs.get(name, default)

    def integers(self, index: int, name: str, default: int | None = None) -> int | tuple[int, ...] | None:
        """Return a whole number, or several.

        Raises:
            NoRuleError: If it is something else.
        """
        value = self.get(index, name, default)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        if isinstance(value, list | tuple) and all(isinstance(entry, int) for entry in value):
            return tuple(value)
        raise NoRuleError(f"no rule for {self.call.kind} with {name} {value!r}")

    def flag(self, index: int, name: str, default: bool = False) -> bool:
        """Return true or false."""
        return bool(self.get(index, name, default))

    def tensor(self, index: int, name: str) -> torch.Tensor | None:
        """Return a parameter, or what is computed of parameters.

        Raises:
            NoRuleError: If the tensor depends on the data.
        """
        value = self.fixed(self.get(index, name))
        if value is None or isinstance(value, torch.Tensor):
            return value
        raise NoRuleError(f"no rule for {self.call.kind} with a {name} that depends on the data")

    def fixed(self, value: object) -> object:
        """Return the tensor itself in place of one that is the same for all samples; all else as it is."""
        if isinstance(value, Slot):
            is_made = self.call.sources[value.position] != OUTSIDE
            if not (is_made and self.call.input_layouts[value.position] is not None):
                return self.call.values.get(value.position, value)
        return value

    def signals(self) -> list[int]:
        """Return the tensor inputs that are part of the signal."""
        return [slot for slot, place in enumerate(self.places) if place is not None]

    def constant(self, value: object) -> Constant | None:
        """Return a number, a parameter or another tensor that does not depend on the data; None if it does.

        Raises:
            NoRuleError: If nothing is known of it.
        """
        if isinstance(value, int | float):
            return Constant(float(value), float(value) ** 2, float(value) ** 2)
        place = next((place for place in self.places if place is not None), None)
        if isinstance(value, torch.Tensor):
            return Constant.of(value, place)
        if isinstance(value, Slot) and self.places[value.position] is None:
            found = self.call.inputs[value.position]
            if value.position in self.call.values:
                return Constant.of(self.call.values[value.position], place)
            if not found.is_finite:
                raise NoRuleError(f"no rule for {self.call.kind} with a tensor of which nothing is known")
            return Constant(float(found.unit_means.mean()), found.q, found.q)
        if isinstance(value, Slot):
            return None
        raise NoRuleError(f"no rule for {self.call.kind} of {type(value).__name__}")
