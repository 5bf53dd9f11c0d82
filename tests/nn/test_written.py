"""Activations as text and numbers: what is written is read, and nothing else."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propstats.activations import activation, activation_names
from propstats.errors import ModelError
from propstats.nn.written import read, read_state, written


@pytest.mark.parametrize("name", [*activation_names(), "x*sigmoid(2*x)"])
def test_what_is_written_is_read(name: str) -> None:
    act = activation(name)
    again = read(written(act))
    assert again == act
    assert again.formula == act.formula


def test_parameters_are_kept() -> None:
    assert read(written(activation("elu", alpha=0.5))).params == {"alpha": 0.5}


RELU = written(activation("relu"))
ELU = written(activation("elu"))


@pytest.mark.parametrize(
    "state",
    [
        None,
        "relu",
        ("relu", "max(x, 0)"),
        {},
        {**RELU, "more": 1},
        {**RELU, "name": 3},
        {**RELU, "text": None},
        {**RELU, "reference": b"x"},
        {**RELU, "params": ()},
        {**RELU, "params": {"a": 1.0}},
        {**RELU, "params": {1: 1.0}},
        {**ELU, "params": {}},
        {**ELU, "params": {"alpha": float("nan")}},
        {**ELU, "params": {"alpha": float("inf")}},
        {**ELU, "params": {"alpha": 1}},
        {**ELU, "params": {"alpha": 10**400}},
        {**ELU, "params": {"alpha": "1"}},
    ],
)
def test_what_is_refused(state: object) -> None:
    with pytest.raises(ModelError, match="the activation of a layer"):
        read(state)


@pytest.mark.parametrize("state", [None, [], (), {}, {"activation": None}])
def test_states_without_an_activation(state: object) -> None:
    with pytest.raises(ModelError, match="the activation of a layer"):
        read_state(state)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.fixed_dictionaries(dict.fromkeys(RELU, _VALUES)))
def test_anything_else_is_refused_or_read(state: dict[str, object]) -> None:
    with contextlib.suppress(ModelError):  # and nothing else
        read(state)
