"""What the functions and methods of torch do to formulas, by their names; torch itself is not loaded here."""

from collections.abc import Mapping
from typing import Any

from propstats.activations.activation import Activation
from propstats.activations.conversion.operations import Condition, compare, number, operate
from propstats.activations.expression import Call, Expr, Number, Symbol, substitute
from propstats.activations.names import NOT_ELEMENTWISE, activation_names, find
from propstats.errors import ExpressionError

#: These change the type or the place of a tensor, not its values.
_COPIES = ("clone", "contiguous", "double", "float", "to", "type", "type_as")
_IGNORED = ("inplace", "memory_format")
_ACROSS_UNITS = ("sum", "mean", "max", "min", "norm", "std", "var", "cumsum", "sort", "layer_norm", "normalize")


def apply(name: str, args: list[Any], named: Mapping[str, Any]) -> Expr | Condition:
    """Apply an operation of torch.

    Args:
        name: Its name, as in `torch.name`, `torch.nn.functional.name` or `tensor.name`.
        args: Its arguments: trees, conditions, and other constants as they are.
        named: Its named arguments.

    Raises:
        ExpressionError: If it has no meaning in a formula.
    """
    named = {key: value for key, value in named.items() if key not in _IGNORED and value is not None}
    if name in _COPIES:
        return as_tree(args[0])
    found = _choice(name, args, named)
    if found is None and all(isinstance(value, Expr | Condition | bool) for value in (*args, *named.values())):
        found = _catalogued(name, args, named)
        if found is None:
            found = operate(name, *map(as_tree, args), **{key: as_tree(value) for key, value in named.items()})
    if found is None:
        raise unknown(name)
    return found


def as_tree(value: Any) -> Expr:
    """Return a tree as it is, and what holds or does not hold as 1 or 0.

    Raises:
        ExpressionError: If it is neither.
    """
    if isinstance(value, Condition):
        return value.as_number()
    if isinstance(value, bool):
        return number(int(value))
    if isinstance(value, Number | Symbol | Call):
        return value
    raise ExpressionError(f"the function gives {type(value).__name__}, not one tensor", "return the activation alone")


def applied(activation: Activation, x: Expr, **params: Expr) -> Expr:
    """Return the formula of an activation at a tree, with its parameters filled in."""
    values = {name: number(value) for name, value in activation.params.items()}
    return substitute(activation.formula, {**values, **params, "x": x})


def unknown(name: str) -> ExpressionError:
    """Return the error for what has no meaning in a formula."""
    if name.lower() in NOT_ELEMENTWISE or name in _ACROSS_UNITS:
        hint = "propstats takes functions of one number, applied unit by unit"
        return ExpressionError(f"the function calls {name}, which is not elementwise", hint)
    hint = "write it with + - * / **, torch.where, exp, log, tanh, erf and the like, or state the formula as text"
    return ExpressionError(f"the function calls {name}, which has no meaning in a formula of one number", hint)


def _choice(name: str, args: list[Any], named: Mapping[str, Any]) -> Expr | Condition | None:
    """Apply what compares and chooses, and what depends on more than numbers."""
    match name.removeprefix("logical_").removeprefix("bitwise_"), args:
        case "where", [Condition() as condition, then, otherwise] if not named:
            return condition.choose(as_tree(then), as_tree(otherwise))
        case "and", [Condition() as a, Condition() as b]:
            return a & b
        case "or", [Condition() as a, Condition() as b]:
            return a | b
        case "xor", [Condition() as a, Condition() as b]:
            return a ^ b
        case "invert" | "not", [Condition() as a]:
            return ~a
        case "clamp" | "clip", [x, *limits]:
            return _clamped(as_tree(x), {**dict(zip(("min", "max"), limits, strict=False)), **named})
        case "gelu", [x]:
            return applied(find("gelu_tanh" if named.get("approximate") == "tanh" else "gelu"), as_tree(x))
        case "prelu", [x, slope]:
            return applied(find("prelu"), as_tree(x), a=as_tree(slope))
        case comparison, [a, b] if not named:
            return compare(comparison, a, b) if isinstance(a, Expr) and isinstance(b, Expr) else None
    return None


def _clamped(x: Expr, limits: Mapping[str, Any]) -> Expr | None:
    found: Expr | None = x
    for side in ("min", "max"):
        if found is not None and limits.get(side) is not None:
            found = operate(f"clamp_{side}", found, as_tree(limits[side]))
    return found


def _catalogued(name: str, args: list[Any], named: Mapping[str, Any]) -> Expr | None:
    """Apply an activation of the catalog: torch's arguments are x, the parameters, and flags."""
    if name not in activation_names() or not args:
        return None
    entry = find(name)
    given = dict(zip((*entry.params, "training"), args[1:], strict=False)) | dict(named)
    if given.pop("training", False) is not False or len(args) > len(entry.params) + 3:
        return None
    given = {key: value for key, value in given.items() if not isinstance(value, bool)}
    return applied(entry, as_tree(args[0]), **given) if given.keys() <= entry.params.keys() else None
