import math

import pytest

from propstats.errors import DomainError, UnknownNameError
from propstats.simulation.jacobian import jacobian
from propstats.simulation.sweep import sweep


@pytest.mark.slow
def test_every_combination_is_what_jacobian_finds() -> None:
    found = sweep("tanh", depths=(2, 4), sigma_w=(1.0, 1.5), sigma_b=(0.0, 0.2), width=32, draws=8, seed=3)
    assert [(cell.depth, cell.sigma_w, cell.sigma_b) for cell in found.cells] == [
        (depth, weight, bias) for depth in (2, 4) for weight in (1.0, 1.5) for bias in (0.0, 0.2)
    ]
    one = jacobian("tanh", depth=4, width=32, scheme="lecun", sigma_w=1.5, sigma_b=0.2, draws=8, seed=3)
    cell = found.cells[-1]
    assert (cell.theory, cell.simulation, cell.signal) == (one.theory, one.simulation, one.signal[-1])
    assert found.agree == all(cell.agree for cell in found.cells)


def test_the_edge_of_chaos_shows() -> None:
    """He's weights keep gradients at any depth; a tenth less loses, a tenth more gains exponentially."""
    found = sweep("relu", depths=(5, 10), sigma_w=(0.9 * math.sqrt(2), math.sqrt(2), 1.1 * math.sqrt(2)), draws=4)
    squares = [cell.theory.mean_square.value for cell in found.cells if cell.theory]
    assert squares == pytest.approx([0.81**5, 1.0, 1.21**5, 0.81**10, 1.0, 1.21**10], rel=1e-9)


def test_a_cell_in_which_the_signal_is_lost_says_so() -> None:
    found = sweep("square", depths=(3, 30), sigma_w=(2.0,), width=16, draws=2)
    first, second = found.cells
    assert first.error is None
    assert second.theory is None
    assert second.error is not None
    assert "diverges at layer" in second.error


def test_refusals() -> None:
    with pytest.raises(DomainError, match="depths must hold"):
        sweep("relu", depths=())
    with pytest.raises(DomainError, match="depth must be at least 1"):
        sweep("relu", depths=(0,))
    with pytest.raises(DomainError, match="sigma_w must be a positive number"):
        sweep("relu", sigma_w=(-1.0,))
    with pytest.raises(DomainError, match="normprop"):
        sweep("relu", scheme="normprop")
    with pytest.raises(UnknownNameError):
        sweep("relu", scheme="nothing")
