"""The reference says of every public name what it takes, gives and raises, and shows it."""

import inspect
import re
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any

import pytest

import propstats
import propstats.nn
import propstats.nn.init

NAMES: list[str] = sorted(getattr(propstats, "__all__"))  # noqa: B009 - only there when the module runs
#: By the name under which the reference has it.
PUBLIC: dict[str, Any] = {name: getattr(propstats, name) for name in NAMES} | {
    f"{room.__name__.removeprefix('propstats.')}.{name}": thing
    for room in (propstats.nn, propstats.nn.init)
    for name, thing in vars(room).items()
    if not name.startswith("_") and (inspect.isclass(thing) or inspect.isfunction(thing))
}
#: What cannot fail says nothing of exceptions.
_NEVER_RAISES = {"activation_names"}
#: Takes ten seconds: the README's transcript runs it.
_SHOWN_IN_THE_README = {"demo"}
#: Handed out by `with monitor(...)`, whose example shows it.
_SHOWN_ELSEWHERE = {"Monitor": "monitor"}
#: Lightning and transformers call these by their own rules, and document them.
_HOOKS = re.compile(r"on_[a-z_]+")
#: What takes or gives arrays says of which shape, in words or as a tuple.
_ARRAYS = re.compile(r"\b(Tensor|NDArray|ndarray|Array)\b")
_SHAPE = re.compile(r"\bshape|\bin place\b|a tensor\b|as for torch", re.IGNORECASE)

_SECTION = re.compile(r"^(Args|Attributes|Raises|References|Returns|Yields):$", re.MULTILINE)


def _doc(thing: object) -> str:
    return inspect.getdoc(thing) or ""


def _examples(thing: object) -> bool:
    if ">>> " in _doc(thing):
        return True
    return inspect.isclass(thing) and any(">>> " in _doc(value) for value in vars(thing).values())


def _sections(doc: str) -> dict[str, str]:
    parts = _SECTION.split(doc)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _faults(name: str, thing: Any) -> list[str]:
    """Return what a reader of the reference would miss."""
    doc, faults = _doc(thing), []
    if not doc:
        return ["says nothing"]
    sections = _sections(doc)
    if inspect.isfunction(thing):
        for parameter in inspect.signature(thing).parameters.values():
            if parameter.name in ("self", "cls"):
                continue
            stars = {"VAR_POSITIONAL": r"\*", "VAR_KEYWORD": r"\*\*"}.get(parameter.kind.name, "")
            if not re.search(rf"^    {stars}{parameter.name}: \S", sections.get("Args", ""), re.MULTILINE):
                faults.append(f"does not explain {parameter.name}")
        own = "." not in name  # of the room that nothing else hides: what can fail there fails on bad input
        if "Raises" not in sections and name not in _NEVER_RAISES and (own or _raises(thing)):
            faults.append("does not say what it raises")
        if _takes_arrays(thing) and not _SHAPE.search(doc):
            faults.append("does not say of which shape")
        if inspect.signature(thing).return_annotation is inspect.Signature.empty:
            faults.append("does not say what it returns")
        if not _examples(thing) and name not in _SHOWN_IN_THE_README:
            faults.append("shows no example")
        return faults
    start = vars(thing).get("__init__")
    if (
        inspect.isfunction(start)
        and start.__module__.startswith("propstats")
        and not is_dataclass(thing)
        and name not in _SHOWN_ELSEWHERE
    ):
        for given in list(inspect.signature(start).parameters)[1:]:
            if not re.search(rf"^    \*{{0,2}}{given}: \S", sections.get("Args", ""), re.MULTILINE):
                faults.append(f"does not explain {given}")
        if _raises(start) and "Raises" not in sections:
            faults.append("does not say what it raises")
    methods = [(key, own) for key, own in _methods(thing) if not _HOOKS.fullmatch(key)]
    for key, method in methods:
        faults += [f"{key} {fault}" for fault in _faults(f".{key}", method) if "example" not in fault]
    if not _examples(thing) and name not in _SHOWN_ELSEWHERE and not _makers(name):
        faults.append("shows no example, and no function that returns it does")
    return faults


def _makers(record: str) -> list[str]:
    """Return the functions that return a record, and show it."""
    functions = [(name, thing) for name, thing in PUBLIC.items() if inspect.isfunction(thing)]
    shown = [(name, f) for name, f in functions if _examples(f) or name in _SHOWN_IN_THE_README]
    return [name for name, f in shown if record in re.findall(r"\w+", str(f.__annotations__.get("return", "")))]


def _methods(record: Any) -> list[tuple[str, Callable[..., object]]]:
    """Return the public methods and properties that a class defines itself, each as a function."""
    found: list[tuple[str, Callable[..., object]]] = []
    for name, value in vars(record).items():
        inner = getattr(value, "fget", None) or getattr(value, "func", None) or getattr(value, "__func__", value)
        if not name.startswith("_") and inspect.isfunction(inner) and inner.__module__.startswith("propstats"):
            found.append((name, inner))
    return found


def _raises(function: Callable[..., object]) -> bool:
    return re.search(r"^ +raise \w+Error", inspect.getsource(function), re.MULTILINE) is not None


def _takes_arrays(function: Callable[..., object]) -> bool:
    given = {name: str(kind) for name, kind in function.__annotations__.items() if name != "return"}
    return any(_ARRAYS.search(kind) and "|" not in kind for kind in given.values())


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_reference(name: str) -> None:
    assert _faults(name, PUBLIC[name]) == []


def test_what_is_shown_elsewhere_is() -> None:
    for name in _SHOWN_ELSEWHERE.values():
        assert _examples(getattr(propstats, name))


def test_all_names_are_there_for_type_checkers_too() -> None:
    source = inspect.getsource(propstats)
    typed = set(re.findall(r"^    from propstats\.\S+ import \w+ as (\w+)$", source, re.MULTILINE))
    assert typed == set(NAMES)


def _undocumented(x: int) -> int:
    return x


def _half(x: int, y: int) -> int:
    """Return x.

    Args:
        x: A number.
    """
    return x


def _whole(x: int, **more: int) -> int:
    """Return x.

    Args:
        x: A number.
        **more: Others.

    Raises:
        ValueError: Never.

    >>> _whole(1)
    1
    """
    return x


class _Bare:
    """A record.

    >>> _Bare(1).x
    1
    """

    def __init__(self, x: int) -> None:
        if x < 0:
            raise ValueError(x)
        self.x = x

    def times(self, y: int) -> int:
        """Return a product."""
        return self.x * y


@pytest.mark.parametrize(
    ("thing", "faults"),
    [
        (_Bare, ["does not explain x", "does not say what it raises", "times does not explain y"]),
        (_undocumented, ["says nothing"]),
        (_half, ["does not explain y", "does not say what it raises", "shows no example"]),
        (_whole, []),
    ],
)
def test_faults_are_found(thing: Callable[..., int], faults: list[str]) -> None:
    thing.__module__ = "propstats.thing"
    for method in (value for value in vars(thing).values() if inspect.isfunction(value)):
        method.__module__ = "propstats.thing"
    assert _faults("thing", thing) == faults
