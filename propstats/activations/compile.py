"""Formulas compiled to Python functions: the interpreter's work is done once instead of at every evaluation.

The code is built as a syntax tree from formulas that `parse` has already checked; no text is executed, and nothing
but the functions of the namespace can be called.
"""

import ast
import operator
from collections.abc import Callable, Sequence
from typing import Any

from propstats.activations.expression import Expr, Namespace, Number, Symbol

_NATIVE: dict[str, tuple[Callable[..., Any], ast.operator]] = {
    "add": (operator.add, ast.Add()),
    "sub": (operator.sub, ast.Sub()),
    "mul": (operator.mul, ast.Mult()),
    "div": (operator.truediv, ast.Div()),
    "pow": (operator.pow, ast.Pow()),
}


#: Where every node is; `ast.fix_missing_locations` would walk the tree for it, which costs more than compiling.
_PLACE: Any = {"lineno": 1, "col_offset": 0}
_LOAD, _STORE, _DELETE = ast.Load(), ast.Store(), ast.Del()


def compiled(exprs: Sequence[Expr], arguments: Sequence[str], namespace: Namespace) -> Callable[..., tuple[Any, ...]]:
    """Return a function of the arguments that evaluates several formulas at once.

    What the formulas have in common is computed once.

    Args:
        exprs: The formulas.
        arguments: The names of their symbols, in the order in which the function takes them.
        namespace: What each function name means; see `propstats.activations.namespaces`.

    >>> from propstats.activations.syntax import parse
    >>> from propstats.activations.namespaces import float_namespace
    >>> f = compiled([parse("a*x", {"a", "x"}), parse("a*x + 1", {"a", "x"})], ["x", "a"], float_namespace())
    >>> f(3.0, 2.0)
    (6.0, 7.0)
    """
    builder = _Builder(arguments, namespace)
    results: list[ast.expr] = [builder.name(expr) for expr in exprs]
    # A skeleton from text, so that what newer Pythons add to a definition is there.
    module = ast.parse("def formulas(): pass")
    function = module.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.args.args = [ast.arg(f"s_{name}", **_PLACE) for name in arguments]
    function.body = [*builder.statements(exprs), ast.Return(ast.Tuple(results, _LOAD, **_PLACE), **_PLACE)]
    scope: dict[str, Any] = {"__builtins__": {}, **builder.constants}
    exec(compile(module, "<formulas>", "exec"), scope)
    result: Callable[..., tuple[Any, ...]] = scope["formulas"]
    return result


class _Builder:
    """Statements `t7 = f_mul(t3, s_x)`, one for each distinct node."""

    def __init__(self, arguments: Sequence[str], namespace: Namespace) -> None:
        self.body: list[ast.stmt] = []
        self.constants: dict[str, Any] = {}
        self._uses: list[tuple[str, ...]] = []  # the names that each statement uses
        self._arguments = set(arguments)
        self._namespace = namespace
        self._seen: dict[int, str] = {}  # by identity: trees share their branches
        self._known: dict[tuple[str, ...], str] = {}  # by structure
        self._alive: list[Expr] = []  # an identity is only as good as the life of its object

    def name(self, expr: Expr) -> ast.expr:
        return _load(self._name(expr))

    def statements(self, exprs: Sequence[Expr]) -> list[ast.stmt]:
        """Return the statements for some formulas, with every name deleted after its last use.

        Memory that is given back at once is used again at once: fresh memory costs numpy more than most functions.
        """
        needed = {self._name(expr) for expr in exprs} | self.constants.keys()
        needed |= {f"s_{name}" for name in self._arguments}
        found: list[ast.stmt] = []
        for statement, uses in zip(reversed(self.body), reversed(self._uses), strict=True):
            done = sorted(set(uses) - needed)
            if done:
                found.append(ast.Delete([ast.Name(name, _DELETE, **_PLACE) for name in done], **_PLACE))
            found.append(statement)
            needed |= set(uses)
        return found[::-1]

    def _name(self, expr: Expr) -> str:
        known = self._seen.get(id(expr))
        if known is None:
            known = self._seen[id(expr)] = self._new(expr)
            self._alive.append(expr)
        return known

    def _new(self, expr: Expr) -> str:
        if isinstance(expr, Symbol) and expr.name != "pi":
            if expr.name not in self._arguments:
                raise KeyError(expr.name)
            return f"s_{expr.name}"
        if isinstance(expr, Symbol | Number):
            key: tuple[str, ...] = ("number", str(expr.value) if isinstance(expr, Number) else "pi")
            if key not in self._known:
                self._known[key] = f"c{len(self.constants)}"
                make = self._namespace["number"]
                self.constants[self._known[key]] = (
                    make(expr.value) if isinstance(expr, Number) else self._namespace["pi"]()
                )
            return self._known[key]
        key = (expr.function, *(self._name(arg) for arg in expr.args))
        if key not in self._known:
            self._known[key] = f"t{len(self.body)}"
            target = ast.Name(self._known[key], _STORE, **_PLACE)
            self.body.append(ast.Assign([target], self._call(*key), **_PLACE))
            self._uses.append(key[1:])
        return self._known[key]

    def _call(self, function: str, *args: str) -> ast.expr:
        values: list[ast.expr] = [_load(arg) for arg in args]
        meaning = self._namespace[function]
        native = _NATIVE.get(function)
        if native is not None and meaning is native[0]:
            return ast.BinOp(values[0], native[1], values[1], **_PLACE)
        self.constants[f"f_{function}"] = meaning
        return ast.Call(_load(f"f_{function}"), values, [], **_PLACE)


def _load(name: str) -> ast.Name:
    return ast.Name(name, _LOAD, **_PLACE)
