import math

import pytest

from propstats.errors import DomainError
from propstats.rules.affine import Affine, Chain, Flatten
from propstats.rules.dropout import Dropout
from propstats.rules.embedding import Embedding
from propstats.rules.join import Add, Concatenate
from propstats.signals import Gradient, Positions, Signal

_ONE = Signal(0.5, 1.0, 0.6, 0.2, Positions(0.4, 0.3), 10, 0.1)


def test_sums() -> None:
    after = Add().join([_ONE, _ONE])
    assert math.isclose(after.q, 2.0 + 2 * 0.25)
    assert after.mean == 1.0
    assert after.var == 1.2
    assert after.positions == Positions(0.8 + 0.5, 0.6 + 0.5)
    # Half of a chance correlation of 2 q/sqrt(units) is of each; what is inherited adds in full.
    assert after.inherited <= _ONE.inherited
    assert Add().split(Gradient(2.0), [_ONE, _ONE]) == [Gradient(2.0)] * 2


def test_units_side_by_side() -> None:
    other = Signal(0.0, 3.0, 3.0)
    after = Concatenate((30, 10)).join([_ONE, other])
    assert (after.mean, after.q, after.var) == (0.375, 1.5, 1.2)
    assert after.positions is None  # not known of one


def test_dropout_keeps_what_inputs_have_in_common() -> None:
    after = Dropout(0.5).forward(_ONE)
    assert (after.mean, after.q) == (0.5, 2.0)
    assert math.isclose(after.overlap, _ONE.overlap)
    assert after.positions == _ONE.positions
    whole = Dropout(0.5, whole_units=True).forward(_ONE).positions
    assert whole == Positions(0.8, 0.3)
    assert Dropout(0.5).backward(Gradient(1.0), _ONE).q == 2.0
    with pytest.raises(DomainError, match="rate of dropout"):
        Dropout(1.0)


def test_scaling_and_chains() -> None:
    """y = 2x - 1 of x with mean 1/2: the mean vanishes, its square is taken off all products."""
    after = Affine(2.0, -1.0).forward(_ONE)
    assert after.mean == 0.0
    assert math.isclose(after.q, 4 * (1.0 - 0.25))
    assert after.positions is not None
    assert math.isclose(after.positions.same, 4 * (0.4 - 0.25))
    there_and_back = Chain((Affine(2.0, -1.0), Affine(0.5, 0.5)))
    again = there_and_back.forward(_ONE)
    assert math.isclose(again.q, _ONE.q)
    assert math.isclose(again.error, _ONE.error)
    assert math.isclose(there_and_back.backward(Gradient(3.0), _ONE).q, 3.0)


def test_flattening_leaves_one_position() -> None:
    assert Flatten(4).forward(_ONE).positions is None
    assert Flatten(4).backward(Gradient(1.0, positions=0.5), _ONE).positions == 0.0


def test_embedding_of_two_tokens() -> None:
    """Half of the time two tokens are the same."""
    after = Embedding(0.0, 1.0, rows=2, units=50).forward(Signal(0.0, 0.0, 0.0))
    assert (after.q, after.var, after.c) == (1.0, 0.5, 0.5)
    assert after.positions == Positions(0.5, 0.5)
