"""A graph of torch's operations as a network with layers, so that each of them can be watched."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn
from torch.export import ExportedProgram

from propstats.auditing.loading.access import USE_ARCH
from propstats.auditing.loading.operations import function_of, layer_of
from propstats.errors import ModelError

#: Operations that check sizes; they return nothing that is used.
_ASSERTIONS: Final = ("aten._assert", "aten.sym_constrain")


@dataclass(frozen=True, slots=True)
class Value:
    """What an earlier step returned."""

    step: str


@dataclass(frozen=True, slots=True)
class Weight:
    """A tensor of the network: a parameter, a buffer or a constant."""

    name: str


@dataclass(frozen=True, slots=True)
class Step:
    """One call: of a layer by its name, or of a function."""

    name: str
    target: str | Callable[..., object]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Program(nn.Module):
    """A network that carries out steps; layers are modules under their own names, all else is a torch function."""

    def __init__(self, input_name: str, steps: tuple[Step, ...], outputs: tuple[Any, ...]) -> None:
        super().__init__()
        self._input, self._steps, self._outputs = input_name, steps, outputs

    def forward(self, x: torch.Tensor) -> Any:
        """Run all steps."""
        values: dict[str, Any] = {self._input: x}
        for step in self._steps:
            args, kwargs = self._filled(step.args, values), self._filled(step.kwargs, values)
            target = self.get_submodule(step.target) if isinstance(step.target, str) else step.target
            values[step.name] = target(*args, **kwargs)
        outputs = self._filled(self._outputs, values)
        return outputs[0] if len(outputs) == 1 else outputs

    def _filled(self, value: Any, values: dict[str, Any]) -> Any:
        if isinstance(value, Value):
            return values[value.step]
        if isinstance(value, Weight):
            path, _, name = value.name.rpartition(".")
            return getattr(self.get_submodule(path), name)
        if isinstance(value, list | tuple):
            return type(value)(self._filled(item, values) for item in value)
        if isinstance(value, dict):
            return {key: self._filled(item, values) for key, item in value.items()}
        return value


def program_of(exported: ExportedProgram, *, name: str) -> Program:
    """Rebuild the layers of an exported network: linear, convolution, normalisation and the like are modules again.

    Args:
        exported: The network; its guards are not run.
        name: How to name it in the error.

    Raises:
        ModelError: If it has control flow, changes its own buffers, or takes several inputs.
    """
    signature = exported.graph_signature
    everything = {**exported.state_dict, **exported.constants}
    tensors = {key: value for key, value in everything.items() if isinstance(value, torch.Tensor)}
    held = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    if signature.buffers_to_mutate:
        raise ModelError(f"{name}: was exported in training mode: it changes its buffers", "export model.eval()")
    inputs, steps, outputs = [], [], ()
    layers: dict[str, nn.Module] = {}
    used: set[str] = set()
    for node in exported.graph.nodes:
        if node.op == "placeholder" and node.name not in held:
            inputs.append(node.name)
        elif node.op == "call_function":
            if not isinstance(node.target, torch._ops.OpOverload) and not _is_scalar(node.target):
                raise ModelError(f"{name}: holds control flow ({node.name}), whose layers cannot be watched", USE_ARCH)
            if str(node.target).startswith(_ASSERTIONS):
                continue
            args, kwargs = _written(node.args, held), _written(node.kwargs, held)
            found = layer_of(node, args, kwargs, tensors)
            if found is not None and _agrees(layers.setdefault(found.name, found.module), found.module):
                steps.append(Step(node.name, found.name, (args[found.input],), {}))
            else:
                used.update(weight.name for weight in _weights((args, kwargs)))
                steps.append(Step(node.name, function_of(node.target), args, kwargs))
        elif node.op == "output":
            outputs = tuple(_written(node.args[0], held))
    if len(inputs) != 1:
        raise ModelError(
            f"{name}: takes {len(inputs)} inputs, and one is what data give it", "export it with one input"
        )
    program = Program(inputs[0], tuple(steps), outputs)
    for path, layer in layers.items():
        _place(program, path, layer)
    for path in sorted(used):
        _hold(program, path, tensors[path])
    return program


def _is_scalar(target: object) -> bool:
    return getattr(target, "__module__", None) in ("_operator", "math") or str(target).startswith("<function sym_")


def _written(value: Any, held: dict[str, str]) -> Any:
    if isinstance(value, torch.fx.Node):
        return Weight(held[value.name]) if value.name in held else Value(value.name)
    if isinstance(value, list | tuple):
        return type(value)(_written(item, held) for item in value)
    if isinstance(value, dict):
        return {key: _written(item, held) for key, item in value.items()}
    return value


def _weights(value: Any) -> Iterator[Weight]:
    if isinstance(value, Weight):
        yield value
    elif isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _weights(item)


def _agrees(first: nn.Module, second: nn.Module) -> bool:
    """Say whether two calls are of one layer."""
    return type(first) is type(second) and first.extra_repr() == second.extra_repr()


def _place(root: nn.Module, path: str, module: nn.Module) -> None:
    parent = root
    *above, last = path.split(".")
    for part in above:
        if part not in parent._modules:
            parent.add_module(part, nn.Module())
        parent = parent.get_submodule(part)
    parent.add_module(last, module)


def _hold(root: nn.Module, path: str, tensor: torch.Tensor) -> None:
    above, _, last = path.rpartition(".")
    if above:
        try:
            parent = root.get_submodule(above)
        except AttributeError:
            _place(root, above, nn.Module())
            parent = root.get_submodule(above)
    else:
        parent = root
    if last in parent._parameters or last in parent._buffers:
        return
    if isinstance(tensor, nn.Parameter):
        parent.register_parameter(last, tensor)
    else:
        parent.register_buffer(last, tensor)
