"""The constants of a normalised unit as tensors, differentiable in whatever its input and its activation depend on."""

from collections.abc import Mapping

import torch

from propstats.activations import Activation
from propstats.activations.expression import evaluate
from propstats.activations.namespaces import torch_namespace
from propstats.errors import DomainError
from propstats.expectation import quadrature
from propstats.expectation.quadrature.rule import gauss_legendre
from propstats.nn.activations import is_rectifier
from propstats.nn.rectifier import rectified_moments

#: Panels in z, besides those that kinks cut, and how many nodes each has: tanh at gamma = 2 keeps nine digits.
_REACH, _PANELS, _NODES = 10.0, 10, 16
#: The least c1: what a unit that is almost constant puts out is not blown up any further, and has a gradient.
SMALLEST = 2.0**-10


def unit_constants(act: Activation) -> tuple[float, float, float]:
    """Return c1, c2 and the Jacobian factor of an activation at N(0, 1): the paper's constants.

    Args:
        act: The activation.

    Raises:
        DomainError: If it has no variance there.

    References:
        Arpit et al. 2016, arXiv:1603.01431, Remarks 1 and 2, Eq. 12, section 3.4.

    >>> from propstats.activations import activation
    >>> [round(c, 10) for c in unit_constants(activation("relu"))]
    [0.5838193701, 0.3989422804, 1.2111738962]
    """
    found = quadrature.moments(act)
    c1, c2, factor = (found[name].value for name in ("normprop_scale", "normprop_shift", "jacobian_factor"))
    if not 0.0 < c1 < float("inf"):
        raise DomainError(f"{act} has no variance to divide by at N(0, 1)", "NormProp needs another activation")
    return c1, c2, factor


def widest(device: torch.device) -> torch.dtype:
    """Return the type in which constants and folded weights are worked out: double precision, where a device has it.

    >>> widest(torch.device("cpu"))
    torch.float64
    """
    return torch.float32 if device.type == "mps" else torch.float64


def matched_constants(
    act: Activation, mean: torch.Tensor, std: torch.Tensor, params: Mapping[str, torch.Tensor] | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return c1 and c2 of units that receive `N(mean, std^2)`: standard deviation and mean of what they put out.

    A standard deviation below 2**-10 counts as that: what is almost constant is not blown up to unit variance.

    A ReLU has a closed form. Other activations are integrated over z by Gauss's rule on panels that end at the kinks,
    in double precision: smooth in mean and std, so that its derivative is that of the integral.

    Args:
        act: The activation.
        mean: Mean of the input of each unit, shape (units,).
        std: Its standard deviation, positive, shape (units,).
        params: Tensors in the place of parameters that do not move its kinks, of shape (1,) or (units,).

    >>> from propstats.activations import activation
    >>> zero, one = torch.zeros(1), torch.ones(1)
    >>> [round(float(c), 10) for c in matched_constants(activation("relu"), zero, one)]
    [0.5838193701, 0.3989422804]
    """
    wide = widest(mean.device)
    if is_rectifier(act):
        c2, variance = rectified_moments(mean.to(wide), std.to(wide))
        return variance.clamp_min(SMALLEST**2).sqrt(), c2
    nodes, weights = (torch.tensor(a.tolist(), dtype=wide, device=mean.device) for a in gauss_legendre(_NODES))
    edges = torch.linspace(-_REACH, _REACH, _PANELS + 1, dtype=wide, device=mean.device)
    mean, std = mean.to(wide)[:, None], std.to(wide)[:, None]
    kinks = [((kink - mean) / std).clamp(-_REACH, _REACH) for kink in act.kinks]
    ends = torch.cat([edges.expand(mean.shape[0], -1), *kinks], dim=1).sort(dim=1).values
    low, width = ends[:, :-1, None], ends.diff(dim=1)[:, :, None]
    z = (low + width * nodes).flatten(1)
    mass = (width * weights).flatten(1) * torch.exp(-0.5 * z * z)
    mass = mass / mass.sum(dim=1, keepdim=True)
    own = {name: value.to(wide).reshape(-1, 1) for name, value in (params or {}).items()}
    phi = evaluate(act.formula, {**act.params, **own, "x": mean + std * z}, torch_namespace(wide))
    c2 = (mass * phi).sum(dim=1, keepdim=True)
    return (mass * (phi - c2) ** 2).sum(dim=1).clamp_min(SMALLEST**2).sqrt(), c2[:, 0]
