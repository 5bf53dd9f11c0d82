"""A zip archive that torch wrote, checked before torch reads it."""

import os
import zipfile
from io import BufferedReader
from typing import Final

from propstats.auditing.loading.sniff import directory
from propstats.errors import ModelError
from propstats.text import printable

MAX_ENTRIES: Final = 100_000
# A stored zip holds no more than its own size; the slack is for rounding in tiny files.
_BOMB_RATIO: Final = 1.01
_BOMB_SLACK: Final = 4096
_MOST_CODE: Final = 1 << 22  # bytes of one file of code
_AGAIN: Final = "save the model again with torch.save"


def check_zip(file: BufferedReader, *, name: str, verify: bool = True, code: str | None = None) -> None:
    """Refuse an archive that is damaged or a trap, before torch reads it.

    torch.save stores its entries as they are, so an archive that unpacks to more than its own size is no
    honest model; and torch does not look at checksums, so a byte flipped in the weights would go unnoticed.

    Args:
        file: The open archive.
        name: How to name it in the error.
        verify: Whether to verify the checksums, which takes about a third of a second per gigabyte.
        code: The folder of a program's code, which may be compressed.

    Raises:
        ModelError: If the directory is unreadable, too long, names an entry twice or encrypts one; if it has
            a comment, an entry is compressed or all together are larger than the file; or if a checksum does not match.
    """
    with directory(file, name) as archive:
        entries = archive.infolist()
        size = os.fstat(file.fileno()).st_size
        if len(entries) > MAX_ENTRIES:
            raise ModelError(f"{name}: {len(entries):,} zip entries; at most {MAX_ENTRIES:,} are read")
        if archive.comment:
            raise ModelError(f"{name}: the archive carries a comment, which torch.save never writes", _AGAIN)
        # torch looks entries up without regard to case.
        if len({entry.filename.lower() for entry in entries}) < len(entries):
            raise ModelError(f"{name}: two zip entries have the same name", "save the model again")
        for entry in entries:
            shown = printable(entry.filename, limit=60)
            if entry.flag_bits & 0x1:
                raise ModelError(f"{name}: zip entry {shown} is encrypted", "decrypt it first")
            is_code = code is not None and entry.filename.startswith(code) and entry.file_size <= _MOST_CODE
            if entry.compress_type != zipfile.ZIP_STORED and not is_code:
                what = f"zip entry {shown} is compressed, which torch.save never does"
                raise ModelError(f"{name}: {what}", _AGAIN)
        total = sum(entry.file_size for entry in entries if entry.compress_type == zipfile.ZIP_STORED)
        if total > _BOMB_RATIO * size + _BOMB_SLACK:
            what = f"unpacks to {total:,} bytes from a file of {size:,}"
            raise ModelError(f"{name}: {what}: not an honest archive", _AGAIN)
        try:
            bad = archive.testzip() if verify else None
        except Exception as error:  # as in directory, and zlib
            raise ModelError(f"{name}: a zip entry cannot be read: the file is damaged", "get it again") from error
    if bad is not None:
        what = f"zip entry {printable(bad, limit=60)} fails its checksum: damaged since it was saved"
        raise ModelError(f"{name}: {what}", "download or save it again")
