"""The operations of a traced torch network, one by one, as nodes of a graph of rules."""

import math
import operator
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from propstats.activations.conversion.torch_modules import of_module
from propstats.errors import ModelError
from propstats.rules.affine import Affine, Flatten, Unchanged
from propstats.rules.attention import AttentionBetween
from propstats.rules.elementwise import Elementwise
from propstats.rules.from_torch import NoRuleError
from propstats.rules.from_torch_modules import attention, standing_rule
from propstats.rules.join import Add, Concatenate
from propstats.rules.node import Node
from propstats.rules.order import INPUT
from propstats.rules.pooling import average_pool
from propstats.rules.rule import Join, Rule
from propstats.theory.pooling.layer import pool_layer

#: Modules whose units are the last axis of their input, and those whose units are the first.
UNITS_LAST = (
    nn.Linear, nn.LayerNorm, nn.RMSNorm, nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.Embedding,
)  # fmt: skip
UNITS_FIRST = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.GroupNorm,
    nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d,
    nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d,
)  # fmt: skip
#: Functions that are activations, and the modules that have their parameters.
_ACTIVATIONS: Mapping[Any, type[nn.Module]] = {
    nn.functional.relu: nn.ReLU, torch.relu: nn.ReLU, "relu": nn.ReLU, torch.tanh: nn.Tanh, "tanh": nn.Tanh,
    nn.functional.tanh: nn.Tanh, torch.sigmoid: nn.Sigmoid, nn.functional.sigmoid: nn.Sigmoid, "sigmoid": nn.Sigmoid,
    nn.functional.gelu: nn.GELU, nn.functional.silu: nn.SiLU, nn.functional.mish: nn.Mish, nn.functional.elu: nn.ELU,
    nn.functional.selu: nn.SELU, nn.functional.leaky_relu: nn.LeakyReLU, nn.functional.softplus: nn.Softplus,
}  # fmt: skip
_SUMS = (operator.add, operator.iadd, torch.add, "add", "add_")
_PRODUCTS = (operator.mul, operator.imul, torch.mul, "mul")
_RESHAPES = (torch.flatten, torch.reshape, "flatten", "view", "reshape")
_KEPT = ("contiguous", "clone")


@dataclass(frozen=True, slots=True)
class _Value:
    """A value of the traced network: the node that it is, its shape without the batch, and the axis of its units."""

    node: str
    shape: tuple[int, ...]
    axis: int

    @property
    def units(self) -> int:
        return self.shape[self.axis]

    @property
    def positions(self) -> tuple[int, ...]:
        return tuple(size for axis, size in enumerate(self.shape) if axis != self.axis % len(self.shape))


class Reader:
    """Reads a traced network into nodes.

    Args:
        traced: The network.
        shapes: Shape of every value, without the batch.
        training: Whether dropout drops.
    """

    def __init__(self, traced: fx.GraphModule, shapes: Mapping[str, tuple[int, ...]], training: bool) -> None:
        self.traced = traced
        self.shapes = shapes
        self.training = training
        self.nodes: list[Node] = []
        self.values: dict[str, _Value] = {}
        self.calls: Counter[str] = Counter()

    def read(self) -> list[Node]:
        """Return the nodes.

        Raises:
            ModelError: If an operation has no rule; the message names it.
        """
        for n in self.traced.graph.nodes:
            try:
                if n.op == "placeholder":
                    self._enter(n)
                elif n.op == "call_module":
                    self._module(n)
                elif n.op in ("call_function", "call_method"):
                    self._operation(n)
                elif n.op != "output":
                    raise NoRuleError(f"no rule for the tensor {n.target} that is used as it is")
            except NoRuleError as error:
                where = str(n.target) if n.op == "call_module" else n.name
                hint = "write the network down in a TOML file, see docs/commands.md"
                raise ModelError(f"layer {where!r}: {error}", hint) from None
        return self.nodes

    def _enter(self, n: fx.Node) -> None:
        shape = self.shapes[n.name]
        telling = next((part for part in self.traced.modules() if isinstance(part, UNITS_LAST + UNITS_FIRST)), None)
        # Images come channels first, sequences features last.
        last = len(shape) < 3 if telling is None else isinstance(telling, UNITS_LAST)
        tokens = any(isinstance(m, nn.Embedding) for m in self.traced.modules())
        # Tokens are positions of one unit.
        self.values[n.name] = _Value(INPUT, (*shape, 1) if tokens else shape, -1 if last else 0)

    @property
    def input(self) -> _Value:
        """The network's input."""
        return next(iter(self.values.values()))

    def _add(self, n: fx.Node, name: str, kind: str, rule: Rule | Join, inputs: list[_Value], axis: int) -> None:
        """Note a node for a traced operation."""
        if n.name not in self.shapes:
            raise NoRuleError("no rule for what gives no tensor")
        value = _Value(name, self.shapes[n.name], axis)
        self.values[n.name] = value
        heard = tuple(entry.node for entry in inputs)
        self.nodes.append(Node(name, kind, rule, heard, value.units, value.positions))

    def _module(self, n: fx.Node) -> None:
        module, name = self.traced.get_submodule(str(n.target)), str(n.target)
        self.calls[name] += 1
        if self.calls[name] > 1:
            name = f"{name}#{self.calls[name] - 1}"
        value = self._heard(n.args[0])
        given = [*n.args[3:], *n.kwargs.values()] if isinstance(module, nn.MultiheadAttention) else []
        given += [*n.args[1:], *n.kwargs.values()] if isinstance(module, nn.TransformerEncoderLayer) else []
        if n.kwargs.get("is_causal") or any(isinstance(one, fx.Node) for one in given):
            raise NoRuleError("no rule for a mask whose values are not in sight")
        if isinstance(module, nn.MultiheadAttention) and any(arg is not n.args[0] for arg in n.args[1:3]):
            self._attend(n, module, name)
            return
        if isinstance(module, nn.TransformerEncoderLayer):
            self._encoder(n, module, name, value)
            return
        axis = -1 if isinstance(module, UNITS_LAST) else 0 if isinstance(module, UNITS_FIRST) else value.axis
        if isinstance(module, nn.GLU) and len(value.shape) > 1:
            axis = 0 if module.dim == 1 else -1 if module.dim in (-1, len(value.shape)) else axis
        if len(value.shape) > 1 and axis != value.axis and value.node != INPUT:
            raise NoRuleError(f"{type(module).__name__} takes another axis of {value.shape} for units than before")
        rule = standing_rule(module, value.shape, self.training)
        self._add(n, name, type(module).__name__, rule, [value], -1 if isinstance(rule, Flatten) else axis)

    def _attend(self, n: fx.Node, module: nn.MultiheadAttention, name: str) -> None:
        """Note attention between different values."""
        heard = [self._heard(argument) for argument in n.args[:3]]
        rule = attention(module, heard[0].shape[0], heard[1].shape[0], training=self.training)
        self._add(n, name, type(module).__name__, AttentionBetween(rule), heard, -1)

    def _encoder(self, n: fx.Node, module: nn.TransformerEncoderLayer, name: str, value: _Value) -> None:
        """Write out what torch runs in one: attention and two linear layers, each in a residual branch."""
        act = of_module(module.activation) if isinstance(module.activation, nn.Module) else None
        if act is None:
            kind = _ACTIVATIONS.get(module.activation)
            act = of_module(kind()) if kind is not None else None
        if act is None:
            raise NoRuleError("no rule for its activation yet")

        def step(suffix: str, part: nn.Module | Rule | Join, *heard: _Value) -> _Value:
            units = part.out_features if isinstance(part, nn.Linear) else heard[0].units
            rule = standing_rule(part, value.shape, self.training) if isinstance(part, nn.Module) else part
            after = _Value(f"{name}.{suffix}", (*value.shape[:-1], units), -1)
            self.nodes.append(
                Node(after.node, type(part).__name__, rule, tuple(h.node for h in heard), units, after.positions)
            )
            return after

        def attend(x: _Value) -> _Value:
            return step("dropout1", module.dropout1, step("self_attn", module.self_attn, x))

        def feed(x: _Value) -> _Value:
            hidden = step("activation", Elementwise(act), step("linear1", module.linear1, x))
            return step(
                "dropout2", module.dropout2, step("linear2", module.linear2, step("dropout", module.dropout, hidden))
            )

        if module.norm_first:
            x = step("add1", Add(), value, attend(step("norm1", module.norm1, value)))
            x = step("add2", Add(), x, feed(step("norm2", module.norm2, x)))
        else:
            x = step("norm1", module.norm1, step("add1", Add(), value, attend(value)))
            x = step("norm2", module.norm2, step("add2", Add(), x, feed(x)))
        self.values[n.name] = x

    def _operation(self, n: fx.Node) -> None:
        """Read a function or a method."""
        target, first = n.target, n.args[0] if n.args else None
        if len(n.args) == 2 and isinstance(first, int | float) and target in (*_SUMS, *_PRODUCTS):
            n.args = (n.args[1], first)  # 2 * x is x * 2
            first = n.args[0]
        if target is operator.getitem and isinstance(first, fx.Node) and n.args[1] == 0:
            self.values[n.name] = self._heard(first)  # the output of attention, without its weights
            return
        kind = str(getattr(target, "__name__", target))
        if target in (torch.cat, torch.concat) and isinstance(first, list | tuple):
            parts = [self._heard(part) for part in first]
            axis = n.kwargs.get("dim", n.args[1] if len(n.args) > 1 else 0)
            rank = len(parts[0].shape)
            if not isinstance(axis, int) or (axis - 1 if axis > 0 else axis % rank) != parts[0].axis % rank:
                raise NoRuleError("no rule for putting positions side by side yet")
            self._add(n, n.name, kind, Concatenate(tuple(part.units for part in parts)), parts, parts[0].axis)
            return
        value = self._heard(first)
        rule, axis = self._rule_of(n, value)
        parts = [value, self._heard(n.args[1])] if isinstance(rule, Join) else [value]
        self._add(n, n.name, kind, rule, parts, axis)

    def _rule_of(self, n: fx.Node, value: _Value) -> tuple[Rule | Join, int]:
        """Return the rule of an operation, and the axis of the units after it."""
        target, after = n.target, self.shapes.get(n.name, ())
        other = n.args[1] if len(n.args) > 1 else None
        if target in _ACTIVATIONS:
            options = {key: option for key, option in n.kwargs.items() if key != "inplace"}
            found = of_module(_ACTIVATIONS[target](**options))
            if found is not None and len(n.args) == 1:
                return Elementwise(found), value.axis
        if target in _SUMS and isinstance(other, fx.Node) and self._heard(other).shape == value.shape:
            return Add(), value.axis
        if target in _SUMS and isinstance(other, int | float):
            return Affine(1.0, float(other)), value.axis
        if target in _PRODUCTS and isinstance(other, int | float):
            return Affine(float(other)), value.axis
        if target in _KEPT:
            return Unchanged(), value.axis
        if target in _RESHAPES and len(after) == 1:
            return (Flatten(math.prod(value.positions)) if value.positions else Unchanged()), -1
        if target in _RESHAPES and value.axis == 0 and after[0] == value.units:
            return Unchanged(), 0
        if target in ("transpose", torch.transpose) and len(value.shape) == len(after) == 2:
            return Unchanged(), -1 if value.axis == 0 else 0
        if target in ("mean", torch.mean) and math.prod(after) == value.units and value.positions:
            layer = pool_layer("global_average", size=value.positions)
            return average_pool(layer), -1 if len(after) == 1 else value.axis
        raise NoRuleError(f"no rule for {getattr(target, '__name__', target)} here yet")

    def _heard(self, argument: object) -> _Value:
        """Return the value that an operation hears."""
        if isinstance(argument, fx.Node) and argument.name in self.values:
            return self.values[argument.name]
        raise NoRuleError("no rule for an operation on something that is no value of the network")
