"""Which classes and functions a pickled network may name, and how torch is told so for the time of one load."""

import dataclasses
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

import torch
from torch import nn

from propstats.auditing.loading.access import Access, Reference
from propstats.auditing.loading.aside import set_aside
from propstats.auditing.loading.users_code import imported, users_code
from propstats.errors import ModelError
from propstats.text import printable

MODULE_PREFIX: Final = "torch.nn.modules."
#: Layers of ours, whose classes make sure themselves of what a file fills in.
OWN_PREFIX: Final = "propstats.nn."
# torch keeps one list of permitted globals for the process, and leaving an inner context empties the outer.
_LOCK: Final = threading.Lock()
#: Activations that networks carry as attributes; the built-in ones are pickled under the module they are built in.
_ACTIVATIONS: Final = ("relu", "relu6", "elu", "selu", "celu", "leaky_relu", "rrelu", "silu", "mish", "sigmoid", "tanh",
    "hardtanh", "hardswish", "hardsigmoid", "gelu", "softplus", "logsigmoid", "softsign", "glu")  # fmt: skip

Entry = tuple[Callable[..., object], str]


@dataclass(frozen=True, slots=True)
class Permitted:
    """What a file may name.

    Args:
        own: Layers and activations of torch.nn and propstats.nn, with the names under which they are pickled.
        users: Classes that the user vouches for, the same way.
        aside: Stand-ins for what lies beside the weights and is left unread.
    """

    own: tuple[Entry, ...]
    users: tuple[Entry, ...] = ()
    aside: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All of it."""
        return (*self.own, *self.users, *self.aside)

    @property
    def labels(self) -> frozenset[str]:
        """The names of all of it."""
        return frozenset(label for _, label in self.entries)

    @property
    def unread(self) -> frozenset[str]:
        """The names of what is left unread."""
        return frozenset(label for _, label in self.aside)

    @property
    def enums(self) -> frozenset[str]:
        """The names of classes that are called with a value when they are rebuilt."""
        return frozenset(label for value, label in self.users if isinstance(value, type) and issubclass(value, Enum))

    def used(self, names: frozenset[str]) -> tuple[str, ...]:
        """Which of the user's classes are among names."""
        return tuple(sorted(label for _, label in self.users if label in names))


def permitted(access: Access, names: frozenset[str] = frozenset()) -> Permitted:
    """Say what a file may name: torch.nn, propstats.nn, and the classes that the user allows, which are imported.

    Args:
        access: What the user permits.
        names: What the file names: layers of propstats.nn are imported if one of them is among it.

    Raises:
        ModelError: If a class cannot be imported, or is none that a network consists of.
    """
    users: dict[str, Callable[..., object]] = {}
    for reference in access.allowed:
        value = _class(reference, f"--allow {reference}")
        users[_label(value)] = value
        users[f"{reference.module}.{reference.attribute}"] = value
    for label, reference in access.renamed.items():
        users[label] = _class(reference, f"--class {label}={reference}")
    layers = _of_propstats() if any(name.startswith(OWN_PREFIX) for name in names) else ()
    # A network may need its settings to run; weights do not.
    has_layers = any(name.startswith((MODULE_PREFIX, OWN_PREFIX)) or name in users for name in names)
    aside = () if has_layers else set_aside(names)
    return Permitted((*_of_torch(), *layers), tuple((value, label) for label, value in sorted(users.items())), aside)


def _class(reference: Reference, option: str) -> type:
    shown = printable(option, limit=160)
    with users_code(shown, "it must be importable from here"):
        value = imported(reference.module, reference.attribute)
        harmless = isinstance(value, type) and (issubclass(value, nn.Module | Enum) or dataclasses.is_dataclass(value))
    if not harmless:
        # The file proposes the names: one that does something when it is called must not get past a hasty user.
        what = "is neither a network module nor a dataclass or enum, and only those are allowed"
        raise ModelError(f"{shown} {what}", "save the weights instead: torch.save(model.state_dict(), ...)")
    found: type = value
    return found


@lru_cache(maxsize=1)
def _of_torch() -> tuple[Entry, ...]:
    classes = {
        value
        for name, module in list(sys.modules.items())
        if name.startswith(MODULE_PREFIX)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__.startswith(MODULE_PREFIX)
    }
    # DataParallel is taken off once the network has been checked.
    named: list[Entry] = [(value, _label(value)) for value in (*classes, nn.DataParallel)]
    functions: list[Entry] = []
    for name in _ACTIVATIONS:
        function = getattr(nn.functional, name)
        home = getattr(function, "__module__", None) or "torch._C._nn"
        functions.append((function, f"{home}.{function.__name__}"))
    return (*sorted(named, key=lambda entry: entry[1]), *functions)


def _of_propstats() -> tuple[Entry, ...]:
    from propstats.nn.restored import LAYERS

    return tuple((kind, _label(kind)) for kind in LAYERS)


def _label(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


@contextmanager
def permitting(entries: tuple[Entry, ...]) -> Iterator[None]:
    """Let torch's safe loader take these names, in this process, until the context is left."""
    with _LOCK:
        before = torch.serialization.get_safe_globals()
        try:
            with torch.serialization.safe_globals(list(entries)):
                yield
        finally:
            torch.serialization.add_safe_globals([entry for entry in before if entry in entries])


def granted_by_others(labels: frozenset[str]) -> set[str]:
    """Return names, beside these, that another library vouched for process-wide: that is not our user's word."""
    found: set[str] = set()
    for entry in torch.serialization.get_safe_globals():
        found.add(entry[1] if isinstance(entry, tuple) else f"{entry.__module__}.{entry.__qualname__}")
    return found - labels
