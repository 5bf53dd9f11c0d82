"""Download a published file once: to a temporary name, checked against its hash, and only then put in place."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from propstats.auditing.data.known import Form, Known
from propstats.errors import DataError
from propstats.text import printable

_TIMEOUT: Final = 30.0


def fetch(known: Known, form: Form, folder: Path, ways_out: str, *, mirror: str | None = None) -> list[Path]:
    """Download the files of a form of a data set.

    Args:
        known: The data set.
        form: Which form of it.
        folder: Where the files go; it is created.
        ways_out: What to say to someone who has no network.
        mirror: Folder (URL) to download from instead of the publisher's.

    Returns:
        The files, in order; their content is the published one.

    Raises:
        DataError: If they cannot be downloaded, or have another content; what was there before is left as it was.
    """
    from requests.exceptions import RequestException

    pooch: Any = import_module("pooch")  # which has no type annotations
    paths = []
    for file in form.files:
        url = f"{(mirror or known.url).rstrip('/')}/{file.name}"
        shown = f"{known.name} cannot be downloaded from {printable(url, limit=200)}"
        downloader = pooch.HTTPDownloader(timeout=_TIMEOUT, progressbar=False)
        try:
            with _quiet(pooch.get_logger()):
                path = pooch.retrieve(url, file.hashes[0], Path(file.name).name, folder, downloader=downloader)
        except RequestException as error:
            raise DataError(f"{shown} ({type(error).__name__})", ways_out) from error
        except ValueError as error:  # pooch's word for another hash
            raise DataError(f"{shown}: what came is not the published file; it was removed", ways_out) from error
        except OSError as error:
            what = f"{known.name} cannot be kept in {printable(folder, limit=200)} ({error.strerror or error})"
            raise DataError(what, "name another folder with --data-dir") from error
        paths.append(Path(path))
    return paths


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
