"""A first layer's covariance over data: brute force, and data whose covariance is known."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from propstats.auditing.covariance import MeasuredCovariance, measure
from propstats.auditing.data.load import load_data
from propstats.auditing.matrices import Matrix
from propstats.errors import DataError
from propstats.estimate import STANDARD_ERRORS, Estimate


def _measure(module: nn.Module, inputs: torch.Tensor) -> MeasuredCovariance:
    weight = module.weight
    assert isinstance(weight, torch.Tensor)
    rows = weight.detach().flatten(1)
    return measure(Matrix("0.weight", "layer", tuple(weight.shape), rows, module=module), rows.numpy(), inputs)


def _near(estimate: Estimate, exact: float, slack: float = 0.0) -> bool:
    return abs(estimate.value - exact) <= STANDARD_ERRORS * estimate.error + slack


def test_brute_force_on_digits() -> None:
    torch.manual_seed(0)
    module = nn.Conv2d(1, 12, 3, padding=1, stride=2, bias=False).double()
    inputs = load_data("digits").inputs.double()
    found = _measure(module, inputs)
    h = module(inputs).detach().movedim(1, -1).reshape(-1, 12).numpy()
    exact = np.cov(h.T, bias=True)
    off = exact - np.diag(np.diag(exact))
    correlations = np.abs(np.corrcoef(h.T) - np.eye(12))
    assert found.positions == 16
    for estimate, brute in (
        (found.off_diagonal, np.linalg.norm(off)),
        (found.diagonal, np.linalg.norm(np.diag(exact))),
        (found.coherence, correlations.max()),
    ):
        assert math.isclose(estimate.value, float(brute), rel_tol=1e-11)
        assert 0 < estimate.error < 0.1 * estimate.value
        assert estimate.samples == 1797


def test_white_inputs_are_what_the_proposition_is_about() -> None:
    torch.manual_seed(1)
    module = nn.Linear(20, 15, bias=False).double()
    found = _measure(module, torch.randn(5_000, 20, dtype=torch.float64))
    exact = module.weight.detach().numpy() @ module.weight.detach().numpy().T
    off = float(np.linalg.norm(exact - np.diag(np.diag(exact))))
    assert _near(found.off_diagonal, off)
    assert _near(found.off_diagonal, found.white.value, 0.01 * off)  # its variance is measured as well
    assert found.white.value <= found.canonical_error_bound.value


def test_correlated_inputs_are_beyond_it() -> None:
    """All inputs share a part: two filters at right angles are almost the same unit."""
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(4_000, 1, generator=generator) + 0.1 * torch.randn(4_000, 8, generator=generator)
    module = nn.Linear(8, 2, bias=False)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.0] * 8, [1.0, 1, 1, 1, 1, 1, 1, -1]]) / math.sqrt(8))
    found = _measure(module, x)
    common, own = 1.0, 0.01
    across = common * 8 * 6 / 8 + own * 6 / 8
    assert _near(found.off_diagonal, math.sqrt(2) * across)
    assert found.coherence.value > 0.99
    assert found.off_diagonal.value > found.canonical_error_bound.value / 1.3 > found.white.value / 1.4


def test_what_few_samples_add_is_in_the_error() -> None:
    """Orthonormal rows and white inputs: nothing is correlated, but two hundred samples say otherwise."""
    torch.manual_seed(3)
    module = nn.Linear(60, 50, bias=False).double()
    nn.init.orthogonal_(module.weight)
    found = _measure(module, torch.randn(200, 60, dtype=torch.float64))
    assert found.off_diagonal.value > 1.0
    assert _near(found.off_diagonal, 0.0)


def test_images_not_positions_are_the_samples() -> None:
    """Standard errors against the scatter of repeated experiments."""
    torch.manual_seed(4)
    module = nn.Conv1d(1, 4, 3, bias=False).double()
    smooth = torch.nn.functional.avg_pool1d(torch.randn(20, 60, 1, 47, dtype=torch.float64).flatten(0, 1), 8, 1)
    found = [_measure(module, x) for x in smooth.reshape(20, 60, 1, 40)]
    scatter = float(np.std([f.off_diagonal.value for f in found], ddof=1))
    claimed = float(np.mean([f.off_diagonal.error for f in found]))
    # Twenty repetitions know a standard deviation to 16%, ten groups to 24%: within five of those.
    assert 1 / 3 < claimed / scatter < 3


def test_too_few_samples_have_no_error() -> None:
    assert _measure(nn.Linear(3, 2), torch.randn(19, 3)).off_diagonal.error == math.inf


def test_constant_data() -> None:
    with pytest.raises(DataError, match="the data are constant"):
        _measure(nn.Linear(3, 2), torch.ones(30, 3))
