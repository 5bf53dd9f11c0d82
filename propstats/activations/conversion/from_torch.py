"""Activations from torch: modules by their name, functions by tracing what they do to their input."""

from collections.abc import Callable
from typing import Any

from propstats.activations.activation import Activation
from propstats.activations.conversion.checks import activation_of, grid, refuse_if_large
from propstats.activations.conversion.operations import Condition, number
from propstats.activations.conversion.torch_modules import of_module
from propstats.activations.conversion.torch_operations import applied, apply, as_tree, unknown
from propstats.activations.expression import Expr, Symbol
from propstats.errors import ExpressionError
from propstats.text import reason_of

#: In evaluation mode these modules change nothing.
_IDLE = ("Identity", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout")


def from_torch(function: Callable[..., Any], name: str = "") -> Activation:
    """Make an activation from a function of one tensor, or from a module in evaluation mode.

    The formula is read off a trace and then compared with the function on numbers between -30 and 30.

    Args:
        function: A function of torch, a module, or a function of your own that calls such.
        name: What to call the activation; by default the function's name, or the formula of one without a name.

    Raises:
        ExpressionError: If the function decides in Python what to do with its input, is not elementwise, or calls
            what has no meaning in a formula.

    >>> import torch
    >>> from_torch(lambda x: x * torch.tanh(x)).text
    'x*tanh(x)'
    """
    import copy

    from torch import nn

    own_name = getattr(function, "__name__", "")
    if isinstance(function, nn.Module):
        known = of_module(function)
        if known is not None:
            return known
        own_name = type(function).__name__
        function = copy.deepcopy(function).eval().double()
    tree = _Translator(function).tree()
    found = activation_of(tree, name or (own_name if own_name.isidentifier() else ""), {})
    _compare(found, function)
    return found


class _Translator:
    """The graph of a traced function into a tree, node by node."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._root, self._graph = _trace(function)
        self._values: dict[Any, Any] = {}
        self._sizes: dict[int, int] = {}

    def tree(self) -> Expr:
        for node in self._graph.nodes:
            if node.op == "output":
                return as_tree(self._value(node.args[0]))
            self._values[node] = value = self._operation(node)
            if not isinstance(value, Condition):
                refuse_if_large(value, self._sizes)
        raise AssertionError("a graph without an output")

    def _value(self, argument: Any) -> Any:
        """Return what a node has become, a number as a tree, and any other constant as it is."""
        import torch
        from torch import fx

        if isinstance(argument, fx.Node):
            return self._values[argument]
        if isinstance(argument, torch.Tensor):
            if argument.numel() != 1:
                why = f"the function holds a tensor of shape {tuple(argument.shape)}"
                raise ExpressionError(why, "an activation treats all units alike")
            return number(argument.item())
        return number(argument) if type(argument) in (int, float) else argument

    def _operation(self, node: Any) -> Expr | Condition:
        args = [self._value(argument) for argument in node.args]
        if node.op == "placeholder":
            return Symbol("x")
        if node.op == "get_attr":
            constant = self._root
            for part in node.target.split("."):
                constant = getattr(constant, part)
            return as_tree(self._value(constant))
        if node.op == "call_module":
            return self._module(self._root.get_submodule(node.target), as_tree(args[0]))
        name = node.target if node.op == "call_method" else getattr(node.target, "__name__", str(node.target))
        named = {key: self._value(argument) for key, argument in node.kwargs.items()}
        # relu_, and_ and torch's _threshold; special_erf.
        return apply(name.removeprefix("special_").strip("_"), args, named)

    def _module(self, module: Any, x: Expr) -> Expr:
        if type(module).__name__ in _IDLE:
            return x
        known = of_module(module)
        if known is None:
            raise unknown(type(module).__name__)
        return applied(known, x)


def _trace(function: Callable[..., Any]) -> tuple[Any, Any]:
    """Trace a function of one tensor; return the graph, and the module that holds what it uses."""
    from torch import fx, nn
    from torch.fx.proxy import TraceError

    class Root(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.function = function

        def forward(self, x: Any) -> Any:
            return self.function(x)

    class Tracer(fx.Tracer):
        def path_of_module(self, mod: nn.Module) -> str:
            try:
                return super().path_of_module(mod)
            except NameError:  # a module that the function has from elsewhere
                path = f"held_{len(list(self.root.children()))}"
                self.root.add_module(path, mod)
                return path

    root = Root()
    try:
        return root, Tracer().trace(root)
    except TraceError:
        hint = "use torch.where, torch.clamp or torch.maximum"
        raise ExpressionError("the function decides in Python what to do with its input", hint) from None
    except Exception as error:  # whatever the user's function raises
        hint = "it must take one tensor and call torch; or state the formula as text"
        raise ExpressionError(f"cannot follow the function: {reason_of(error)}", hint) from None


def _compare(activation: Activation, function: Callable[..., Any]) -> None:
    """Refuse a translation that differs from its function on numbers, by more than half of their digits."""
    import torch

    x = torch.from_numpy(grid())
    with torch.no_grad():
        theirs = _values(function, x)
        ours = activation(x)
    if theirs.shape != x.shape:
        why = f"the function gives {tuple(theirs.shape)} numbers for {tuple(x.shape)}"
        raise ExpressionError(why, "an activation gives one for each")
    allowed = torch.finfo(theirs.dtype).eps ** 0.5 * (1 + ours.abs())
    # Where the function overflows and its stable form does not, there is nothing to compare.
    differs = torch.isfinite(theirs) & ~((theirs - ours).abs() <= allowed)
    if differs.any():
        where = int(differs.nonzero()[0])
        why = f"at x = {x[where]:.3g} the function gives {theirs[where]:.12g} and its formula {ours[where]:.12g}"
        raise ExpressionError(f"{why}: {activation.text}", "state the formula as text")


def _values(function: Callable[..., Any], x: Any) -> Any:
    """Apply a function to float64, to float32 if it holds such weights, or to number after number."""
    import torch

    for argument in (x.clone(), x.float()):
        try:
            result = function(argument)
        except Exception:  # whatever it is, the next type may do
            continue
        if isinstance(result, torch.Tensor):
            return result if result.is_floating_point() else result.double()
    try:
        return torch.tensor([float(function(value)) for value in x.tolist()], dtype=torch.float64)
    except Exception as error:
        raise ExpressionError(f"cannot apply the function to numbers: {str(error).partition(chr(10))[0]}") from None
