"""Lock files: written and read back, and every way in which a file is none."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propstats.errors import DataError
from propstats.published.constants import Constant, ConstantValue, compute
from propstats.published.lock import SCHEMA, Locked, lock_text, read_lock

ONE = 'name = "c"\nexpression = "1/pi"\nvalue = "0.3183"\ndigits = 4\n'


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "lock.toml"


def test_round_trip(lock: Path) -> None:
    values = compute([Constant("c", "1/pi"), Constant("d", 'expect("c*x**2")')], 12)
    lock.write_text(lock_text(values, 12), encoding="utf-8")
    assert read_lock(lock) == (
        Locked(Constant("c", "1/pi"), "0.318309886184", 12),
        Locked(Constant("d", 'expect("c*x**2")'), "0.318309886184", 12),
    )


def test_the_head_says_how_it_was_made() -> None:
    assert "propstats constants --write FILE" in lock_text((), 30)
    assert "propstats constants --digits 50 --write FILE" in lock_text((), 50)


@given(st.text(max_size=40))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(lock_text([ConstantValue("c", text, "1", 0.5)], 1).encode())
    assert read_lock(path)[0].constant.expression == text


def test_a_users_file(lock: Path) -> None:
    """Any order of keys, single quotes, comments, a note, no value yet."""
    lock.write_text(
        f"# ours\nschema = '{SCHEMA}'\n[[constant]]\ndigits = 3\nnote = 'why'\nexpression = 'gain(\"x\")'\nname = 'g'\n"
    )
    assert read_lock(lock) == (Locked(Constant("g", 'gain("x")', "why"), None, 3),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 'has no schema (its first line must be schema = "propstats-constants/1")'),
        ('schema = "propstats-constants/2"\n', "has schema 'propstats-constants/2'"),
        ("schema = 1\n", "has schema '1'"),
        ("These are my constants: 1, 2\n", "is not TOML"),
        ('{"json": true}', "is not TOML"),
        ("SCHEMA\n", "has no constants (begin each with [[constant]])"),
        ("SCHEMA\nconstant = []\n", "has no constants"),
        ("SCHEMA\nconstant = 3\n", "constant is no list of tables"),
        ("SCHEMA\n[constant]\n" + ONE, "constant is no list of tables"),
        ("SCHEMA\nconstant = [1]\n", "constant is no list of tables"),
        ("SCHEMA\nauthor = 'me'\n[[constant]]\n" + ONE, "has an unknown key 'author'"),
        ("SCHEMA\n[[constant]]\n" + ONE + "vaule = '1'\n", "constant c has an unknown key 'vaule'"),
        ("SCHEMA\n[[constant]]\n" + ONE + "digits = 5\n", "is not TOML: Cannot overwrite a value"),
        ("SCHEMA\n[[constant]]\nname = 'c'\n", "constant c has no expression"),
        ("SCHEMA\n[[constant]]\nexpression = 'pi'\n", "constant no. 1 has no name"),
        ("SCHEMA\n[[constant]]\n" + ONE + "[[constant]]\n", "constant no. 2 has no name"),
        ("SCHEMA\n[[constant]]\nname = 'c'\nexpression = 'pi'\n", "constant c has no digits (for example digits = 30)"),
        ("SCHEMA\n[[constant]]\nname = 3\n", "constant no. 1: name must be text"),
        ("SCHEMA\n[[constant]]\nname = 'c'\nexpression = 3\n", "constant c: expression must be text"),
        ("SCHEMA\n[[constant]]\n" + ONE.replace('"0.3183"', "0.3183"), "value must be text (in quotes, or its digits"),
        ("SCHEMA\n[[constant]]\n" + ONE.replace("= 4", '= "4"'), "constant c: digits must be a whole number"),
        ("SCHEMA\n[[constant]]\n" + ONE.replace("= 4", "= 4.0"), "constant c: digits must be a whole number"),
        ("SCHEMA\n[[constant]]\n" + ONE.replace("= 4", "= true"), "constant c: digits must be a whole number"),
        ("SCHEMA\n[[constant]]\n" + ONE.replace("= 4", "= 0"), "digits must be between 1 and 900, got 0"),
        ("SCHEMA\n[[constant]]\n" + ONE.replace("= 4", "= 901"), "digits must be between 1 and 900, got 901"),
        ("SCHEMA\n[[constant]]\n" + ONE.replace("0.3183", "about 0.3"), "value 'about 0.3' is no decimal number"),
        ("SCHEMA\n[[constant]]\n" + ONE.replace("0.3183", "1e99999"), "value '1e99999' is no decimal number"),
        ("SCHEMA\nconstant = " + "[" * 5000, "nested too deeply"),
        ("SCHEMA\n[[constant]]\nname = '\x1b[31m'\n", "is not TOML"),
        ('SCHEMA\n[[constant]]\nname = "\\u001b[31m"\n', r"constant \x1b[31m has no expression"),
    ],
)
def test_what_is_no_lock_file(lock: Path, text: str, words: str) -> None:
    lock.write_text(text.replace("SCHEMA", f'schema = "{SCHEMA}"'))
    with pytest.raises(DataError) as caught:
        read_lock(lock)
    shown = str(caught.value)
    assert words in shown
    assert "lock.toml" in shown
    assert shown.isprintable()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file: .*none\.toml .*--write FILE"):
        read_lock(tmp_path / "none.toml")
    with pytest.raises(DataError, match=r"cannot read .*: Is a directory"):
        read_lock(tmp_path)
    with pytest.raises(DataError, match=r"cannot read .*null"):
        read_lock("a\0b")
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match="binary is not UTF-8 text"):
        read_lock(tmp_path / "binary")
    (tmp_path / "huge").write_bytes(b"#" * 1_000_001)
    with pytest.raises(DataError, match="huge is larger than 1 MB"):
        read_lock(tmp_path / "huge")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a device that never ends")
def test_a_file_without_an_end() -> None:
    with pytest.raises(DataError, match="zero is larger than 1 MB"):
        read_lock("/dev/zero")
