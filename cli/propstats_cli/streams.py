"""Where the answer and the complaints go, made fit for use whatever the process was started with."""

import io
import os
import sys
from pathlib import Path
from typing import Any


def open_streams() -> None:
    """Make stdout and stderr usable: closed ones lead nowhere, unbuffered ones lose nothing, no sign breaks them."""
    for name in ("stdout", "stderr"):
        stream: Any = getattr(sys, name)
        if stream is None:  # closed by whoever started the process: `2>&-`
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - until the end
        elif isinstance(getattr(stream, "buffer", None), io.RawIOBase):
            # With PYTHONUNBUFFERED Python drops what a nearly full disk did not take at once, and says nothing.
            setattr(sys, name, buffered(stream))
        reconfigure: Any = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:  # a terminal that cannot show a sign gets a question mark, not a crash
            reconfigure(errors="replace")


def buffered(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """Return a stream to where an unbuffered one leads; each line is written whole, or an error is raised.

    Args:
        stream: The unbuffered one; it cannot be used any more.
    """
    encoding = stream.encoding
    raw: Any = stream.detach()
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, line_buffering=True)
