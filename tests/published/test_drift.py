"""The check of a lock file finds drift in every field, and nothing where there is none."""

import re
from pathlib import Path

import pytest

from propstats.errors import DataError, DomainError
from propstats.published.constants import Constant, compute
from propstats.published.drift import CheckedConstants, check
from propstats.published.lock import lock_text

CONSTANTS = [Constant("c", "1/pi"), Constant("d", "jacobian_factor(relu)"), Constant("e", "-c*pi/8e9")]
DIGITS = 12


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "lock.toml"
    path.write_text(lock_text(compute(CONSTANTS, DIGITS), DIGITS))
    return path


def _edit(path: Path, old: str, new: str) -> CheckedConstants:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    return check(path)


def test_nothing_drifted(lock: Path) -> None:
    found = check(lock)
    assert found.passed
    assert found.drifted == ()
    assert [value.digits for value in found.constants] == ["0.318309886184", "1.21117389624", "-1.25000000000e-10"]


@pytest.mark.parametrize("place", range(DIGITS))
def test_every_digit_counts(lock: Path, place: int) -> None:
    right = "121117389624"
    wrong = right[:place] + str((int(right[place]) + 1) % 10) + right[place + 1 :]
    found = _edit(lock, "1.21117389624", f"{wrong[0]}.{wrong[1:]}")
    (drift,) = found.drifted
    assert not found.passed
    assert (drift.name, drift.formula, drift.digit) == ("d", "jacobian_factor(relu)", place + 1)
    assert (drift.stated, drift.computed) == (f"{wrong[0]}.{wrong[1:]}", "1.21117389624")


@pytest.mark.parametrize(
    ("old", "new", "name", "digit"),
    [
        ("-1.25000000000e-10", "1.25000000000e-10", "e", 1),  # the sign
        ("-1.25000000000e-10", "-1.25000000000e-11", "e", 1),  # the exponent
        ("-1.25000000000e-10", "-1.25e-10", None, None),  # a zero at the end says the same
        ("-1.25000000000e-10", "-0.000000000125", None, None),  # so does another way to write it
        ('"1.21117389624"', '"1.2111738962363"', None, None),  # more digits than are meant are rounded
        ('"1.21117389624"', '"1.2111738962463"', "d", 12),
        ('"1.21117389624"', '"1.21117"', "d", 7),  # fewer than are meant are missing
        ("jacobian_factor(relu)", "jacobian_factor(leaky_relu)", "d", 3),  # 1.20557...
        ('"1/pi"', '"1/3"', "c", 2),  # 0.333 for 0.318; what uses it drifts as well
    ],
)
def test_other_fields(lock: Path, old: str, new: str, name: str | None, digit: int | None) -> None:
    found = _edit(lock, old, new)
    assert found.passed == (name is None)
    if name is not None:
        assert (found.drifted[0].name, found.drifted[0].digit) == (name, digit)


def test_drift_spreads_to_what_uses_it(lock: Path) -> None:
    found = _edit(lock, '"1/pi"', '"1/3"')
    assert [drift.name for drift in found.drifted] == ["c", "e"]


def test_each_constant_has_its_own_digits(lock: Path) -> None:
    text = lock.read_text()
    lock.write_text(text.replace('"1.21117389624"\ndigits = 12', '"1.211"\ndigits = 4'))
    assert check(lock).passed
    lock.write_text(text.replace('"1.21117389624"\ndigits = 12', '"1.211"\ndigits = 5'))
    assert [(drift.digit, drift.computed) for drift in check(lock).drifted] == [(5, "1.2112")]


def test_a_new_name_breaks_what_uses_the_old_one(lock: Path) -> None:
    with pytest.raises(DataError, match=r"lock\.toml: constant e: unknown name 'c'"):
        _edit(lock, 'name = "c"', 'name = "c2"')


def test_a_missing_value_is_given(lock: Path) -> None:
    with pytest.raises(DataError) as caught:
        _edit(lock, 'value = "1.21117389624"\n', "")
    assert 'no value for d (put in d: value = "1.21117389624")' in str(caught.value)


def test_match(lock: Path) -> None:
    lock.write_text(re.sub(r'"0\.3183', '"0.4183', lock.read_text()))
    assert [drift.name for drift in check(lock).drifted] == ["c"]
    assert check(lock, match="relu").passed
    with pytest.raises(DomainError, match="no constant has 'nothing'"):
        check(lock, match="nothing")
