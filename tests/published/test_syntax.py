"""How expressions are read: every construct, every refusal, and what a hostile one may cost."""

import time

import pytest

from propstats.activations.syntax import str_of
from propstats.errors import ExpressionError, PropstatsError, UnknownNameError
from propstats.published.language import read
from propstats.published.syntax import MAX_LENGTH


def tree(text: str) -> str:
    return str_of(read(text).tree)


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("1/sqrt(2*pi)", "1/sqrt(2*pi)"),
        ("  2 + 3  ", "5"),
        ("+1", "1"),
        ("-pi", "-pi"),
        ("0x10", "16"),
        ("1_000", "1000"),
        ("1_0.2_5", "41/4"),
        ("2**-1", "1/2"),
        ("max(pi, 3)", "where(pi > 3, pi, 3)"),
        ("where(pi > 3, 1, 2)", "where(pi > 3, 1, 2)"),
        # what is written counts, not the double nearest to it
        ("0.1 + 0.2 - 0.3", "0"),
        ("0.10000000000000001 - 0.1", "1e-17"),
    ],
)
def test_what_can_be_written(text: str, read_as: str) -> None:
    assert tree(text) == read_as


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot read ''"),
        ("atan(1", "never closed"),
        ("1;2", "invalid syntax"),
        ("a := 1", "invalid syntax"),
        ("∞", "invalid character"),
        ('"', "unterminated"),
        ("a\x00b", "cannot read"),
        ("__import__('os')", "unknown function '__import__'"),
        ("().__class__", "Attribute is not allowed"),
        ("lambda: 1", "Lambda is not allowed"),
        ("[1]", "List is not allowed"),
        ("1 if 1 else 2", "IfExp is not allowed"),
        ('f"{1}"', "JoinedStr is not allowed"),
        ("'a'", "Constant is not allowed"),
        ("True", "Constant is not allowed"),
        ("1j", "Constant is not allowed"),
        ("...", "Constant is not allowed"),
        ("1//2", "BinOp is not allowed"),
        ("not 1", "UnaryOp is not allowed"),
        ("1 < 2 < 3", "a comparison outside where"),
        ("1 < 2", "a comparison outside where"),
        ("1 + (1 < 2)", "a comparison outside where"),
        ("where(1 < 2, 1 < 2, 3)", "a comparison outside where"),
        ('gain("x > 0")', "a comparison outside where"),
        ("2**100", "exponents go up to 64"),
        ("1e400", "too large"),
        ("1e-99999999", "too long"),
        ("x", "x stands outside quotes"),
        ("y", "unknown name 'y'"),
        ("π", "unknown name"),
        ("gain", "unknown name 'gain'"),
        ("pi()", "unknown function 'pi'"),
        ("sin(1, 2)", "sin takes 1 argument"),
        ("gian(relu)", "did you mean gain"),
    ],
)
def test_what_cannot_be_read(text: str, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        read(text)
    shown = str(caught.value)
    assert words in shown
    assert shown.isprintable()
    assert "_0" not in shown, "a name that we put in is shown"


def test_the_message_shows_what_was_written() -> None:
    """Not what stands there after numbers and quantities were replaced."""
    with pytest.raises(ExpressionError, match=r"in the formula '0.12345678901234567890\*\[1\]'"):
        read("0.12345678901234567890*[1]")


@pytest.mark.parametrize(
    "text",
    [
        "1+" * 4999 + "1",
        "(" * 900 + "1" + ")" * 900,
        "-" * 1900 + "1",
        "[" * 900,
        "*".join(["9**64"] * 200),
        "((" * 15 + "3**64)**64" + ")**64)**64" * 15,
        "gain(" * 300 + "relu" + ")" * 300,
        'gain("' + "*".join(["a"] * 300) + '*x", a=(1/3)**60)',
    ],
)
def test_hostile_expressions_cost_nothing(text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(PropstatsError) as caught:
        read(text)
    assert len(str(caught.value)) < 500
    assert time.perf_counter() - start < 2, "it took as long as what it asks for"


def test_length_is_limited() -> None:
    read("1" + " " * 10_000)  # what is around it does not count
    assert tree("1 +" + " " * (MAX_LENGTH - 4) + "1") == "2"
    with pytest.raises(ExpressionError, match=f"{MAX_LENGTH + 1} characters, more than {MAX_LENGTH}"):
        read("1 +" + " " * (MAX_LENGTH - 3) + "1")


def test_unknown_activations_and_parameters_are_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean relu"):
        read("gain(rellu)")
    with pytest.raises(UnknownNameError, match="unknown parameter of relu: 'b'"):
        read("gain(relu, b=1)")
