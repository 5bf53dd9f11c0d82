"""Products that are written as sums over indices: which of them are summed, and where units are behind."""

import math
from dataclasses import dataclass
from typing import Final

import torch

from propstats.auditing.expecting.arguments import Arguments
from propstats.auditing.expecting.places import Place, RuleAndPlace
from propstats.rules.affine import Chain, Flatten
from propstats.rules.from_torch import NoRuleError, measured_weights
from propstats.rules.parts import Turned
from propstats.rules.product import Inner
from propstats.rules.rule import Rule

#: Letters that stand for the dimensions of `...`, from the last one back.
_REST: Final = "ZYXWVUTSRQPONM"


@dataclass(frozen=True, slots=True)
class Equation:
    """An equation of two operands, such as `bqhd,bkhd->bhqk`.

    Args:
        left: A letter for each dimension of the first.
        right: The same of the second.
        result: The same of what comes out.
    """

    left: str
    right: str
    result: str

    @classmethod
    def of(cls, text: str, left: int, right: int) -> "Equation":
        """Read an equation.

        Args:
            text: As torch takes it.
            left: Dimensions of the first operand.
            right: Dimensions of the second.

        Raises:
            NoRuleError: If it has not two operands, takes a diagonal, or does not say what comes out.

        >>> Equation.of("...d, ...ed -> ...e", 2, 3)
        Equation(left='Zd', right='Zed', result='Ze')
        """
        taken, arrow, result = text.replace(" ", "").partition("->")
        operands = taken.split(",")
        if len(operands) != 2 or not arrow:
            raise NoRuleError(f"no rule for einsum of {text!r}")
        first, second = (_filled(part, dims) for part, dims in zip(operands, (left, right), strict=True))
        rest = max((_rest(part, dims) for part, dims in zip(operands, (left, right), strict=True)), key=len)
        found = cls(first, second, result.replace("...", rest))
        if any(len(set(part)) < len(part) for part in (found.left, found.right, found.result)):
            raise NoRuleError(f"no rule for einsum of {text!r}, which takes a diagonal")
        return found

    @property
    def summed(self) -> set[str]:
        """The letters that both have and that are gone."""
        return (set(self.left) & set(self.right)) - set(self.result)

    @property
    def turned(self) -> "Equation":
        """The equation with its operands the other way round."""
        return Equation(self.right, self.left, self.result)

    def place_behind(
        self, letters: str, place: Place, shape: tuple[int, ...], new: frozenset[str] = frozenset()
    ) -> Place:
        """Return where units are behind: where an operand has its own, and at new letters.

        Args:
            letters: Those of the operand.
            place: Where its units are.
            shape: The shape of what comes out, without the batch.
            new: Letters that count units and that it does not have.

        Raises:
            NoRuleError: If the batch is summed.
        """
        units = axes_of(letters, place) | new
        batch = self.result.find(letters[place.batch])
        if batch < 0:
            raise NoRuleError("no rule for what is done across the batch")
        dims = [dim for dim in range(len(self.result)) if dim != batch]
        axes = frozenset(axis + place.folded for axis, dim in enumerate(dims) if self.result[dim] in units)
        return Place(shape, axes, batch, place.folded)


def axes_of(letters: str, place: Place) -> set[str]:
    """Return the letters of a signal's units."""
    return {letter for dim, letter in enumerate(letters) if dim != place.batch and place.axis(dim) in place.axes}


def sizes_of(letters: str, place: Place) -> dict[str, int]:
    """Return the size of each dimension but the batch."""
    return {letter: place.shape[place.axis(dim)] for dim, letter in enumerate(letters) if dim != place.batch}


def summed(given: Arguments, place: Place) -> RuleAndPlace:
    """Return the rule of a signal and weights, or of two signals, and the place of what comes out."""
    equation, operands = given.get(0, "equation"), given.signals()
    if len(given.places) != 2 or not isinstance(equation, str):
        raise NoRuleError("no rule for einsum of other than two tensors")
    if len(operands) == 2:
        return _inner(given, equation)
    other = 1 - operands[0]
    call = given.call
    arguments = call.args[1] if isinstance(call.args[1], list | tuple) else call.args[1:]
    weight = given.fixed(arguments[other])
    if not isinstance(weight, torch.Tensor):
        raise NoRuleError("no rule for einsum with a tensor that depends on the data")
    dims = place.dims, weight.ndim
    terms = Equation.of(equation, *(dims if other else dims[::-1]))
    return _weighted(terms if other else terms.turned, place, weight, call.shape)


def _weighted(terms: Equation, place: Place, weight: torch.Tensor, shape: tuple[int, ...]) -> RuleAndPlace:
    """Return the rule of a signal, the first operand, and weights."""
    units, sizes = axes_of(terms.left, place), sizes_of(terms.left, place)
    new = frozenset(terms.right) - frozenset(terms.left)
    if not terms.summed or not new <= set(terms.result) or (set(terms.left) - terms.summed) - set(terms.result):
        raise NoRuleError("no rule for einsum that sums over one tensor alone")
    own = dict(zip(terms.right, weight.shape, strict=True))
    fan_in, fan_out = math.prod(own[a] for a in terms.summed), math.prod(own[a] for a in new)
    each = math.prod(own[a] for a in own if a not in terms.summed)
    rule: Rule = measured_weights(weight, None, fan_in=fan_in, fan_out=fan_out, units=each)
    positions = math.prod(sizes[a] for a in terms.summed - units)
    if not terms.summed & units:
        rule = Chain((Turned(), rule))
    elif positions > 1:
        rule = Chain((Flatten(positions), rule))
    return rule, terms.place_behind(terms.left, place, shape, new)


def _inner(given: Arguments, equation: str) -> RuleAndPlace:
    left, right = given.places
    assert left is not None
    assert right is not None
    terms = Equation.of(equation, left.dims, right.dims)
    one, two = axes_of(terms.left, left), axes_of(terms.right, right)
    if not terms.summed or not terms.summed <= one & two:
        raise NoRuleError("no rule for a product that sums over positions: its weights add up to what they do")
    sizes = sizes_of(terms.left, left) | sizes_of(terms.right, right)
    counts = [math.prod(sizes[a] for a in terms.result if a in mine and a not in other)
              for mine, other in ((terms.left, terms.right), (terms.right, terms.left))]  # fmt: skip
    after = Place(given.call.shape, frozenset([len(given.call.shape) - 1]))
    return Inner(math.prod(sizes[a] for a in terms.summed), counts[0], counts[1]), after


def _rest(part: str, dims: int) -> str:
    """Return the letters that `...` stands for."""
    count = dims - len(part.replace("...", "")) if "..." in part else 0
    return _REST[:count][::-1]


def _filled(part: str, dims: int) -> str:
    found = part.replace("...", _rest(part, dims))
    if len(found) != dims or not found.isalpha():
        raise NoRuleError(f"no rule for einsum of {part!r} of {dims} dimensions")
    return found
