"""Text that came out of a file or of somebody else's code, made fit to be shown."""


def printable(text: object, *, limit: int | None = None) -> str:
    r"""Return text on one line in which all that is not printable is written as an escape.

    Names come from strangers' files: a terminal would obey their escape sequences, no encoding takes half of a
    surrogate pair, and CI services obey lines that begin with `::` or `##[`.

    Args:
        text: Anything; its `str` is shown.
        limit: The most characters to keep; more end in an ellipsis.

    >>> print(printable("fc\x1b[31m\n"), printable("layer.weight", limit=8), printable("::error::fc"))
    fc\x1b[31m\n layer... \x3a:error::fc
    """
    raw = str(text)
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in (raw if limit is None else raw[: 4 * limit]))
    if shown.lstrip().startswith(("::", "##[")):
        start = len(shown) - len(shown.lstrip())
        shown = f"{shown[:start]}\\x{ord(shown[start]):02x}{shown[start + 1 :]}"
    return shown if limit is None or len(shown) <= limit else shown[: limit - 3] + "..."


def reason_of(error: BaseException, *, limit: int = 160, named: bool = False) -> str:
    r"""Return what an error of somebody else's code says: its first line, or its class where it says nothing.

    Args:
        error: The error.
        limit: The most characters to keep of the line.
        named: Whether the class comes before it.

    >>> reason_of(ValueError("no such axis\nhere")), reason_of(KeyError()), reason_of(OSError("x"), named=True)
    ('no such axis', 'KeyError', 'OSError: x')
    """
    kind = type(error).__name__
    lines = str(error).strip().splitlines()
    if not lines:
        return kind
    said = printable(lines[0], limit=limit)
    return f"{kind}: {said}" if named else said
