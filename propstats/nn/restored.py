"""Layers that came out of a file: are they what their classes would have made?

A file may fill in any attribute of a layer. Torch's loader guards what is run on the way, not what a layer is then.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from torch import nn

from propstats.activations.activation import Activation
from propstats.activations.expression import Call
from propstats.activations.names import BY_NAME
from propstats.errors import ExpressionError, ModelError
from propstats.nn.activations import Elementwise
from propstats.nn.affine import Affine
from propstats.nn.backward import BackwardNorm
from propstats.nn.constants import unit_constants
from propstats.nn.data import BatchNormalization, GlobalNormalization
from propstats.nn.gradient import ScaleGradient
from propstats.nn.init.fixup import Residual, ScalarBias, ScalarMultiplier
from propstats.nn.normprop import NormProp
from propstats.nn.plain import PLAIN, geometry_of
from propstats.nn.pooling import NormPropPool
from propstats.text import printable


class _Made(NamedTuple):
    """What a layer has beside what every module has."""

    numbers: tuple[str, ...] = ()
    tensors: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    activation: tuple[str, ...] = ()


_SIMPLE: Final[dict[type[nn.Module], _Made]] = {
    Elementwise: _Made(activation=("activation",)),
    Affine: _Made(numbers=("axes",), tensors=("scale", "shift")),
    BackwardNorm: _Made(numbers=("shift", "scale"), parts=("layer",)),
    BatchNormalization: _Made(numbers=("momentum", "eps"), tensors=("running_mean", "running_var")),
    GlobalNormalization: _Made(tensors=("mean", "std")),
    NormPropPool: _Made(numbers=("mean", "std"), parts=("pooling",)),
    ScaleGradient: _Made(numbers=("factor",)),
    Residual: _Made(parts=("branch", "shortcut")),
    ScalarBias: _Made(tensors=("bias",)),
    ScalarMultiplier: _Made(tensors=("scale",)),
}
#: All layers that a file may name. Parametrisations are not among them: torch does not save networks with these.
LAYERS: Final[tuple[type[nn.Module], ...]] = (*PLAIN, *_SIMPLE)
#: What these classes make again when they are restored, whatever a file says.
REMADE: Final[dict[type[nn.Module], tuple[str, ...]]] = {
    **dict.fromkeys(PLAIN, ("activation", "_phi")),
    Elementwise: ("activation",),
}
_COMMON: Final = frozenset(vars(nn.Module()))
_POSITIVE: Final = ("scale", "std", "factor", "c1")
_AGAIN: Final = "save the network again with torch.save"
_MOST_AXES: Final = 3
_LARGEST: Final = 2**31
#: Beyond that, integrating a formula may take an age, as it may where a wave has a thousand zeros.
_LONGEST, _MOST_NODES, _MOST_BRANCHES = 1000, 100, 4
_MOST_FORMULAS: Final = 16
_WAVES: Final = ("sin", "cos")
_FASTEST: Final = 100.0


def check_network(network: nn.Module) -> None:
    """Refuse a network with layers that their classes would not have made.

    Args:
        network: A network out of a file, put together like one.

    Raises:
        ModelError: If there is such a layer, or too many formulas of one's own; the message names the layer.
    """
    own: set[tuple[str, tuple[tuple[str, float], ...]]] = set()
    for name, layer in network.named_modules():
        try:
            check_restored(layer)
            act = layer.activation if type(layer) in REMADE else None
            if isinstance(act, Activation) and act.name not in BY_NAME:
                own.add((act.text, tuple(act.params.items())))
                if len(own) > _MOST_FORMULAS:
                    raise ModelError(f"there are more than {_MOST_FORMULAS} formulas in the network", _AGAIN)
        except ModelError as error:
            raise ModelError(
                f"module {printable(name, limit=60) or '(the whole)'}: {error.message}", error.hint
            ) from None


def check_restored(layer: nn.Module) -> None:
    """Refuse a layer that its class would not have made; one of another class is not looked at.

    Args:
        layer: A module out of a file, with the entries of a module.

    Raises:
        ModelError: If it has attributes that such a layer has not, or lacks some; if numbers are out of range, tensors
            of other shapes than belong together, or the formula of its activation cannot be read or is too long.

    >>> check_restored(ScaleGradient(0.5))
    """
    kind = type(layer)
    if kind not in LAYERS:
        return
    try:
        problem = next(_normprop(layer) if isinstance(layer, NormProp) else _simple(layer, _SIMPLE[kind]), None)
    except ExpressionError as error:
        problem = error.message
    except (ArithmeticError, AttributeError, RuntimeError, TypeError, ValueError):  # from torch's own constructors
        problem = "its sizes fit no such layer"
    if problem is not None:
        what = f"a {kind.__name__} is not what propstats makes: {problem}"
        raise ModelError(what, _AGAIN)


def _simple(layer: nn.Module, made: _Made) -> Iterator[str]:
    yield from _names(layer, {*made.numbers, *made.activation}, set(made.tensors), set(made.parts))
    for name in made.numbers:
        yield from _number(name, getattr(layer, name))
    tensors = [getattr(layer, name) for name in made.tensors]
    if any(tensor is None or not tensor.is_floating_point() for tensor in tensors):
        yield "it has tensors that hold no numbers"
    if any(tensor.shape != tensors[0].shape for tensor in tensors):
        yield "its tensors differ in shape"
    if any(getattr(layer, name) is None for name in made.parts):
        yield "a part is missing"
    if isinstance(layer, Elementwise):
        yield from _formula(layer.activation)


def _normprop(layer: Any) -> Iterator[str]:
    plain = PLAIN[type(layer)]
    names = set(vars(plain(*(1,) * (2 if plain is nn.Linear else 3), device="meta"))) - _COMMON
    own = {"activation", "_phi", "constants", "c1", "c2", "_start"}
    yield from _names(layer, names | own, {"weight", "bias", "gamma", "beta", "slope"}, set())
    geometry = geometry_of(layer)
    if not all(_is_size(value) for value in geometry.values()):
        yield "its sizes are no whole numbers from 0"
    like: Any = plain(**geometry, bias=False, device="meta")
    if any(getattr(layer, name) != getattr(like, name) for name in names):
        yield "its sizes contradict one another"
    units, slope = (layer._units,), layer.slope
    if layer.bias is not None or layer.weight.shape != like.weight.shape:
        yield "its weights are of another shape"
    if layer.gamma.shape != units or layer.beta.shape != units:
        yield "its gamma and beta do not fit its units"
    if slope is not None and (slope.shape not in ((1,), units) or "a" not in layer.activation.params):
        yield "its slope fits neither its units nor its activation"
    if not all(t is None or t.is_floating_point() for t in (layer.weight, layer.gamma, layer.beta, slope)):
        yield "it has tensors that hold no numbers"
    if layer.constants not in ("paper", "matched"):
        yield "its constants are of no kind"
    if not (isinstance(layer._start, tuple) and len(layer._start) == 2):
        yield "it does not say where it started"
    for name, value in (("c1", layer.c1), ("c2", layer.c2), *(("_start", value) for value in layer._start)):
        yield from _number(name, value)
    yield from _formula(layer.activation)


def _names(layer: nn.Module, attributes: set[str], tensors: set[str], parts: set[str]) -> Iterator[str]:
    there = vars(layer).keys() - _COMMON, {*layer._parameters, *layer._buffers}, set(layer._modules)
    for own, right in zip(there, (attributes, tensors, parts), strict=True):
        if own != right:
            name = printable(min(own ^ right, key=str), limit=40)
            yield f"it has {name}" if own - right else f"it lacks {name}"


def _number(name: str, value: object) -> Iterator[str]:
    if name == "axes":
        fits = type(value) is int and 0 <= value <= _MOST_AXES
    else:
        fits = isinstance(value, int | float) and abs(value) < math.inf and (name not in _POSITIVE or value > 0)
    if not fits:
        yield f"its {name} is out of range"


def _is_size(value: object) -> bool:
    if isinstance(value, tuple):
        return len(value) <= _MOST_AXES and all(type(item) is int and 0 <= item < _LARGEST for item in value)
    return value in ("zeros", "reflect", "replicate", "circular", "same", "valid") or (
        type(value) is int and 0 <= value < _LARGEST
    )


def _formula(act: Activation) -> Iterator[str]:
    known = BY_NAME.get(act.name)
    nodes, branches, waves = _size(act)
    if known is not None:
        if known.text != act.text:
            yield f"its activation is called {act.name}, and is another"
        if waves and any(abs(value) > _FASTEST for value in act.params.values()):
            yield f"its activation {act.name} has a parameter beyond {_FASTEST:g}"
        return
    if any(len(text) > _LONGEST or printable(text) != text for text in (act.name, act.text, act.reference)):
        yield f"the formula of its activation has more than {_LONGEST:,} characters, or some that cannot be shown"
    if waves or nodes > _MOST_NODES or branches > _MOST_BRANCHES:
        limits = f"{_MOST_NODES} operations with {_MOST_BRANCHES} branches, and no sine"
        yield f"the formula of its activation is too large to be taken from a file, which may have {limits}"
    if not _has_constants(act.text, tuple(act.params.items())):
        yield "its activation has no mean and variance at N(0, 1)"


@lru_cache(maxsize=64)
def _has_constants(text: str, params: tuple[tuple[str, float], ...]) -> bool:
    """Whether a layer could have been made with a formula."""
    try:
        unit_constants(Activation("formula", text, dict(params)))
    except Exception:  # a formula that nobody meant may fail anywhere
        return False
    return True


def _size(act: Activation) -> tuple[int, int, bool]:
    """Return how many operations and branches a formula has, up to a limit, and whether there are waves in it."""
    nodes, branches, waves = 0, 0, False
    # Trees share their branches; what walks them may not notice, so shared ones count each time.
    stack = [act.formula]
    while stack and nodes <= _MOST_NODES:
        node = stack.pop()
        nodes += 1
        if isinstance(node, Call):
            branches += node.function in ("where", "abs", "sign")
            waves |= node.function in _WAVES
            stack.extend(node.args)
    return nodes, branches, waves
