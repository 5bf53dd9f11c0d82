"""Scales of gradients that are not those of signals, and where a graph allows for them."""

import copy
import math
from collections import Counter
from typing import Any

import torch
from torch import fx, nn

from propstats.errors import DomainError, ModelError
from propstats.expectation import quadrature
from propstats.nn.normprop import NormProp
from propstats.text import printable

#: Products of the same factors in another order differ by rounding.
_SAME = 1e-12


class _Scale(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(input: torch.Tensor, factor: float) -> torch.Tensor:
        return input.view_as(input)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor, float], output: torch.Tensor) -> None:
        ctx.factor = inputs[1]

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return ctx.factor * gradients[0], None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> torch.Tensor:
        moved: torch.Tensor = tangents[0].view_as(tangents[0])  # what goes forwards is not scaled
        return moved


class ScaleGradient(nn.Module):
    """Hands its input on, and its gradient times a factor.

    On a chain that is a learning rate of its own for everything before it: the direction stays one of descent. Where a
    graph branches, all ways must carry the same factor: see `check_gradient_scales`.

    Args:
        factor: The factor.

    Raises:
        DomainError: If it is not a positive number.

    >>> x = torch.ones(2, requires_grad=True)
    >>> ScaleGradient(0.5)(x).sum().backward()
    >>> x.grad.tolist()
    [0.5, 0.5]
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        if not 0.0 < factor < math.inf:
            raise DomainError(f"factor must be a positive number, got {factor}")
        self.factor = factor

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the input.

        Args:
            input: A tensor of any shape.
        """
        result: torch.Tensor = _Scale.apply(input, self.factor)  # type: ignore[no-untyped-call]
        return result

    def extra_repr(self) -> str:
        """Return the factor."""
        return f"{self.factor:.6g}"


def jacobian_factor(layer: NormProp) -> float:
    """Return the root mean square, over units and input N(0, 1), of what a NormProp layer does to gradients.

    `J^2 = gamma^2 E[phi'(gamma z + beta)^2]/c1^2`, from the layer's gamma, beta and constants as they are.

    >>> from propstats.nn import NormPropLinear
    >>> round(jacobian_factor(NormPropLinear(4, 4, gamma=1.0)), 6)
    1.211174
    """
    units, act = layer.beta.numel(), layer.activation
    c1 = torch.as_tensor(layer.current_constants()[0], dtype=torch.float64)
    slope = [] if layer.slope is None else layer.slope.detach().expand(units).tolist()
    gaussians = (layer.beta.tolist(), layer.gamma.abs().tolist(), c1.detach().expand(units).tolist())
    alike = Counter(zip(*gaussians, slope or [None] * units, strict=True))
    total = 0.0
    for (beta, gamma, scale, a), count in alike.items():
        unit = act if a is None else act.with_params(a=a)
        slopes = quadrature.moments(unit, mean=beta, std=gamma)["slope_second_moment"].value
        total += count * gamma**2 * slopes / scale**2
    return math.sqrt(total / units)


def separate_scales(model: nn.Module) -> nn.Module:
    """Return a copy of a NormProp network whose gradients keep their size while its signals keep theirs.

    In front of each NormProp layer the gradient is divided by the layer's Jacobian factor, as it is at this moment.

    Args:
        model: The network; it stays as it is.

    Raises:
        ModelError: If ways through the network that meet would carry different factors, or gradients are 0 anyway.

    References:
        Blake, Orr & Luschi 2023, arXiv:2303.11257, on which scales a graph that branches allows for.

    >>> from propstats.nn import NormPropLinear
    >>> separate_scales(nn.Sequential(NormPropLinear(4, 2, gamma=1.0)))
    Sequential(
      (0): Sequential(
        (0): ScaleGradient(0.825645)
        (1): NormPropLinear(in_features=4, out_features=2, bias=False, activation=relu, constants=paper)
      )
    )
    """
    scaled = _scaled(copy.deepcopy(model), {})
    check_gradient_scales(scaled)
    return scaled


def _scaled(module: nn.Module, done: dict[nn.Module, nn.Module]) -> nn.Module:
    if module in done:  # applied at several places
        return done[module]
    if isinstance(module, NormProp):
        factor = jacobian_factor(module)
        if not 0.0 < factor < math.inf:
            raise ModelError(f"a layer with {module.activation} has the Jacobian factor {factor:g}: nothing to scale")
        done[module] = nn.Sequential(ScaleGradient(1.0 / factor), module)
        return done[module]
    done[module] = module
    for name, child in module._modules.items():
        if child is not None:
            module.add_module(name, _scaled(child, done))
    return module


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, ScaleGradient):
            return True
        return not any(isinstance(part, ScaleGradient) for part in m.modules())


def check_gradient_scales(model: nn.Module) -> None:
    """Check that what a network's backward pass returns is a gradient, layer by layer, but for a positive factor.

    Where one value goes several ways, the gradients that come back on them are added: each must have been scaled by
    the same product of factors, or the sum is the gradient of nothing.

    Args:
        model: A network with `ScaleGradient` in it.

    Raises:
        ModelError: If a value goes ways with different factors, named in the message, or the network cannot be traced.

    References:
        Blake, Orr & Luschi 2023, arXiv:2303.11257, section 3.

    >>> class Residual(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.branch = nn.Sequential(ScaleGradient(0.5), nn.Linear(4, 4))
    ...     def forward(self, x):
    ...         return x + self.branch(x)
    >>> check_gradient_scales(nn.Sequential(ScaleGradient(0.5), nn.Linear(4, 4)))  # a chain: nothing meets
    >>> check_gradient_scales(Residual())
    Traceback (most recent call last):
    propstats.errors.ModelError: the gradients of x come back with different factors: 0.5 through ..., 1 through add ...
    """
    try:
        graph = _Tracer().trace(model)
    except Exception as error:  # the network's own code runs here
        raise ModelError(f"{type(model).__name__} cannot be traced: {printable(error, limit=160)}") from None
    modules = dict(model.named_modules())
    factors: dict[fx.Node, float] = {}
    for node in reversed(graph.nodes):
        if node.op == "output":
            factors[node] = 1.0
            continue
        ways = {_through(user, modules) * factors[user]: user for user in node.users if user in factors}
        if not ways:
            continue  # nothing of it reaches the output
        low, high = min(ways), max(ways)
        if high > low * (1.0 + _SAME):
            raise ModelError(
                f"the gradients of {node.name} come back with different factors: {low:.4g} through"
                f" {ways[low].name}, {high:.4g} through {ways[high].name}",
                "all ways that meet must carry the same factor: scale them alike, or none of them",
            )
        factors[node] = high


def _through(node: fx.Node, modules: dict[str, nn.Module]) -> float:
    """Return what a node multiplies its gradient by on purpose."""
    module = modules.get(str(node.target)) if node.op == "call_module" else None
    return module.factor if isinstance(module, ScaleGradient) else 1.0
