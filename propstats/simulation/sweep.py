"""Sweeps over depths and scales of weights and biases: theory beside simulation in every cell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from propstats.activations import Activation, activation
from propstats.errors import DomainError
from propstats.simulation.jacobian import LayerSecondMoment, jacobian
from propstats.theory.spectra.summary import SpectrumSummary


@dataclass(frozen=True, slots=True)
class Cell:
    """Networks of one depth and one pair of scales.

    Args:
        depth: Layers.
        sigma_w: Standard deviation of the weights times sqrt(fan_in).
        sigma_b: Standard deviation of the biases.
        theory: The singular values of the Jacobian as theory predicts them.
        simulation: The same, simulated.
        signal: The second moment of the signal after the last layer.
        agree: Whether theory and simulation of the singular values agree.
        error: Why there is nothing, where the signal leaves the floats on its way.
    """

    depth: int
    sigma_w: float
    sigma_b: float
    theory: SpectrumSummary | None
    simulation: SpectrumSummary | None
    signal: LayerSecondMoment | None
    agree: bool
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """Everything `propstats sweep` prints.

    Args:
        cells: One for each depth and scale.
    """

    activation: str
    params: Mapping[str, float]
    scheme: str
    width: int
    draws: int
    seed: int
    cells: tuple[Cell, ...]

    @property
    def agree(self) -> bool:
        """Whether theory and simulation agree in all cells."""
        return all(cell.agree for cell in self.cells)


def sweep(
    act: str | Activation = "tanh",
    *,
    depths: Sequence[int] = (10,),
    sigma_w: Sequence[float] = (1.0,),
    sigma_b: Sequence[float] = (0.0,),
    width: int = 128,
    scheme: str = "lecun",
    draws: int = 30,
    seed: int = 0,
    device: str = "cpu",
    precision: str = "float64",
    progress: Callable[[int], None] | None = None,
    **params: float,
) -> Sweep:
    """Compare theory with random networks for every combination of depths and scales.

    Each cell is what `jacobian` finds; the draws of a cell are shared among the processes that torchrun started, and
    the numbers are the same for any number of them.

    Args:
        act: Name of an activation, or an activation.
        depths: Layers.
        sigma_w: Standard deviations of the weights times sqrt(fan_in).
        sigma_b: Standard deviations of the biases.
        width: Units per layer.
        scheme: The law of the weights: that of a scheme, but not its scale; not normprop.
        draws: Random networks in each cell.
        seed: Seed of the draws.
        device: `cpu`, `cuda` or `auto`.
        precision: `float32`, `float64` or `accurate`.
        progress: Called with the number of draws just finished.
        **params: Parameters of the activation.

    Raises:
        DomainError: If a number is out of range, or there is nothing to sweep over.
        UnknownNameError: If the activation, a parameter or the scheme is not known.

    >>> found = sweep("relu", depths=(2, 4), sigma_w=(2**0.5,), width=32, draws=5)
    >>> [(cell.depth, round(cell.theory.mean_square.value, 12)) for cell in found.cells]  # He et al. 2015
    [(2, 1.0), (4, 1.0)]
    """
    unit = activation(act, **params)
    for name, values in (("depths", depths), ("sigma_w", sigma_w), ("sigma_b", sigma_b)):
        if not values:
            raise DomainError(f"{name} must hold at least one number")
    cells = []
    for depth, weight, bias in product(depths, sigma_w, sigma_b):
        try:
            found = jacobian(
                unit,
                depth=depth,
                width=width,
                scheme=scheme,
                sigma_w=weight,
                sigma_b=bias,
                draws=draws,
                seed=seed,
                device=device,
                precision=precision,
                progress=progress,
            )
        except DomainError as error:
            if "at layer" not in error.message and "in layer" not in error.message:
                raise
            cells.append(Cell(depth, weight, bias, None, None, None, agree=True, error=error.message))
            continue
        cells.append(Cell(depth, weight, bias, found.theory, found.simulation, found.signal[-1], found.agree))
    return Sweep(unit.name, unit.params, scheme, width, draws, seed, tuple(cells))
