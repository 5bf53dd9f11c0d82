"""The user's own code: imported because the user named it, never because a file did."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from propstats.errors import ModelError
from propstats.text import reason_of


@contextmanager
def users_code(what: str, hint: str) -> Iterator[None]:
    """Run code of the user's, with the current directory importable; what it prints is not the answer.

    Args:
        what: How to name the code if it fails.
        hint: What to do about it.

    Raises:
        ModelError: If the code fails.
    """
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        with redirect_stdout(sys.stderr):
            importlib.invalidate_caches()
            yield
    except ModelError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(f"{what} failed: {reason_of(error, limit=120, named=True)}", hint) from error
    finally:
        if here in sys.path:
            sys.path.remove(here)


def imported(module: str, attribute: str) -> Any:
    """Import a module and return an attribute of it, dotted if need be; inside `users_code` only."""
    found: Any = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found
