"""The registry of activations."""

from propstats.activations.activation import Activation as Activation
from propstats.activations.catalog import CATALOG
from propstats.errors import unknown_name

_BY_NAME = {entry.name: entry for entry in CATALOG}


def activation_names() -> list[str]:
    """Return the names of all known activations, sorted."""
    return sorted(_BY_NAME)


def activation(name: "str | Activation", **params: float) -> Activation:
    """Look an activation up by name and set its parameters.

    Args:
        name: A name from `activation_names()`, or an activation to set the parameters of.
        **params: Parameters by the names that torch uses.

    Raises:
        UnknownNameError: If there is no such activation or parameter; the nearest names are suggested.
        DomainError: If a parameter is not a finite number.

    >>> activation("prelu", a=0.1)(-2.0).item()
    -0.2
    """
    if isinstance(name, Activation):
        return name.with_params(**params)
    entry = _BY_NAME.get(name.lower())
    if entry is None:
        raise unknown_name("activation", name, activation_names())
    return entry.with_params(**params)
