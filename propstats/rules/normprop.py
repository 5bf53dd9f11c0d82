"""NormProp layers."""

from propstats.activations import Activation
from propstats.errors import DomainError
from propstats.expectation import quadrature
from propstats.rules.affine import Chain
from propstats.rules.dense import Weights
from propstats.rules.elementwise import Elementwise
from propstats.theory.transformed import Transformed


def normprop(weights: Weights, act: Activation, gamma: float | None = None, beta: float = 0.0) -> Chain:
    """Return `(phi(gamma W x + beta) - c2)/c1`, the rows of W of length one.

    c1 and c2 are the standard deviation and the mean of phi at N(0, 1). Where the input has variance 1 and mean 0 and
    gamma = 1, so has the output; gamma = 1/J keeps gradients instead.

    Args:
        weights: The weights, with `E[w^2] = 1/fan_in`.
        act: phi.
        gamma: Scale of the pre-activations; 1/J if left out.
        beta: Bias.

    Raises:
        DomainError: If the activation has no variance at N(0, 1).

    References:
        Arpit et al. 2016, arXiv:1603.01431, Eq. 12 and section 3.4.

    >>> from propstats.activations import activation
    >>> from propstats.signals import Signal
    >>> layer = normprop(Weights(0.0, 0.01, 0.0, 0.0, 100, 100, 100), activation("relu"), gamma=1.0)
    >>> round(layer.forward(Signal(0.0, 1.0, 1.0)).q, 12)
    1.0
    """
    moments = quadrature.moments(act)
    scale, shift, factor = (moments[name].value for name in ("normprop_scale", "normprop_shift", "jacobian_factor"))
    if not 0.0 < scale < float("inf"):
        raise DomainError(f"{act} has no variance to divide by at N(0, 1)", "NormProp needs another activation")
    own = 1.0 / factor if gamma is None else gamma
    # In one activation: what a finite width does to the mean before the shift, it does to the length after it.
    unit = Transformed(act, own, beta, -shift, 1.0 / scale)
    return Chain((weights, Elementwise(unit.activation)))
