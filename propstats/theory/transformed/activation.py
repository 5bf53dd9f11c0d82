"""An activation with a scale and a shift of its input and of its output."""

from dataclasses import dataclass
from functools import cached_property

from propstats.activations import Activation
from propstats.activations.expression import substitute
from propstats.activations.syntax import parse, str_of
from propstats.errors import DomainError


@dataclass(frozen=True)
class Transformed:
    """`x -> output_scale (phi(input_scale x + input_shift) + output_shift)`.

    Args:
        base: phi.
        input_scale: What the input is multiplied by.
        input_shift: What is added then.
        output_shift: What is added to phi.
        output_scale: What the sum is multiplied by.

    >>> from propstats.activations import activation
    >>> Transformed(activation("relu"), 1.0, 0.0, -0.5, 2.0).activation(3.0).item()
    5.0
    """

    base: Activation
    input_scale: float
    input_shift: float
    output_shift: float
    output_scale: float

    @property
    def constants(self) -> dict[str, float]:
        """The four constants by name."""
        names = ("input_scale", "input_shift", "output_shift", "output_scale")
        return {name: getattr(self, name) for name in names}

    @cached_property
    def activation(self) -> Activation:
        """The transformed activation, which has its constants as parameters.

        Raises:
            DomainError: If the base has parameters of these names: it is transformed already.
        """
        taken = self.constants.keys() & self.base.params.keys()
        if taken:
            raise DomainError(f"{self.base.name} has a parameter {min(taken)} already", "transform its base instead")
        params = {**self.base.params, **self.constants}
        inside = parse("input_scale*x + input_shift", {"x", *params})
        text = f"output_scale*({str_of(substitute(self.base.formula, {'x': inside}))} + output_shift)"
        return Activation(f"{self.base.name}_transformed", text, params, self.base.reference)
