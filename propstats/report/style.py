"""How figures look, and how they become files."""

import io
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from propstats.auditing.judging.limits import Z95
from propstats.errors import DomainError
from propstats.files import write_atomically
from propstats.text import printable

# From the palette of Okabe and Ito, which colour-blind readers tell apart; the two differ in brightness too.
MEASURED, BARS, THEORY, INK = "#0072b2", "#56b4e9", "#d55e00", "#222222"
#: Colours for things of one kind, all from that palette.
PALETTE = (MEASURED, THEORY, "#009e73", "#cc79a7", "#e69f00", BARS)

_VARIABLES = {INK: "currentColor", MEASURED: "var(--measured)", BARS: "var(--bars)", THEORY: "var(--theory)"}

_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9,
    "grid.alpha": 0.15,
    "grid.color": INK,
    "legend.fontsize": 8,
    "pdf.fonttype": 42,
    "svg.hashsalt": "propstats",  # identifiers in the file, which would else be random
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
#: Nothing that differs between two runs.
_METADATA = {
    "png": {"Software": None},
    "svg": {"Creator": None, "Date": None, "Format": None, "Type": None},
    "pdf": {"CreationDate": None},
}


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG (200 dpi), SVG or PDF, by the end of the name; equal figures give equal files.

    Raises:
        DomainError: If the name ends in something else.
        OutputError: If the file cannot be written.
    """
    write_atomically(path, render(figure, kind_of(path)))


def kind_of(path: str | os.PathLike[str]) -> str:
    """Return the format that the end of a name asks for.

    Raises:
        DomainError: If there is none for it.
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in _METADATA:
        shown = printable(os.fspath(path)) or "''"
        raise DomainError(f"no format for {shown}", "end the name in .png, .svg or .pdf")
    return kind


def render(figure: Figure, kind: str) -> bytes:
    """Return a figure as a `png`, `svg` or `pdf` file."""
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format=kind, dpi=200, metadata=_METADATA[kind])
    return buffer.getvalue()


@contextmanager
def styled() -> Iterator[None]:
    """Set our style for as long as it lasts, whatever the user's own is; nothing global stays changed."""
    with style.context(["default", _STYLE]):
        yield


def inline(figure: Figure, description: str) -> str:
    """Return a figure as SVG for a page: without a ground, in colours of the page, light or dark."""
    for patch in (figure.patch, *(part.patch for part in figure.subfigs), *(axes.patch for axes in figure.axes)):
        patch.set_visible(False)
    svg = render(figure, "svg").decode("utf-8")
    svg = re.sub(r"\A.*?(?=<svg)|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for colour, name in _VARIABLES.items():
        svg = svg.replace(colour, name)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{description}" ', 1)


def sheet(panels: int = 1, *, height: float = 4.2) -> tuple[Figure, list[Axes]]:
    """Return a figure of one or two panels side by side, in inches as a page shows them."""
    figure = Figure(figsize=(6.4 if panels == 1 else 9.0, height))
    return figure, list(figure.subplots(1, panels, squeeze=False)[0])


def legend_below(figure: Figure, *, columns: int = 3) -> None:
    """Write what all panels show under them, each entry once: nothing that is drawn is covered."""
    entries = [axes.get_legend_handles_labels() for axes in figure.axes]
    once = {text: handle for handles, texts in entries for handle, text in zip(handles, texts, strict=True)}
    if once:
        figure.legend(once.values(), once.keys(), loc="outside lower center", ncols=columns, frameon=False)


def given(params: Mapping[str, float]) -> str:
    """Write the parameters of an activation behind its name."""
    return "".join(f", {name} {value:g}" for name, value in params.items())


def title(figure: Figure, text: str) -> None:
    """Say in the first line what a figure is about, as much as there is room for."""
    figure.suptitle(fitted(text, int(12 * figure.get_figwidth())), x=0.01, ha="left", fontsize=10, parse_math=False)


def fitted(name: str, room: int) -> str:
    """Fit a stranger's name into a figure: characters that the font has, and its end if it is too long."""
    text = printable(name).encode("ascii", "backslashreplace").decode("ascii")
    return text if len(text) <= room else "..." + text[3 - room :]


def limit(axes: Axes, values: Sequence[float], below: float, above: float) -> None:
    """Make the axis logarithmic where values differ by decades, with room around them; before anything is drawn.

    Values within one decade keep a linear axis, which fits itself to them: logarithmic ones have no ticks there.
    """
    known = [value for value in values if math.isfinite(positive(value))]
    if known and max(known) > 10 * min(known):
        axes.set_yscale("log")
        axes.set_ylim(below * min(known), above * max(known))


def in_powers_of_two(axes: Axes, values: Sequence[float], below: float, above: float) -> None:
    """Make the axis logarithmic, with room around the values, and its ticks powers of two."""
    axes.set_yscale("log", base=2)
    known = [value for value in values if math.isfinite(positive(value))] or [1.0]
    axes.set_ylim(below * min(known), above * max(known))
    axes.yaxis.set_major_locator(LogLocator(base=2, numticks=9))
    axes.yaxis.set_major_formatter(FuncFormatter(_power))


def _power(value: float, place: object) -> str:
    """Write a power of two as people read it.

    >>> _power(0.125, None), _power(4.0, None), _power(2.0**-20, None)
    ('1/8', '4', '$2^{-20}$')
    """
    exponent = round(math.log2(value))
    if abs(exponent) > 7:
        return f"$2^{{{exponent}}}$"
    return f"{2**exponent}" if exponent >= 0 else f"1/{2**-exponent}"


def positive(value: float) -> float:
    """Return a number that has a logarithm, or NaN, which leaves a gap in a line."""
    return value if math.isfinite(value) and value > 0 else math.nan


def band(values: Sequence[float], errors: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return 95 % bounds from relative standard errors, symmetric on a logarithmic axis."""
    factors = [math.exp(min(Z95 * error, 50.0)) for error in errors]
    low = [value / factor for value, factor in zip(values, factors, strict=True)]
    return low, [value * factor for value, factor in zip(values, factors, strict=True)]


def root(square: float) -> float:
    """Return a square root, NaN where there is none: figures leave gaps there."""
    return math.sqrt(square) if square >= 0 else math.nan
