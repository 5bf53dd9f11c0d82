"""Writing results to files: whole or not at all."""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from propstats.errors import OutputError
from propstats.text import printable

_HINTS = {
    errno.EACCES: "write to a folder that you may change",
    errno.EPERM: "write to a folder that you may change",
    errno.EROFS: "write to a folder that you may change",
    errno.ENOSPC: "free some space, or write somewhere else",
    errno.EDQUOT: "free some space, or write somewhere else",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def write_atomically(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file so that whoever reads it finds the old content or the new one, and never a part.

    The content goes to a new file in the same folder first, which then takes the place of the old one. A
    symbolic link stays one: what it points to is replaced. A new file gets the permissions that the umask
    leaves, an old one keeps its own. Devices and pipes, whose place nothing can take, are written
    to directly.

    Args:
        path: Where to write.
        content: What to write; text as UTF-8, with its line ends as they are.

    Raises:
        OutputError: If that is not possible; what was there before is still there.
    """
    data = content if isinstance(content, bytes) else content.encode("utf-8", errors="backslashreplace")
    with _explained(path):
        target, mode = _target(path)
        if target is None:
            Path(path).write_bytes(data)
        else:
            _replace(target, data, mode)


def check_can_write(path: str | os.PathLike[str]) -> None:
    """Refuse a place where nothing can be written, before hours of work are lost for it.

    Args:
        path: Where something is to be written later.

    Raises:
        OutputError: If that will not be possible.

    >>> check_can_write("no/such/folder/report.md")
    Traceback (most recent call last):
    propstats.errors.OutputError: cannot write no/such/folder/report.md: ... (create that directory first)
    """
    with _explained(path):
        target, _ = _target(path)
        if target is not None and not os.access(target.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "Permission denied")


def _target(path: str | os.PathLike[str]) -> tuple[Path | None, int | None]:
    """Return what a new file will take the place of, None for a device, and the mode of what is there, if anything."""
    shown = printable(os.fspath(path))
    if not os.fspath(path):
        raise OutputError("cannot write: the name is empty", "name a file")
    mode = _mode(path)
    if mode is not None and stat.S_ISDIR(mode):
        raise OutputError(f"cannot write {shown}: it is a directory", "name a file in it")
    if mode is not None and not stat.S_ISREG(mode):
        return None, mode
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        what = "is not a directory" if target.parent.exists() else "does not exist"
        raise OutputError(
            f"cannot write {shown}: {printable(str(target.parent))} {what}", "create that directory first"
        )
    if mode is not None and not os.access(target, os.W_OK):  # the rename alone would not ask
        raise PermissionError(errno.EACCES, "the file is read-only")
    return target, mode


@contextlib.contextmanager
def _explained(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the system says of a file into what people can act on."""
    shown = printable(os.fspath(path))
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
        hint = _HINTS.get(error.errno or 0, "write somewhere else")
        raise OutputError(f"cannot write {shown}: {why}", hint) from error
    except ValueError as error:  # a NUL in the name
        raise OutputError(f"cannot write {shown}: {error}", "choose another name") from error


def _mode(path: str | os.PathLike[str]) -> int | None:
    """Return the mode of what is there, through links, or None if nothing is."""
    try:
        return Path(path).stat().st_mode
    except FileNotFoundError:
        return None


def _replace(target: Path, data: bytes, mode: int | None) -> None:
    temporary = target.with_name(f".propstats-{secrets.token_hex(8)}.tmp")
    try:
        # Opened like this, the umask applies; tempfile would leave the file to its owner alone.
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # else a crash may leave the new name with no content
        if mode is not None:
            temporary.chmod(stat.S_IMODE(mode))
        temporary.replace(target)
    except BaseException:  # KeyboardInterrupt as well: no litter
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
