"""A torch module -> a graph of rules, by tracing its forward pass with torch.fx."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn

from propstats.errors import ModelError
from propstats.rules.from_torch import rule_for
from propstats.rules.from_torch_reader import Reader
from propstats.rules.graph import Graph
from propstats.text import reason_of


def graph_of(module: nn.Module, shape: Sequence[int] | None = None, *, training: bool = True) -> Graph:
    """Return the graph of a module that takes one tensor and gives one.

    Its forward pass is traced symbolically: for modules of torch.nn nothing but torch's own code runs.

    Args:
        module: The module; it is left as it was.
        shape: Shape of its input, without the batch; where it begins with a linear layer, that says it.
        training: Whether dropout drops.

    Raises:
        ModelError: If the module cannot be traced, refuses such an input, or has a layer without a rule; the message
            names the layer.

    >>> [node.kind for node in graph_of(nn.Sequential(nn.Linear(3, 4), nn.ReLU())).nodes]
    ['Linear', 'ReLU']
    """
    traced = _traced(module)
    sizes = tuple(shape) if shape is not None else _first_shape(module)
    shapes = _shapes(traced, module, sizes)
    reader = Reader(traced, shapes, training)
    nodes = reader.read()
    return Graph(nodes, reader.input.units, reader.input.positions)


class _Tracer(fx.Tracer):
    """Looks into modules that are neither torch's own nor have a rule of their own."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in rule_for.registry or super().is_leaf_module(m, module_qualified_name)


def _traced(module: nn.Module) -> fx.GraphModule:
    try:
        tracer = _Tracer()
        if tracer.is_leaf_module(module, ""):
            module = nn.Sequential(module)  # or torch.fx would look into it
        traced = fx.GraphModule(module, tracer.trace(module))
    except Exception as error:  # the network's own code runs here
        what = f"{type(module).__name__} cannot be traced: {reason_of(error)}"
        raise ModelError(what, "write its layers down in a TOML file, see docs/commands.md") from None
    inputs = [n.name for n in traced.graph.nodes if n.op == "placeholder"]
    if len(inputs) != 1:
        raise ModelError(f"the network has several inputs: {', '.join(inputs)}", "one tensor in, one tensor out")
    return traced


def _first_shape(module: nn.Module) -> tuple[int, ...]:
    """Return the shape that the first layer with a fixed number of inputs asks for."""
    first = next((m for m in module.modules() if not any(m.children()) and not isinstance(m, nn.Flatten)), None)
    if isinstance(first, nn.Linear):
        return (first.in_features,)
    raise ModelError("the shape of the input is not known", "give it without the batch, for example --shape 3x32x32")


def _shapes(traced: fx.GraphModule, module: nn.Module, sizes: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every value, without the batch, by running zeros through the network in evaluation mode."""
    shapes: dict[str, tuple[int, ...]] = {}

    class Watch(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            value = super().run_node(n)
            first = value[0] if isinstance(value, tuple) else value
            if isinstance(first, torch.Tensor):
                shapes[n.name] = tuple(first.shape[1:])
            return value

    modes = [(part, part.training) for part in traced.modules()]
    traced.eval()
    try:
        with torch.no_grad():
            kind = torch.long if _hears_tokens(traced) else next((p.dtype for p in module.parameters()), torch.float32)
            Watch(traced, garbage_collect_values=True).run(torch.zeros((1, *sizes), dtype=kind))
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError) as error:
        shown = "x".join(map(str, sizes))
        raise ModelError(f"the network refuses an input of {shown}: {reason_of(error)}", "is --shape right?") from None
    finally:
        for part, training in modes:
            part.training = training
    return shapes


def _hears_tokens(traced: fx.GraphModule) -> bool:
    inputs = [n for n in traced.graph.nodes if n.op == "placeholder"]
    heard = [user for n in inputs for user in n.users if user.op == "call_module"]
    return any(isinstance(traced.get_submodule(str(user.target)), nn.Embedding) for user in heard)
