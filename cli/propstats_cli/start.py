"""The first thing that runs: Ctrl-C is answered before anything else is loaded, which takes a fifth of a second."""

import os
import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line."""
    signal.signal(signal.SIGINT, _leave)
    from propstats_cli.main import main as run

    run()


def _leave(number: int, frame: object) -> NoReturn:
    sys.stderr.write("propstats: error: interrupted\n")
    sys.stderr.flush()
    os._exit(130)
