"""Tables: .csv files, and .parquet files where pyarrow is installed."""

import array
import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

from propstats.auditing.data.arrays import MAX_BYTES, together
from propstats.auditing.data.rows import Array, Labels, Numbers
from propstats.auditing.data.stream import LABEL_KEYS
from propstats.errors import DataError
from propstats.text import printable

PARQUET: Final = b"PAR1"
#: The first one that is there counts: in a table with semicolons or tabs, commas are decimal commas or text.
_DELIMITERS: Final = "\t;,"
_LABELS: Final = (*LABEL_KEYS, "class", "species")


def looks_like_table(head: bytes) -> bool:
    r"""Say whether a file begins like a table: text, and one of the usual delimiters in its first full line.

    >>> looks_like_table(b"a,b\n1,2\n"), looks_like_table(b"once upon a time"), looks_like_table(bytes(range(9)))
    (True, False, False)
    """
    try:
        text = head.decode("utf-8-sig", "ignore" if len(head) > 100 else "strict")
    except UnicodeDecodeError:
        return False
    if text.lstrip().startswith(("{", "[")) or not all(c.isprintable() or c.isspace() for c in text):
        return False
    line = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    return any(c in line for c in _DELIMITERS) or _is_spaced(line)


def _is_spaced(line: str) -> bool:
    """Say whether a line holds numbers with spaces between them, as numpy.savetxt writes them."""
    cells = line.split()
    return len(cells) > 1 and all(_number(cell) is not None for cell in cells)


def read_csv(path: Path, shown: str) -> Array:
    """Read a table of numbers; a row is a sample.

    Args:
        path: The file, in UTF-8, delimited by tabs, semicolons (where commas are decimal commas), commas or spaces. If
            its first line holds a word, the line names the columns; one called y, label, target or class holds
            classes, which may be words, and one without a name that counts the rows is left out. Lines that begin with
            `#` are comments.
        shown: How to name the file in an error.

    Raises:
        DataError: If a cell is no number, or rows have different lengths; the message names the line.
    """
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{shown}: is larger than {MAX_BYTES:,} bytes", "convert it to .npy")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = next((line for line in file if line.strip() and not line.startswith("#")), "")
            delimiter = next((mark for mark in _DELIMITERS if mark in first), " ")
            file.seek(0)
            reader = _Lines(file, delimiter)
            return _read(reader, shown, decimal_commas=delimiter != ",")
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{shown}: is not a table of text ({error})", "save it as .csv in UTF-8") from error


class _Lines:
    """The cells of the lines of a table, without its comments."""

    def __init__(self, file: Iterable[str], delimiter: str) -> None:
        uncommented = ("" if line.startswith("#") else line for line in file)
        spaced = delimiter == " "
        self._rows = csv.reader(uncommented, delimiter=delimiter, skipinitialspace=spaced)
        self._spaced = spaced

    def __iter__(self) -> Iterator[list[str]]:
        return ([cell for cell in row if cell] if self._spaced else row for row in self._rows)

    @property
    def line(self) -> int:
        """Number of the last line."""
        return self._rows.line_num


def _read(rows: _Lines, shown: str, *, decimal_commas: bool) -> Array:
    values = array.array("d")
    classes: list[str] = []
    label: int | None = None
    width, is_counted = 0, False
    for row in rows:
        if not row or all(not cell.strip() for cell in row):
            continue
        cells = [cell.strip() for cell in row]
        if not width:
            width = len(cells)
            if any(_number(cell, decimal_commas) is None for cell in cells):
                named = [cell.lower() for cell in cells]
                label = next((named.index(key) for key in _LABELS if key in named), None)
                is_counted = named[0] in ("", "unnamed: 0") and width > 1
                continue
        if len(cells) != width:
            what = f"line {rows.line} has {len(cells)} cells instead of {width}"
            raise DataError(f"{shown}: {what}", "give all rows the same length")
        if label is not None:
            classes.append(cells.pop(label))
        for column, cell in enumerate(cells):
            number = _number(cell, decimal_commas)
            if number is None:
                what = f"line {rows.line}, column {column + 1}: {printable(cell, limit=40)!r} is not a number"
                raise DataError(f"{shown}: {what}", "drop that column, or call it `label`")
            values.append(number)
    inputs: Numbers = np.frombuffer(values, dtype=np.float64).reshape(-1, max(1, width - (label is not None)))
    notes = []
    if is_counted and label != 0 and _counts(inputs[:, 0]):  # pandas writes the numbers of the rows into a first column
        inputs = inputs[:, 1:]
        notes.append("the first column has no name and counts the rows: it was left out")
    return together(inputs, _numbered(classes) if label is not None else None, shown, tuple(notes))


def _counts(column: Numbers) -> bool:
    return len(column) > 1 and bool((column == np.arange(len(column)) + column[0]).all())


def _number(cell: str, decimal_comma: bool = False) -> float | None:
    """Return a number; an empty cell is one that is missing."""
    if cell in ("", "NA", "N/A", "null"):
        return math.nan
    try:
        return float(cell.replace(",", ".") if decimal_comma else cell)
    except ValueError:
        return None


def _numbered(classes: Sequence[object]) -> Labels:
    """Number classes: as they are if they are whole numbers, else in the order of their names."""
    try:
        numbers = [float(str(name)) for name in classes]
        if all(number.is_integer() for number in numbers):
            return np.array(numbers).astype(np.int64)
    except ValueError:
        pass
    position = {name: number for number, name in enumerate(sorted({str(name) for name in classes}))}
    return np.array([position[str(name)] for name in classes], dtype=np.int64)


def read_parquet(path: Path, shown: str) -> Array:
    """Read the numbers of a Parquet table; a row is a sample, and a column called y, label, target or class its class.

    Raises:
        DataError: If pyarrow is not installed, or the file is damaged or holds no table of numbers.
    """
    try:
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError as error:
        raise DataError(f"{shown}: is a Parquet file, which needs pyarrow", "pip install pyarrow") from error
    try:
        file = parquet.ParquetFile(path)
        claimed = 8 * file.metadata.num_rows * file.metadata.num_columns
        if claimed > MAX_BYTES:
            raise DataError(f"{shown}: unpacks to {claimed:,} bytes; at most {MAX_BYTES:,} are read", "save .npy")
        columns: dict[str, list[Any]] = file.read().to_pydict()
    except DataError:
        raise
    except Exception as error:  # pyarrow raises many kinds on damaged files
        raise DataError(f"{shown}: the Parquet file is damaged", "save it again") from error
    label = next((name for key in _LABELS for name in columns if name.lower() == key), None)
    classes = columns.pop(label) if label is not None else None
    try:
        table = [[math.nan if cell is None else float(cell) for cell in column] for column in columns.values()]
    except (TypeError, ValueError) as error:
        raise DataError(f"{shown}: not all its columns hold numbers", "drop the others") from error
    inputs: Numbers = np.array(table, dtype=np.float64).T.reshape(-1, max(1, len(table)))
    return together(inputs, None if classes is None else _numbered(classes), shown)
