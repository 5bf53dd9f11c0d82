"""`propstats list`: what propstats knows, by kind."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from propstats.activations import activation, activation_names
from propstats.activations.gates import GATES
from propstats.errors import unknown_name
from propstats.handbook.entry import Kind
from propstats.handbook.explain import entries
from propstats.theory.weights.schemes import scheme_names, weight_scheme


@dataclass(frozen=True, slots=True)
class Listed:
    """One thing that propstats knows.

    Args:
        name: What it is called.
        about: What it is, in a line.
    """

    name: str
    about: str


def catalogue(kind: str | None = None) -> dict[str, tuple[Listed, ...]]:
    """List what propstats knows.

    Args:
        kind: One of the kinds, or None for all.

    Returns:
        What there is, by kind.

    Raises:
        UnknownNameError: If there is no such kind.

    >>> [entry.about for entry in catalogue("gates")["gates"] if entry.name == "swiglu"]
    ['a*b*sigmoid(b)']
    """
    if kind is not None and kind not in _KINDS:
        raise unknown_name("kind of list", kind, list(_KINDS))
    return {name: tuple(every()) for name, every in _KINDS.items() if kind in (None, name)}


def _activations() -> Iterator[Listed]:
    for name in activation_names():
        act = activation(name)
        defaults = ", ".join(f"{parameter} = {value:g}" for parameter, value in act.params.items())
        yield Listed(name, f"{act.text}{f'  ({defaults})' if defaults else ''}")


def _gates() -> Iterator[Listed]:
    for name, gate in GATES.items():
        yield Listed(name, str(gate))


def _schemes() -> Iterator[Listed]:
    for name in scheme_names():
        yield Listed(name, weight_scheme(name).reference)


def _layers() -> Iterator[Listed]:
    from propstats.rules.network_file.layers import layer_kinds

    for name in layer_kinds():
        yield Listed(name, "")
    yield Listed("ACTIVATION", "every activation, by its name")


def _explained(kind: Kind) -> Iterator[Listed]:
    for entry in entries():
        if entry.kind is kind:
            yield Listed(entry.name, entry.title)


def _data() -> Iterator[Listed]:
    from propstats.auditing.data.known import KNOWN

    yield Listed("digits", "1,797 real images of 1x8x8, which come with propstats")
    for name, known in KNOWN.items():
        counts = ", ".join(f"{split} {forms[0].samples:,}" for split, forms in known.splits.items())
        yield Listed(name, counts)
    yield Listed("gaussian:SHAPE", "samples of N(0, 1)")
    yield Listed("FILE", ".npy, .npz, .pt, .safetensors, .csv, .parquet, IDX, .mat, a folder of images")
    yield Listed("MODULE:FACTORY", "your function that gives tensors or batches")


def _lessons() -> Iterator[Listed]:
    from propstats.experiments.lessons.lesson import LESSONS

    for name, run in LESSONS.items():
        yield Listed(name, (run.__doc__ or "").partition("\n")[0])


def _experiments() -> Iterator[Listed]:
    from propstats.experiments.reproduce.protocol import EXPERIMENTS

    for name, experiment in EXPERIMENTS.items():
        yield Listed(name, f"{experiment.title} ({experiment.section})")


def _constants() -> Iterator[Listed]:
    from propstats.published.registry import registry

    for constant in registry():
        yield Listed(constant.name, constant.expression)


def _claims() -> Iterator[Listed]:
    from propstats.published.judgement import ALL_CLAIMS

    for claim in ALL_CLAIMS:
        yield Listed(claim.id, claim.statement)


_KINDS: Mapping[str, Callable[[], Iterator[Listed]]] = {
    "activations": _activations,
    "gates": _gates,
    "schemes": _schemes,
    "layers": _layers,
    "data": _data,
    "quantities": partial(_explained, Kind.QUANTITY),
    "findings": partial(_explained, Kind.FINDING),
    "constants": _constants,
    "claims": _claims,
    "lessons": _lessons,
    "experiments": _experiments,
}
