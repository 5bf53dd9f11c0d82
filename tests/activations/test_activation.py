import math
from collections.abc import Callable

import pytest
import sympy
import torch
from torch.nn import functional

from propstats.activations import Activation, activation, activation_names
from propstats.errors import DomainError, ExpressionError, UnknownNameError


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean") as caught:
        activation("rellu")
    assert "relu" in caught.value.hint
    assert len(str(caught.value).splitlines()) == 1


def test_names_are_sorted_and_unique() -> None:
    names = activation_names()
    assert names == sorted(set(names))
    assert all(activation(name.upper()).name == name for name in names)


def test_parameters() -> None:
    assert activation("prelu", a=0.1).params == {"a": 0.1}
    assert activation(activation("prelu"), a=0.1).params == {"a": 0.1}
    assert activation("prelu").params == {"a": 0.25}  # the catalog's entry is not changed
    assert str(activation("prelu", a=0.1)) == "prelu(a=0.1)"
    assert str(activation("relu")) == "relu"


def test_parameter_errors() -> None:
    with pytest.raises(UnknownNameError, match="known: negative_slope"):
        activation("leaky_relu", slope=0.1)
    with pytest.raises(DomainError, match="relu has no parameters"):
        activation("relu", a=1.0)
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(DomainError, match="finite"):
            activation("prelu", a=value)


@pytest.mark.parametrize(
    ("text", "kinks"),
    [
        ("max(x, 0)", (0.0,)),
        ("min(max(x, -1), 2)", (-1.0, 2.0)),
        ("abs(x - 0.5)", (0.5,)),
        ("sign(2*x + 1)", (-0.5,)),
        ("max(x, max(1, 2*x))", (0.0, 0.5, 1.0)),  # 0 is where the pieces outside their ranges meet: harmless
        ("where(x > 1, abs(x - 3), 0)", (1.0, 3.0)),
        ("exp(-abs(x)) + max(x - 1, 0)", (0.0, 1.0)),
        ("tanh(x)", ()),
        ("where(1 > 2, x, 0)", ()),
    ],
)
def test_kinks(text: str, kinks: tuple[float, ...]) -> None:
    assert Activation("own", text).kinks == kinks


def test_kinks_follow_parameters() -> None:
    assert activation("hardtanh", min_val=-2.0, max_val=3.0).kinks == (-2.0, 3.0)


def test_kinks_that_were_searched_for_are_not_settled() -> None:
    own = Activation("own", "max(x**2, 1)")
    assert own.kinks == (-1.0, 1.0)
    assert not own.is_settled
    with pytest.raises(ExpressionError, match="linear"):
        _ = own.pieces


def test_application_to_sympy_is_ordinary_mathematics() -> None:
    x = sympy.Symbol("x", real=True)
    assert sympy.simplify(activation("tanh")(x) - sympy.tanh(x)) == 0
    assert activation("relu")(x) == sympy.Piecewise((x, x > 0), (0, True))


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "prelu", "relu6", "hardtanh", "abs"])
def test_slope_at_a_kink_is_torchs(name: str) -> None:
    function: Callable[[torch.Tensor], torch.Tensor] = {
        "prelu": lambda x: functional.prelu(x, torch.tensor(0.25, dtype=x.dtype)),
        "abs": torch.abs,
    }.get(name) or getattr(functional, name)
    entry = activation(name)
    x = torch.tensor(entry.kinks, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(function(x).sum(), x)
    assert entry.slope(x.detach()).tolist() == gradient.tolist()


def test_what_grows_in_proportion() -> None:
    found = [name for name in activation_names() if activation(name).is_homogeneous]
    assert found == ["abs", "identity", "leaky_relu", "prelu", "relu", "rrelu", "threshold"]
    for text in ("max(x, 0) + 1", "max(x - 1, 0)", "x**2", "where(x > 0, x + 1, x)", "where(x > 0, 1, 0)"):
        assert not Activation("own", text).is_homogeneous, text
    assert not activation("threshold", threshold=0.5).is_homogeneous
