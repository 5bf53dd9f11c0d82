"""The reference says of every public name what it takes, gives and raises, and shows it."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

import propstats

NAMES: list[str] = sorted(getattr(propstats, "__all__"))  # noqa: B009 - only there when the module runs
#: What cannot fail says nothing of exceptions.
_NEVER_RAISES = {"activation_names"}
#: Takes ten seconds: the README's transcript runs it.
_SHOWN_IN_THE_README = {"demo"}
#: Handed out by `with monitor(...)`, whose example shows it.
_SHOWN_ELSEWHERE = {"Monitor": "monitor"}

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
            stars = {"VAR_POSITIONAL": r"\*", "VAR_KEYWORD": r"\*\*"}.get(parameter.kind.name, "")
            if not re.search(rf"^    {stars}{parameter.name}: \S", sections.get("Args", ""), re.MULTILINE):
                faults.append(f"does not explain {parameter.name}")
        if "Raises" not in sections and name not in _NEVER_RAISES:
            faults.append("does not say what it raises")
        if inspect.signature(thing).return_annotation is inspect.Signature.empty:
            faults.append("does not say what it returns")
        if not _examples(thing) and name not in _SHOWN_IN_THE_README:
            faults.append("shows no example")
    elif not _examples(thing) and name not in _SHOWN_ELSEWHERE and not _makers(name):
        faults.append("shows no example, and no function that returns it does")
    return faults


def _makers(record: str) -> list[str]:
    """Return the functions that return a record, and show it."""
    functions = [(name, getattr(propstats, name)) for name in NAMES if inspect.isfunction(getattr(propstats, name))]
    shown = [(name, f) for name, f in functions if _examples(f) or name in _SHOWN_IN_THE_README]
    return [name for name, f in shown if record in re.findall(r"\w+", str(f.__annotations__.get("return", "")))]


@pytest.mark.parametrize("name", NAMES)
def test_reference(name: str) -> None:
    assert _faults(name, getattr(propstats, name)) == []


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


@pytest.mark.parametrize(
    ("thing", "faults"),
    [
        (_undocumented, ["says nothing"]),
        (_half, ["does not explain y", "does not say what it raises", "shows no example"]),
        (_whole, []),
    ],
)
def test_faults_are_found(thing: Callable[..., int], faults: list[str]) -> None:
    assert _faults("thing", thing) == faults
