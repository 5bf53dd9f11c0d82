"""The kinds of layers that a network file can name: what each asks for, and the rule that it is."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial

from propstats.activations import Activation, from_expression
from propstats.activations.gates import GATES, gate
from propstats.activations.names import activation_names, find
from propstats.errors import PropstatsError, UnknownNameError
from propstats.rules.affine import Affine, Flatten, Unchanged
from propstats.rules.batch_norm import BatchNorm
from propstats.rules.dropout import Dropout
from propstats.rules.elementwise import Elementwise
from propstats.rules.gate import Gated
from propstats.rules.network_file import weights
from propstats.rules.network_file.place import Context, Place
from propstats.rules.network_file.pooling import POOLING, pooling_layer, upsample_layer
from propstats.rules.network_file.tables import Table
from propstats.rules.network_file.weights import Built
from propstats.rules.norm import GroupNorm, Scale
from propstats.rules.rule import Rule


def layer_kinds() -> list[str]:
    """Return the kinds of layers that a network file can name, besides the activations."""
    return [*_KINDS, *GATES]


def build(kind: str, table: Table, place: Place, context: Context) -> Built:
    """Return the rule of a layer and the shape of its output.

    Args:
        kind: What the file calls it.
        table: Its table.
        place: The shape of its input.
        context: What else it should know.

    Raises:
        ModelError: If the kind is not known, or a key is missing, unknown or makes no sense here; the message names the
            layer and the line.
    """
    try:
        if kind in _KINDS:
            return _KINDS[kind](table, place, context)
        if kind.lower() in GATES:
            return _gated(kind.lower(), table, place)
        act = named_activation(kind)
        if act is None:
            raise _unknown(kind, table)
        values = {name: table.number(name, value) for name, value in act.params.items()}
        return Elementwise(act.with_params(**values)), place
    except PropstatsError as error:
        raise error if error.message.startswith(table.where) else table.error(error.message, error.hint) from None


def named_activation(kind: str) -> Activation | None:
    """Return the activation of a name, or None."""
    try:
        return find(kind)
    except UnknownNameError:
        return None


def _unknown(kind: str, table: Table) -> PropstatsError:
    known = layer_kinds()
    near = get_close_matches(kind.lower(), [*known, *activation_names()], n=3, cutoff=0.6)
    did_you_mean = f"did you mean {' or '.join(near)}? " if near else ""
    return table.error(f"unknown kind {kind!r}", f"{did_you_mean}known: {', '.join(known)}, and every activation")


def _gated(kind: str, table: Table, place: Place) -> Built:
    if place.units % 2:
        raise table.error(f"a gate halves its units, but there are {place.units}")
    return Gated(gate(kind)), Place(place.units // 2, place.positions)


def _formula(table: Table, place: Place, context: Context) -> Built:
    return Elementwise(from_expression(table.text("formula"))), place


def _dropout(table: Table, place: Place, context: Context) -> Built:
    rule = Dropout(table.number("rate", 0.5), table.flag("whole_units"))
    return (rule if context.training else Unchanged()), place


def _unchanged(table: Table, place: Place, context: Context) -> Built:
    return Unchanged(), place


def _affine(table: Table, place: Place, context: Context) -> Built:
    return Affine(table.number("scale", 1.0), table.number("shift", 0.0)), place


def _flatten(table: Table, place: Place, context: Context) -> Built:
    return Flatten(place.count), Place(place.units * place.count)


def _scale(table: Table) -> Scale:
    weight, bias = table.number("scale", 1.0), table.number("shift", 0.0)
    return Scale(weight, weight**2, bias, bias**2)


def _batch_norm(table: Table, place: Place, context: Context) -> Built:
    batch = float(table.integer("batch", least=2)) if table.has("batch") else float("inf")
    table.used.add("batch")
    return BatchNorm(_scale(table), table.number("eps", 1e-5, least=0.0), place.count, batch), place


def _layer_norm(table: Table, place: Place, context: Context) -> Built:
    return _normalised(table, place.units, 1), place


def _rms_norm(table: Table, place: Place, context: Context) -> Built:
    return _normalised(table, place.units, 1, centred=False), place


def _instance_norm(table: Table, place: Place, context: Context) -> Built:
    return _normalised(table, 1, place.count), place


def _group_norm(table: Table, place: Place, context: Context) -> Built:
    groups = table.integer("groups")
    if place.units % groups:
        raise table.error(f"groups = {groups} must divide the {place.units} units")
    return _normalised(table, place.units // groups, place.count), place


def _normalised(table: Table, units: int, positions: int, *, centred: bool = True) -> Rule:
    if units * positions < 2:
        raise table.error("there is one number to normalise, which would become 0", "normalise over more of them")
    return GroupNorm(units, positions, _scale(table), table.number("eps", 1e-5, least=0.0), centred)


_KINDS: Mapping[str, Callable[[Table, Place, Context], Built]] = {
    "dense": weights.dense_layer,
    "conv": weights.conv_layer,
    "transposed_conv": weights.transposed_conv_layer,
    "normprop": weights.normprop_layer,
    "attention": weights.attention_layer,
    "embedding": weights.embedding_layer,
    "formula": _formula,
    "dropout": _dropout,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
    **{kind: partial(pooling_layer, kind) for kind in POOLING},
    "upsample": upsample_layer,
    "flatten": _flatten,
    "identity": _unchanged,
    "affine": _affine,
}
