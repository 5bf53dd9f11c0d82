"""Activations in the state of layers: text and numbers, read back by the parser of formulas and by nothing else."""

import math
from collections.abc import Mapping
from typing import Any

from propstats.activations.activation import Activation
from propstats.activations.names import BY_NAME
from propstats.errors import ModelError

_TEXTS = ("name", "text", "reference")


def written(act: Activation) -> dict[str, object]:
    """Return what an activation is made of, for the state of a layer.

    >>> from propstats.activations import activation
    >>> written(activation("leaky_relu"))["params"]
    {'negative_slope': 0.01}
    """
    params = {str(name): float(value) for name, value in act.params.items()}
    return {"name": act.name, "text": act.text, "params": params, "reference": act.reference}


def read(state: object) -> Activation:
    """Return the activation of a state, which may come from anywhere; its formula is parsed when it is first needed.

    Raises:
        ModelError: If it is no such state: other keys, other types, numbers that are not finite, or a known
            activation with other parameters than it has.

    >>> from propstats.activations import activation
    >>> read(written(activation("x*sigmoid(2*x)"))).text
    'x*sigmoid(2*x)'
    """
    if not isinstance(state, Mapping) or set(state) != {*_TEXTS, "params"}:
        raise _damaged("is no record of a formula")
    name, text, reference = (state[key] for key in _TEXTS)
    if not (isinstance(name, str) and isinstance(text, str) and isinstance(reference, str)):
        raise _damaged("has a name or a formula that is no text")
    params = state["params"]
    if not isinstance(params, Mapping) or not all(isinstance(key, str) for key in params):
        raise _damaged("has parameters without names")
    if not all(isinstance(value, float) and math.isfinite(value) for value in params.values()):
        raise _damaged("has a parameter that is no finite number")
    known = BY_NAME.get(name)
    if known is not None and known.text == text:
        if set(params) != set(known.params):
            raise _damaged("has other parameters than the activation of this name")
        # One without changes is the catalogue's own, which has worked out its kinks before.
        return known if dict(params) == dict(known.params) else known.with_params(**params)
    return Activation(name, text, dict(params), reference)


def read_state(state: object) -> dict[str, Any]:
    """Return the state of a layer with its activation made again.

    Raises:
        ModelError: If it is no state with an activation in it.
    """
    if not isinstance(state, dict) or "activation" not in state:
        raise _damaged("is missing")
    return {**state, "activation": read(state["activation"])}


def _damaged(what: str) -> ModelError:
    return ModelError(f"the activation of a layer {what}: damaged, or not written by propstats", "save the model again")
