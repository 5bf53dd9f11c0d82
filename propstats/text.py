"""Text that came out of a file, made fit to be shown."""


def printable(text: object, *, limit: int | None = None) -> str:
    r"""Return text on one line in which all that is not printable is written as an escape.

    Names come from strangers' files: a terminal would obey their escape sequences, and no encoding takes half of a
    surrogate pair.

    Args:
        text: Anything; its `str` is shown.
        limit: The most characters to keep; more end in an ellipsis.

    >>> print(printable("fc\x1b[31m\n"), printable("layer.weight", limit=8))
    fc\x1b[31m\n layer...
    """
    raw = str(text)
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in (raw if limit is None else raw[: 4 * limit]))
    return shown if limit is None or len(shown) <= limit else shown[: limit - 3] + "..."
