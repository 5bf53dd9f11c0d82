"""Data that the user's own code makes: `package.module:factory`."""

import importlib
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from propstats.errors import DataError
from propstats.text import printable, reason_of

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def is_factory(name: str) -> bool:
    """Say whether a name has the form `package.module:factory`.

    >>> is_factory("mypackage.data:validation"), is_factory("gaussian:3x32x32"), is_factory("images.npy")
    (True, False, False)
    """
    return _NAME.fullmatch(name) is not None


def find_factory(name: str) -> Callable[[], Any]:
    """Import the user's factory; the current directory is importable meanwhile.

    Args:
        name: `package.module:factory`.

    Returns:
        A function that calls the factory; what it prints goes to stderr.

    Raises:
        DataError: If it cannot be imported; and by the function, if it fails.
    """
    shown = printable(name, limit=120)
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())

    def guarded(call: Callable[[], Any]) -> Any:
        sys.path.insert(0, here)
        try:
            # Whatever the user's code prints is not the answer.
            with redirect_stdout(sys.stderr):
                return call()
        except (Exception, SystemExit) as error:
            hint = "it must import, and give data without arguments"
            raise DataError(f"--data {shown} failed: {reason_of(error, limit=120, named=True)}", hint) from error
        finally:
            if here in sys.path:
                sys.path.remove(here)

    def find() -> Any:
        importlib.invalidate_caches()
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
        return found

    factory = guarded(find)
    return (lambda: guarded(factory)) if callable(factory) else (lambda: factory)
