"""Find a copy of a data set where other tools put it, check it, or download it once."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from propstats.auditing.data.fetch import fetch
from propstats.auditing.data.known import KNOWN, Form, Known, Published
from propstats.auditing.data.rows import Array
from propstats.errors import DataError, DomainError
from propstats.text import printable

#: Where Debian's packages put data sets.
_SYSTEM: Final = Path("/usr/share/datasets")
_STEP: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Places:
    """Where data sets with a name come from.

    Attributes:
        data_dir: Where copies are kept; None: the environment's PROPSTATS_DATA, or the user's cache directory.
        offline: Never download; None: as the environment's PROPSTATS_OFFLINE says.
        mirror: Folder (URL) to download from instead of the publisher's; hashes are checked all the same.

    >>> Places("my/folder", offline=True).cache.as_posix()
    'my/folder'
    """

    data_dir: str | os.PathLike[str] | None = None
    offline: bool | None = None
    mirror: str | None = None

    @property
    def cache(self) -> Path:
        """Where copies are kept."""
        chosen = self.data_dir or os.environ.get("PROPSTATS_DATA")
        if chosen:
            return Path(chosen).expanduser()
        from platformdirs import user_cache_dir

        return Path(user_cache_dir("propstats"))

    @property
    def stays_offline(self) -> bool:
        """Whether nothing may be downloaded."""
        return os.environ.get("PROPSTATS_OFFLINE", "0") not in ("", "0") if self.offline is None else self.offline

    def searched(self) -> tuple[Path, ...]:
        """Return the folders in which copies may lie: ours, the working directory's, torch's, the system's."""
        home = Path.home()
        others = (Path("data"), home / ".cache/torch", home / ".torch", home / ".cache/torch/datasets", _SYSTEM)
        return (self.cache, *others)


def read_known(name: str, split: str, places: Places) -> Array:
    """Read a split of a data set with a name.

    Copies are looked for in `places.searched()` and used only if their content is the published one; otherwise the set
    is downloaded once. Nothing is ever put in its place.

    Args:
        name: One of `KNOWN`.
        split: "test" or "train".
        places: Where to look, and whether to download.

    Raises:
        DomainError: If there is no such split.
        DataError: If there is no copy and none can be downloaded, or the content is not the published one.
    """
    known = KNOWN[name]
    forms = known.splits.get(split)
    if forms is None:
        raise DomainError(f"{name} has no split {printable(split, limit=40)!r}", f"known: {', '.join(known.splits)}")
    passed_over: list[str] = []
    for form, paths in _copies(known, forms, places):
        wrong = next((path for path, file in zip(paths, form.files, strict=True) if not is_published(path, file)), None)
        if wrong is None:
            return _read(form, paths)
        passed_over.append(f"{printable(wrong, limit=200)} is not the published file, or damaged, and was passed over")
    if places.stays_offline:
        found = f"; {passed_over[0]}" if passed_over else ""
        raise DataError(f"{name}: no copy on this machine, and propstats is offline{found}", ways_out(known, forms[0]))
    paths = fetch(known, forms[0], places.cache / known.name, ways_out(known, forms[0]), mirror=places.mirror)
    return _read(forms[0], paths, tuple(passed_over))


def ways_out(known: Known, form: Form) -> str:
    """Say what helps someone who has no copy and no network."""
    files = " and ".join(Path(file.name).name for file in form.files)
    other = "or pass a file of yours with --data FILE, or use --data digits"
    return f"get {files} from {known.url} elsewhere and name its folder with --data-dir, {other}"


def _read(form: Form, paths: Sequence[Path], notes: tuple[str, ...] = ()) -> Array:
    array = form.read(paths)
    if len(array.inputs) != form.samples:
        what = f"holds {len(array.inputs):,} samples instead of {form.samples:,}"
        raise DataError(f"{paths[0]}: {what}: truncated, or another set", "remove it, and it is downloaded again")
    hashed = all(file.hashes for file in form.files)
    checked = "the published content" if hashed else "the published layout; no hash of this form is known"
    return replace(array, notes=(*array.notes, f"read from {paths[0].parent}: {checked}", *notes))


def _copies(known: Known, forms: Sequence[Form], places: Places) -> Iterator[tuple[Form, list[Path]]]:
    for base in places.searched():
        for folder in dict.fromkeys((*known.folders, known.name)):
            for form in forms:
                # Without a hash, the folder's name has to say what the files are.
                if not folder and not all(file.hashes or "/" in file.name for file in form.files):
                    continue
                paths = [base / folder / file.name for file in form.files]
                if all(_is_file(path) for path in paths):
                    yield form, paths


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def is_published(path: Path, file: Published) -> bool:
    """Say whether a file's content is the published one, as far as hashes of it are known."""
    return not file.hashes or any(_matches(path, known) for known in file.hashes)


def _matches(path: Path, known: str) -> bool:
    kind, _, wanted = known.partition(":")
    digest: Any = hashlib.md5(usedforsecurity=False) if kind == "md5" else hashlib.sha256()
    try:
        packed = path.suffix == ".gz" and kind == "content"
        opened: Callable[..., Any] = gzip.open if packed else open
        with opened(path, "rb") as stream:
            while chunk := stream.read(_STEP):
                digest.update(chunk)
    except (OSError, EOFError, zlib.error):
        return False
    return bool(digest.hexdigest() == wanted)
