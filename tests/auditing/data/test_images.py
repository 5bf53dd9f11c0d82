import io
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from data_refusals import damaged, refused_data
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from propstats.auditing.data import images
from propstats.auditing.data.images import open_folder
from propstats.auditing.data.load import load_data
from propstats.errors import PropstatsError


def _pixels(*shape: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, size=shape, dtype=np.uint8)


def _save(path: Path, pixels: npt.NDArray[np.uint8], mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path)


def test_classes_are_folders(tmp_path: Path) -> None:
    expected = {}
    for number in range(6):
        name = f"{'cat' if number % 2 else 'ant'}/{number}.png"
        expected[name] = _pixels(5, 7, 3, seed=number)
        _save(tmp_path / name, expected[name])
    data = load_data(str(tmp_path), normalize="none")
    assert data.shape == (3, 5, 7)
    assert data.inputs.permute(0, 2, 3, 1).tolist() == [expected[name].tolist() for name in sorted(expected)]
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.notes == ()
    assert load_data(str(tmp_path)).normalization == "global"
    assert abs(load_data(str(tmp_path)).inputs.double().mean().item()) < 1e-6


def test_grey_images_side_by_side(tmp_path: Path) -> None:
    for number, suffix in enumerate(("png", "PNG", "bmp", "tiff")):
        _save(tmp_path / f"{number}.{suffix}", _pixels(4, 4, seed=number))
    (tmp_path / "notes.txt").write_text("not an image")
    data = load_data(str(tmp_path), samples=3, normalize="none")
    assert (data.shape, data.labels, data.samples, data.source.available) == ((1, 4, 4), None, 3, 4)


@given(st.permutations(range(8)))
def test_the_order_of_the_folder_changes_nothing(order: list[int]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        for number in order:
            _save(Path(name) / f"{number}.png", _pixels(3, 3, seed=number))
        folder = open_folder(Path(name), "here", samples=5, seed=1, shuffle=False)
    assert [path.name for path in folder.paths] == [f"{n}.png" for n in _chosen()]
    assert folder.sha256 == _HASH


def _chosen() -> list[int]:
    from propstats.auditing.data.rows import choose

    index = choose(8, 5, seed=1)
    assert index is not None
    return list(map(int, index))


def _reference() -> str:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        for number in range(8):
            _save(Path(name) / f"{number}.png", _pixels(3, 3, seed=number))
        return open_folder(Path(name), "here", samples=5, seed=1, shuffle=False).sha256


_HASH = _reference()


def test_mixed_sizes_and_kinds_are_said(tmp_path: Path) -> None:
    for number in range(4):
        _save(tmp_path / f"{number}.png", _pixels(6, 8, 3, seed=number))
    _save(tmp_path / "4.png", _pixels(12, 12, 3))
    _save(tmp_path / "5.png", _pixels(6, 8), "L")
    _save(tmp_path / "6.png", _pixels(6, 8, 4))
    _save(tmp_path / "7.png", _pixels(6, 8, 3), "P")
    data = load_data(str(tmp_path))
    assert data.shape == (3, 6, 8)
    assert data.inputs.shape == (8, 3, 6, 8)
    assert data.notes == (
        "1 images of other sizes were cropped and resized to 8x6",
        "pixels of several kinds (1 L, 1 P, 5 RGB, 1 RGBA) became RGB",
    )


def test_broken_images_are_counted(tmp_path: Path) -> None:
    for number in range(10):
        _save(tmp_path / f"{number:02}.png", _pixels(4, 4, 3))
    whole = (tmp_path / "00.png").read_bytes()
    (tmp_path / "03.png").write_bytes(whole[:40])
    data = load_data(str(tmp_path))
    assert data.samples == 9
    assert data.notes == ("1 broken images were left out, the first one 03.png",)
    (tmp_path / "04.png").write_bytes(b"")
    refused_data(tmp_path, "2 of 10 images are broken, the first one 03.png")


def test_traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _save(tmp_path / "a.png", _pixels(4, 4))
    with monkeypatch.context() as patch:
        patch.setattr(images, "_MAX_PIXELS", 10)
        refused_data(tmp_path, "claims more than 10 pixels")
    header = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(header, "PNG")
    (tmp_path / "b.png").write_bytes(header.getvalue())
    refused_data(tmp_path, "claims more than 64,000,000 pixels")
    monkeypatch.setattr(images, "_MAX_FILES", 1)
    refused_data(tmp_path, "more than 1 images")


def test_folders_that_are_no_data(tmp_path: Path) -> None:
    refused_data(tmp_path, "folder without images")
    (tmp_path / "a.png").mkdir()
    refused_data(tmp_path, "folder without images")
    os.mkfifo(tmp_path / "b.png")
    refused_data(tmp_path, "folder without images")


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def walk(root: Path, onerror: object) -> object:
        assert callable(onerror)
        onerror(PermissionError(13, "Permission denied", str(root / "secret")))
        return iter(())

    monkeypatch.setattr(os, "walk", walk)
    refused_data(tmp_path, "secret cannot be read (Permission denied)")


def test_images_that_vanish(tmp_path: Path) -> None:
    for number in range(3):
        _save(tmp_path / f"{number}.png", _pixels(4, 4))
    data = load_data(str(tmp_path), normalize="none")
    (tmp_path / "1.png").unlink()
    with pytest.raises(PropstatsError, match=r"1\.png: was changed"):
        _ = data.inputs


def test_damage(tmp_path: Path) -> None:
    _save(tmp_path / "a.png", _pixels(9, 9, 3))
    _save(tmp_path / "b.jpg", _pixels(9, 9, 3))
    for name in ("a.png", "b.jpg"):
        whole = (tmp_path / name).read_bytes()
        for copy in damaged(whole, tries=60, seed=5):
            (tmp_path / name).write_bytes(copy)
            try:
                assert load_data(str(tmp_path)).samples == 2
            except PropstatsError as error:
                text = str(error)
                assert "are broken" in text or "claims more" in text
        (tmp_path / name).write_bytes(whole)


def test_sixteen_bits_keep_their_shades(tmp_path: Path) -> None:
    """Pillow's own conversion makes white of everything from 256 on."""
    shades = np.arange(0, 65536, 1024, dtype=np.uint16).reshape(8, 8)
    for number in range(2):
        Image.fromarray(shades).save(tmp_path / f"{number}.png")
    data = load_data(str(tmp_path), normalize="none")
    assert data.inputs[0, 0].tolist() == (shades >> 8).tolist()
