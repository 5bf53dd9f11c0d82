"""`propstats explain`: look a name up in the handbook."""

from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches
from functools import cache

from propstats.auditing.judging.registry import RULES
from propstats.auditing.static.rules import STATIC_RULES
from propstats.errors import UnknownNameError
from propstats.handbook.entry import Entry, Kind, common, quantities
from propstats.handbook.fields import Field, result_fields
from propstats.text import printable
from propstats.theory.weights.schemes import WeightScheme, scheme_names, weight_scheme


def explain(name: str) -> tuple[Entry, ...]:
    """Say what a quantity, a weight scheme, a finding or a field of a result is.

    Args:
        name: As it is printed: a key of the JSON documents, the name of a scheme, or the rule of a finding. Dashes
            and underscores are the same.

    Returns:
        One entry, or several where different things share a name.

    Raises:
        UnknownNameError: If there is none; names close to it are suggested.

    >>> explain("jacobian_factor")[0].source
    'Arpit et al. 2016, arXiv:1603.01431, section 3.4 (relu: 1.21)'
    >>> [entry.kind.value for entry in explain("he")]
    ['scheme']
    """
    wanted = _plain(name.rpartition(".")[2])
    found = tuple(entry for entry in entries() if _plain(entry.name) == wanted)
    if not found:
        near = get_close_matches(wanted, sorted({entry.name for entry in entries()}), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`propstats list` shows what there is"
        raise UnknownNameError(f"there is nothing called {printable(name, limit=60)!r} to explain", hint)
    return found


@cache
def entries() -> tuple[Entry, ...]:
    """Return all entries: quantities, schemes, findings, and the fields of results that are none of these."""
    return (*_quantities(), *_schemes(), *_findings(), *_fields())


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_")


def _quantities() -> Iterator[Entry]:
    printing = _printing()
    for name, entry in quantities().items():
        yield replace(entry, found_in=printing.get(name, ()))


def _schemes() -> Iterator[Entry]:
    for name in scheme_names():
        yield _scheme(weight_scheme(name))


def _scheme(scheme: WeightScheme) -> Entry:
    law = scheme.law.value.replace("_", " ")
    return Entry(
        scheme.name,
        Kind.SCHEME,
        f"Weight scheme {scheme.name}",
        f"Weights are drawn from the law '{law}', with the variance that the source gives for the layer's fans.",
        source=scheme.reference,
        computed="With the fans that torch and Keras count, at your layer: `weight_std` in `propstats scales`.",
        error="None: a scheme is a definition.",
        advice="Whether it keeps signal and gradient depends on activation and depth: the table says.",
        example="propstats scales --act relu --fan-in 512 --depth 50",
        found_in=("scales", "jacobian", "sweep"),
    )


def _findings() -> Iterator[Entry]:
    for rule in (*RULES.values(), *STATIC_RULES):
        yield Entry(
            rule.id,
            Kind.FINDING,
            _sentence(rule.title),
            f"{_sentence(rule.explanation)}.",
            source=rule.source,
            computed=f"Threshold: {rule.derivation}.",
            error=rule.uncertainty,
            advice="The finding itself says what to change, with the effect that theory predicts.",
            example=f"propstats audit model.pt {'--static' if rule in STATIC_RULES else '--data digits'}",
            found_in=("audit",),
        )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _fields() -> Iterator[Entry]:
    """Yield the fields that have no entry of their own, one entry for each meaning."""
    own = quantities()
    meanings: dict[tuple[str, str], list[Field]] = {}
    for field in result_fields():
        if field.name not in own:
            meanings.setdefault((field.name, meaning_of(field)), []).append(field)
    for (name, meaning), fields in meanings.items():
        commands = sorted({command for field in fields for command in field.commands})
        records = ", ".join(sorted({field.record for field in fields}))
        yield Entry(name, Kind.FIELD, f"Field of {records}", meaning, found_in=tuple(commands))


def meaning_of(field: Field) -> str:
    """Return what a field means, by its record or because it means the same everywhere; empty if nobody says."""
    return field.meaning or common().get(field.name, "")


def _printing() -> dict[str, tuple[str, ...]]:
    """Return the commands that print each name."""
    found: dict[str, set[str]] = {}
    for field in result_fields():
        found.setdefault(field.name, set()).update(field.commands)
    return {name: tuple(sorted(commands)) for name, commands in found.items()}
