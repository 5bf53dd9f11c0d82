import errno
import os
import stat
from pathlib import Path

import pytest

from propstats.errors import OutputError
from propstats.files import check_can_write, write_atomically


def _refused(path: str | Path, word: str) -> None:
    with pytest.raises(OutputError) as caught:
        write_atomically(path, "new")
    assert word in caught.value.message
    assert caught.value.hint
    assert len(str(caught.value).splitlines()) == 1


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_atomically(path, "one\n")
    write_atomically(str(path), b"two\r\n")
    assert path.read_bytes() == b"two\r\n"
    write_atomically(path, "\u03c3\n\ud800")
    assert path.read_bytes() == b"\xcf\x83\n\\ud800"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "new", "x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    (tmp_path / "new").chmod(0o604)
    write_atomically(tmp_path / "new", "y")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o604


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "real").write_text("old")
    (tmp_path / "link").symlink_to(Path("folder") / "real")
    write_atomically(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "real").read_text() == "new"


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    _refused(tmp_path, "is a directory")
    _refused(tmp_path / "absent" / "x.json", "does not exist")
    _refused(tmp_path / "file" / "x.json", "ot a directory")
    _refused(tmp_path / ("x" * 300), "too long")
    _refused("a\0b", "null")
    _refused(tmp_path / "absent\n\x1b[31m" / "x", r"absent\n\x1b[31m")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_read_only_file_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def denied(*_: object) -> bool:  # root may write to everything
        return False

    monkeypatch.setattr(os, "access", denied)
    _refused(path, "read-only")
    assert path.read_text() == "old"


@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), MemoryError()]
)
def test_a_failure_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(os if step == "fsync" else Path, step, fail)
    with pytest.raises(OutputError if isinstance(error, OSError) else type(error)) as caught:
        write_atomically(path, "new")
    monkeypatch.undo()
    if isinstance(error, OSError):
        assert "No space left" in str(caught.value)
        assert "free some space" in str(caught.value)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_devices_are_written_to_and_not_replaced() -> None:
    write_atomically("/dev/null", "x")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    _refused("/dev/full", "No space left")


def test_a_place_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    check_can_write(tmp_path / "new.md")
    assert list(tmp_path.iterdir()) == []
    for place, why in ((tmp_path, "directory"), (tmp_path / "no" / "new.md", "does not exist"), ("", "empty")):
        with pytest.raises(OutputError, match=why):
            check_can_write(place)
