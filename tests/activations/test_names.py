"""Which activation a name means."""

import pytest
from torch import nn

from propstats.activations import activation, activation_names
from propstats.activations.catalog import CATALOG
from propstats.activations.conversion.torch_modules import ELEMENTWISE_MODULES
from propstats.activations.names import ALIASES, NOT_ELEMENTWISE, find
from propstats.errors import UnknownNameError

#: What torch.nn has beside them: functions of more than one number, or of random ones.
_OTHERS = {"GLU", "MultiheadAttention", "Softmax", "Softmax2d", "Softmin", "LogSoftmax"}


def test_names_are_those_of_the_catalog() -> None:
    assert activation_names() == sorted(entry.name for entry in CATALOG)
    assert len(set(activation_names())) == len(CATALOG)


@pytest.mark.parametrize("name", activation_names())
def test_case_and_separators_do_not_matter(name: str) -> None:
    for spelt in (name, name.upper(), name.title().replace("_", ""), name.replace("_", "-"), name.replace("_", " ")):
        assert find(spelt) is find(name)


@pytest.mark.parametrize(("alias", "name"), sorted(ALIASES.items()))
def test_aliases_are_other_names_of_known_activations(alias: str, name: str) -> None:
    assert alias not in activation_names()
    assert find(alias).name == name


@pytest.mark.parametrize(
    ("spelt", "name"),
    [
        ("swish", "silu"),
        ("LogSigmoid", "log_sigmoid"),
        ("logsigmoid", "log_sigmoid"),
        ("linear", "identity"),
        ("heaviside", "step"),
        ("Hard-Swish", "hardswish"),
        ("ReLU6", "relu6"),
        ("squared_relu", "relu_squared"),
    ],
)
def test_what_people_type(spelt: str, name: str) -> None:
    assert activation(spelt).name == name


def test_every_elementwise_module_of_torch_has_a_name() -> None:
    known = {name for name in nn.modules.activation.__all__ if name not in _OTHERS}
    assert set(ELEMENTWISE_MODULES) == known
    for name in ELEMENTWISE_MODULES:
        assert find(name).name in activation_names()


@pytest.mark.parametrize("name", ["softmax", "LogSoftmax", "maxout", "glu", "SwiGLU"])
def test_what_is_not_elementwise_says_why(name: str) -> None:
    with pytest.raises(UnknownNameError, match=f"{name} is not elementwise: ") as caught:
        activation(name)
    assert caught.value.hint
    assert len(str(caught.value).splitlines()) == 1


def test_nothing_is_both_known_and_refused() -> None:
    assert not NOT_ELEMENTWISE.keys() & {*activation_names(), *ALIASES}


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean hardswish"):
        find("hardswissh")
