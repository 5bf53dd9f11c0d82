import pytest

from propstats.text import printable, reason_of


def test_printable() -> None:
    assert printable("plain \u03c3 <b>") == "plain \u03c3 <b>"
    assert printable("\x00\x1b\u202e\ud800\u2028\n") == r"\x00\x1b\u202e\ud800\u2028\n"
    assert printable("") == ""


def test_limit() -> None:
    assert printable("x" * 500, limit=120) == "x" * 117 + "..."
    assert printable("x" * 120, limit=120) == "x" * 120
    assert len(printable("\x00" * 500, limit=120)) == 120


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no such axis\nat line 3"), "no such axis"),
        (RuntimeError("\n  late\n"), "late"),
        (RuntimeError(" \n"), "RuntimeError"),
        (AssertionError(), "AssertionError"),
        (ValueError("\x1b[31mred"), r"\x1b[31mred"),
        (ValueError("x" * 500), "x" * 157 + "..."),
    ],
)
def test_reasons(error: Exception, said: str) -> None:
    assert reason_of(error) == said
