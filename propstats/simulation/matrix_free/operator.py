"""Products of a network's Jacobians, and of their transposes, with vectors."""

import math

import torch
from torch import nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel


class JacobianOperator:
    """The Jacobians of a network at several inputs, which are never formed.

    Input k is multiplied by its own vector k: all go through the network as one batch, which reads each weight once.
    `J^T u` is a backward pass; it is linear in u, so that a backward pass through it gives `J v`, and the forward pass
    is run only once. Products run in the network's precision; what they return is float64.

    Args:
        model: The network, in evaluation mode; the output of a sample must depend on that sample alone.
        inputs: The inputs, of shape (count, ...).
    """

    def __init__(self, model: nn.Module, inputs: torch.Tensor) -> None:
        self._inputs = inputs.detach().clone().requires_grad_(True)
        # Gradients of the parameters are asked for by nobody.
        parameters = {name: parameter.detach() for name, parameter in model.named_parameters()}
        with sdpa_kernel(SDPBackend.MATH):  # the only attention that can be differentiated twice
            # A clone, on which modules may work in place.
            self._outputs: torch.Tensor = functional_call(model, parameters, (self._inputs.clone(),))
        self._direction = torch.zeros_like(self._outputs, requires_grad=True)
        self._pulled_back = self._backward(self._outputs, self._inputs, self._direction, create_graph=True)
        self.device, self.count = inputs.device, len(inputs)
        self.columns = math.prod(inputs.shape[1:])
        self.rows = math.prod(self._outputs.shape[1:])

    def times(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return `J_k v_k` for vectors of shape (count, columns), of shape (count, rows)."""
        return self._backward(self._pulled_back, self._direction, vectors).flatten(1).double()

    def transposed_times(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return `J_k^T u_k` for vectors of shape (count, rows), of shape (count, columns)."""
        return self._backward(self._outputs, self._inputs, vectors).flatten(1).double()

    def _backward(
        self, of: torch.Tensor, to: torch.Tensor, vectors: torch.Tensor, *, create_graph: bool = False
    ) -> torch.Tensor:
        (found,) = torch.autograd.grad(
            of, to, vectors.to(of).view_as(of), retain_graph=True, create_graph=create_graph, materialize_grads=True
        )
        return found


def copies(x: torch.Tensor, count: int) -> torch.Tensor:
    """Return a batch of copies of one input, so that a block of vectors meets the same Jacobian."""
    return x.unsqueeze(0).expand(count, *x.shape)


def formed(operator: JacobianOperator) -> torch.Tensor:
    """Return the Jacobians, of shape (count, few, many): row by row, or transposed, whichever takes fewer products."""
    wide = operator.rows <= operator.columns
    few, product = (operator.rows, operator.transposed_times) if wide else (operator.columns, operator.times)
    units = torch.eye(few, dtype=torch.float64, device=operator.device)
    return torch.stack([product(unit.expand(operator.count, few)) for unit in units], dim=1)
