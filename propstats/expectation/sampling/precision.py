"""How tensors of each precision are computed with: in single precision most formulas take a quarter of the time."""

import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch

from propstats.activations.expression import Call, Expr, Namespace, map_args, substitute
from propstats.activations.namespaces import torch_namespace
from propstats.activations.syntax import parse

#: Fewer operations: digits that are lost against 1 do not count in single precision, or it is not used.
_QUICK: Mapping[str, Expr] = {
    "tanh": parse("2*sigmoid(2*u) - 1", {"u"}),
    "sech2": parse("4*sigmoid(2*u)*(1 - sigmoid(2*u))", {"u"}),
    "Phi": parse("0.5 + 0.5*erf(sqrt(0.5)*u)", {"u"}),
}


def fitted(formula: Expr, dtype: torch.dtype) -> Expr:
    """Return a formula as it is evaluated in some precision: in single precision with what torch does at one go."""
    return _quick(formula) if dtype == torch.float32 else formula


def _quick(formula: Expr) -> Expr:
    match formula:
        case Call("where", (Call("gt", (a, b)), then, otherwise)) if (then, otherwise) in ((a, b), (b, a)):
            formula = Call("larger" if then == a else "smaller", (a, b))
        case Call("mul", (u, Call("Phi", (v,)))) if u == v:
            formula = Call("gelu", (u,))
        case Call(name, (u,)) if name in _QUICK:
            formula = substitute(_QUICK[name], {"u": u})
    return map_args(_quick, formula)


@cache
def namespace(dtype: torch.dtype) -> Namespace:
    """Return what the functions of fitted formulas mean."""
    if dtype != torch.float32:
        return {**torch_namespace(dtype), "where": _by_bits}
    return {
        **torch_namespace(dtype),
        "gt": _indicator,
        "where": _blend,
        "larger": lambda a, b: _bounded(a, b, torch.clamp_min, max),
        "smaller": lambda a, b: _bounded(a, b, torch.clamp_max, min),
        "gelu": torch.nn.functional.gelu,
    }


def _indicator(a: Any, b: Any) -> Any:
    """Return 1.0 where a > b and else 0.0."""
    if isinstance(a, torch.Tensor):
        return torch.gt(a, b, out=torch.empty_like(a))
    return torch.lt(b, a, out=torch.empty_like(b)) if isinstance(b, torch.Tensor) else a > b


def _blend(weight: Any, then: Any, otherwise: Any) -> Any:
    """Choose elementwise between finite numbers: with weights of 0 and 1 linear interpolation is exact."""
    if not isinstance(weight, torch.Tensor):
        return then if weight else otherwise
    start, end = (v if isinstance(v, torch.Tensor) else weight.new_tensor(v) for v in (otherwise, then))
    return torch.lerp(start, end, weight)


def _bounded(a: Any, b: Any, clamp: Callable[..., Any], plain: Callable[..., Any]) -> Any:
    if isinstance(a, torch.Tensor):
        return clamp(a, b)
    return clamp(b, a) if isinstance(b, torch.Tensor) else plain(a, b)


def _by_bits(condition: Any, then: Any, otherwise: Any) -> Any:
    """Choose elementwise, by the bits: `torch.where` branches at every element, and at random ones it guesses wrong."""
    if not isinstance(condition, torch.Tensor):
        return then if condition else otherwise
    then, otherwise = _bits(then), _bits(otherwise)
    no_bits = isinstance(otherwise, int) and otherwise == 0
    # True becomes -1, which has all bits.
    chosen = condition.to(torch.int64).neg_().bitwise_and_(then if no_bits else then ^ otherwise)
    return (chosen if no_bits else chosen.bitwise_xor_(otherwise)).view(torch.float64)


def _bits(value: Any) -> Any:
    """Return the bits of float64 numbers as integers."""
    if isinstance(value, torch.Tensor):
        return value.view(torch.int64)
    return int.from_bytes(struct.pack("<d", value), "little", signed=True)
