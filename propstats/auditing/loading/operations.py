"""Torch's operations, as exported graphs name them, and the layers and functions that they came from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import fx, nn
from torch.nn import functional

_CONVOLUTIONS: Final = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED: Final = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_BATCH_NORMS: Final = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
#: Functions that take an operation's arguments as they are.
_FUNCTIONS: Final[dict[str, Callable[..., object]]] = {
    "aten.add.Tensor": torch.add,
    "aten.sub.Tensor": torch.sub,
    "aten.mul.Tensor": torch.mul,
    "aten.div.Tensor": torch.div,
    "aten.add_.Tensor": torch.Tensor.add_,
    "aten.mul_.Tensor": torch.Tensor.mul_,
    "aten.relu_.default": torch.relu_,
    "aten.view.default": torch.Tensor.view,
    "aten.reshape.default": torch.reshape,
    "aten.permute.default": torch.permute,
    "aten.transpose.int": torch.transpose,
    "aten.contiguous.default": torch.Tensor.contiguous,
    "aten.unsqueeze.default": torch.unsqueeze,
    "aten.squeeze.dim": torch.squeeze,
    "aten.select.int": torch.select,
    "aten.cat.default": torch.cat,
    "aten.matmul.default": torch.matmul,
    "aten.bmm.default": torch.bmm,
    "aten.flatten.using_ints": torch.flatten,
    "aten.mean.dim": torch.mean,
    "aten.softmax.int": torch.softmax,
    "aten.relu.default": torch.relu,
    "aten.tanh.default": torch.tanh,
    "aten.sigmoid.default": torch.sigmoid,
    "aten.gelu.default": functional.gelu,
    "aten.silu.default": functional.silu,
    "aten.mish.default": functional.mish,
    "aten.leaky_relu.default": functional.leaky_relu,
    "aten.softplus.default": functional.softplus,
    "aten.hardtanh.default": functional.hardtanh,
    "aten.relu6.default": functional.relu6,
    "aten.selu.default": functional.selu,
    "aten.hardswish.default": functional.hardswish,
    "aten.hardsigmoid.default": functional.hardsigmoid,
    "aten.dropout.default": functional.dropout,
    "aten.max_pool2d.default": functional.max_pool2d,
    "aten.avg_pool2d.default": functional.avg_pool2d,
    "aten.adaptive_avg_pool2d.default": functional.adaptive_avg_pool2d,
    "aten.linear.default": functional.linear,
    "aten.conv1d.default": functional.conv1d,
    "aten.conv2d.default": functional.conv2d,
    "aten.conv3d.default": functional.conv3d,
    "aten.scaled_dot_product_attention.default": functional.scaled_dot_product_attention,
}
#: Layers without weights, by the class that the exported graph remembers, from the operation's arguments.
_PLAIN: Final[dict[str, Callable[..., nn.Module]]] = {
    "ReLU": nn.ReLU,
    "Tanh": nn.Tanh,
    "Sigmoid": nn.Sigmoid,
    "SiLU": nn.SiLU,
    "Mish": nn.Mish,
    "GELU": lambda approximate="none": nn.GELU(approximate),
    "ELU": lambda alpha=1.0, scale=1, input_scale=1: nn.ELU(alpha),
    "SELU": nn.SELU,
    "LeakyReLU": nn.LeakyReLU,
    "Softplus": nn.Softplus,
    "Hardtanh": nn.Hardtanh,
    "Hardswish": nn.Hardswish,
    "Hardsigmoid": nn.Hardsigmoid,
    "Softmax": lambda dim, dtype=None: nn.Softmax(dim),
    "Flatten": lambda start_dim=0, end_dim=-1: nn.Flatten(start_dim, end_dim),
    "Dropout": lambda p, train: nn.Dropout(p),
    "MaxPool2d": lambda size, stride=None, padding=0, dilation=1, ceil_mode=False: nn.MaxPool2d(
        size, stride, padding, dilation, ceil_mode=ceil_mode
    ),
    "AdaptiveAvgPool2d": nn.AdaptiveAvgPool2d,
}


@dataclass(frozen=True, slots=True)
class FoundLayer:
    """A layer that an operation came from: its dotted name, itself, and which argument is its input."""

    name: str
    module: nn.Module
    input: int = 0


def function_of(target: Any) -> Any:
    """Return the function that people call for an operation, with the same arguments; or else the operation."""
    return _FUNCTIONS.get(str(target), target)


def layer_of(
    node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], tensors: dict[str, torch.Tensor]
) -> FoundLayer | None:
    """Return the layer that an operation came from, or None if it is a function.

    A layer with weights is recognised by their names, `path.weight` and `path.bias`; one without by what the exported
    graph remembers of the modules around it.

    Args:
        node: The operation.
        args: Its arguments, in which tensors of the network have a `name`.
        kwargs: Likewise by name.
        tensors: The network's tensors by name.
    """
    operation = str(node.target).removeprefix("aten.").rpartition(".")[0]
    if operation in _WITH_WEIGHTS:
        try:
            return _WITH_WEIGHTS[operation](node, _Arguments(node, args, kwargs), tensors)
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError):
            return None  # an unusual use: it stays a function
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    if not stack:
        return None
    path, kind = stack[-1]
    kind = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    module, _, title = kind.rpartition(".")
    if not module.startswith("torch.nn.modules.") or title not in _PLAIN or not path or not _is_value(args[:1]):
        return None
    try:
        return FoundLayer(path, _PLAIN[title](*args[1:], **kwargs))
    except (TypeError, ValueError):
        return None


def _is_value(args: tuple[Any, ...]) -> bool:
    return bool(args) and hasattr(args[0], "step")


class _Arguments:
    """The arguments of an operation by the names of its schema, defaults filled in."""

    def __init__(self, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        schema = node.target._schema.arguments  # type: ignore[union-attr]
        self.values = {entry.name: entry.default_value for entry in schema if entry.has_default_value()}
        self.values |= {entry.name: value for entry, value in zip(schema, args, strict=False)} | kwargs

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def _named(arguments: _Arguments, bias: str | None = "bias") -> tuple[str, str | None]:
    """Return the layer's path, and the name of its bias, if weight and bias are named like a layer's."""
    path, _, last = arguments["weight"].name.rpartition(".")
    held = arguments[bias] if bias is not None else None
    name = None if held is None else held.name
    if last != "weight" or not path or name not in (None, f"{path}.bias"):
        raise ValueError
    return path, name


def _filled(
    path: str, module: nn.Module, tensors: dict[str, torch.Tensor], parts: dict[str, str | None], at: int = 0
) -> FoundLayer:
    for part, name in parts.items():
        if name is None:
            continue
        old, tensor = getattr(module, part), tensors[name]
        if old.shape != tensor.shape:
            raise ValueError
        if part in module._parameters:
            setattr(module, part, tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor.detach()))
        else:
            module._buffers[part] = tensor
    return FoundLayer(path, module.eval(), at)


def _linear(node: fx.Node, given: _Arguments, tensors: dict[str, torch.Tensor]) -> FoundLayer:
    path, bias = _named(given)
    rows, columns = tensors[f"{path}.weight"].shape
    module = nn.Linear(columns, rows, bias=bias is not None)
    return _filled(path, module, tensors, {"weight": f"{path}.weight", "bias": bias})


def _convolution(node: fx.Node, given: _Arguments, tensors: dict[str, torch.Tensor]) -> FoundLayer:
    path, bias = _named(given)
    first, second, *kernel = tensors[f"{path}.weight"].shape
    groups, transposed = given["groups"], given.values.get("transposed", False)
    padding = given["padding"]
    shared: dict[str, Any] = {
        "stride": tuple(given["stride"]),
        "padding": padding if isinstance(padding, str) else tuple(padding),
        "dilation": tuple(given["dilation"]),
        "groups": groups,
        "bias": bias is not None,
    }
    if transposed:
        shared["output_padding"] = tuple(given["output_padding"])
    of_rank: Any = (_TRANSPOSED if transposed else _CONVOLUTIONS)[len(kernel)]
    channels = (first, second * groups) if transposed else (second * groups, first)
    module = of_rank(*channels, tuple(kernel), **shared)
    return _filled(path, module, tensors, {"weight": f"{path}.weight", "bias": bias})


def _batch_norm(node: fx.Node, given: _Arguments, tensors: dict[str, torch.Tensor]) -> FoundLayer:
    path, bias = _named(given)
    statistics = {f"running_{part}": given[f"running_{part}"].name for part in ("mean", "var")}
    if given["training"] or statistics != {key: f"{path}.{key}" for key in statistics}:
        raise ValueError
    kind = _BATCH_NORMS[node.meta["val"].ndim]
    module = kind(len(tensors[f"{path}.weight"]), eps=given["eps"], momentum=given["momentum"])
    return _filled(path, module, tensors, {"weight": f"{path}.weight", "bias": bias, **statistics})


def _layer_norm(node: fx.Node, given: _Arguments, tensors: dict[str, torch.Tensor]) -> FoundLayer:
    path, bias = _named(given)
    module = nn.LayerNorm(list(given["normalized_shape"]), eps=given["eps"], bias=bias is not None)
    return _filled(path, module, tensors, {"weight": f"{path}.weight", "bias": bias})


def _group_norm(node: fx.Node, given: _Arguments, tensors: dict[str, torch.Tensor]) -> FoundLayer:
    path, bias = _named(given)
    module = nn.GroupNorm(given["num_groups"], len(tensors[f"{path}.weight"]), eps=given["eps"])
    return _filled(path, module, tensors, {"weight": f"{path}.weight", "bias": bias})


def _embedding(node: fx.Node, given: _Arguments, tensors: dict[str, torch.Tensor]) -> FoundLayer:
    path, _ = _named(given, bias=None)
    rows, columns = tensors[f"{path}.weight"].shape
    module = nn.Embedding(rows, columns)
    return _filled(path, module, tensors, {"weight": f"{path}.weight"}, at=1)


def _prelu(node: fx.Node, given: _Arguments, tensors: dict[str, torch.Tensor]) -> FoundLayer:
    path, _ = _named(given, bias=None)
    module = nn.PReLU(len(tensors[f"{path}.weight"]))
    return _filled(path, module, tensors, {"weight": f"{path}.weight"})


_Maker = Callable[[fx.Node, _Arguments, dict[str, torch.Tensor]], FoundLayer]
_WITH_WEIGHTS: Final[dict[str, _Maker]] = {
    "linear": _linear,
    "conv1d": _convolution,
    "conv2d": _convolution,
    "conv3d": _convolution,
    "convolution": _convolution,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "embedding": _embedding,
    "prelu": _prelu,
}
