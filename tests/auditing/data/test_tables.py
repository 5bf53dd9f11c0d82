import csv
import gzip
import math
import sys
import tempfile
from pathlib import Path

import pytest
from data_refusals import refused_data, survives
from hypothesis import given
from hypothesis import strategies as st

from propstats.auditing.data.load import load_data

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)


def _csv(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


@given(
    st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(NUMBERS, min_size=n, max_size=n), min_size=1, max_size=5)),
    st.sampled_from([",", ";", "\t"]),
    st.booleans(),
)
def test_round_trip(rows: list[list[float]], delimiter: str, header: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t"
        with path.open("w", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter)
            if header:
                writer.writerow([*(f"column {i}" for i in range(len(rows[0]))), "label"])
            for number, row in enumerate(rows):
                writer.writerow([*row, number] if header else [*row, 0.5])
        data = load_data(str(path))
        assert data.inputs.tolist() == (rows if header else [[*row, 0.5] for row in rows])
        assert (data.labels is not None) == header


def test_labels_may_be_words(tmp_path: Path) -> None:
    data = load_data(_csv(tmp_path / "a", "\ufeffSpecies,a,b\nowl,1,2\n\nant,3,\nowl,5,NA\n"))
    assert data.labels is not None
    assert data.labels.tolist() == [1, 0, 1]
    assert data.inputs[0].tolist() == [1.0, 2.0]
    assert math.isnan(data.inputs[1, 1])
    assert math.isnan(data.inputs[2, 1])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a,b\n1,2\n3\n", "line 3 has 1 cells instead of 2"),
        ("1,2\n3,x\n", "line 2, column 2: 'x' is not a number"),
        ("a,b\n", "no samples"),
        ("label\n", "of no kind"),
        (",,\n,,\n", "no samples"),
        ("NA,NA\nNA,NA\n", "not one value is finite"),
        ("1,2\n" + '"' + "9" * 200_000 + '",1\n', "not a table of text"),
    ],
)
def test_refusals(tmp_path: Path, text: str, word: str) -> None:
    refused_data(_csv(tmp_path / "a.csv", text), word)


def test_other_encodings(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"1,2\n" + b" " * 2000 + b"\xff,2\n")
    refused_data(tmp_path / "a.csv", "not a table of text")


def test_damage(tmp_path: Path) -> None:
    survives(b"a,b,label\n1.5,2,cat\n3,4e3,dog\n" * 3, tmp_path / "a.csv", tries=200, seed=6)


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + bytes(20) + b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install pyarrow" in refused_data(tmp_path / "a.parquet", "needs pyarrow")


def test_tables_as_people_have_them(tmp_path: Path) -> None:
    """Decimal commas beside semicolons, columns of spaces under a comment (numpy.savetxt), row numbers (pandas)."""
    rows = [[1.5, -2.0], [0.25, 4.0]]
    for text in (
        "a;b\n1,5;-2,0\n0,25;4\n",
        "1,5\t-2\n,25\t4\n",
        "# made by hand\n 1.5  -2.0\n0.25 4\n",
        "# a, b\n1.5,-2\n# more\n0.25,4\n",
        ",a,b\n0,1.5,-2\n1,0.25,4\n",
        "Unnamed: 0,a,b,label\n7,1.5,-2,1\n8,0.25,4,0\n",
    ):
        assert load_data(_csv(tmp_path / "t.csv", text)).inputs.tolist() == rows, text
    assert "counts the rows" in load_data(str(tmp_path / "t.csv")).notes[0]
    unnamed = load_data(_csv(tmp_path / "t.csv", ",a\n3,1\n9,2\n"))
    assert unnamed.inputs.tolist() == [[3, 1], [9, 2]]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (gzip.compress(b"1,2\n3,4\n", mtime=0), "compressed table"),
        (b'{"x": [1, 2]}', "is JSON"),
        ("1,2\n".encode("utf-16"), "UTF-16"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "factory of yours"),
    ],
)
def test_what_is_no_table_yet(tmp_path: Path, content: bytes, word: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    refused_data(str(tmp_path / "t.csv"), word)
