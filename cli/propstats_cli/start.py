"""The first thing that runs: Ctrl-C is answered before anything else is loaded, which takes a fifth of a second."""

import os
import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line."""
    signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)
    from propstats_cli.main import main as run

    run()


def _leave(number: int, frame: object) -> NoReturn:
    word = "interrupted" if number == signal.SIGINT else "terminated"
    if sys.stderr is not None:
        sys.stderr.write(f"propstats: error: {word}\n")
        sys.stderr.flush()
    os._exit(128 + number)
