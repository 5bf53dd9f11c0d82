"""Folders of images: a folder in the folder for each class, or images side by side."""

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from propstats.auditing.data.rows import Numbers, Part, choose
from propstats.errors import DataError
from propstats.text import printable

if TYPE_CHECKING:
    from PIL import Image

_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
_MAX_FILES: Final = 2_000_000
#: Pixels of one image; more is a trap, or no picture that a network gets whole.
_MAX_PIXELS: Final = 64_000_000
#: The share of images that may be broken; beyond it something else is wrong.
_MAX_BROKEN: Final = 0.1
_GREY: Final = frozenset({"1", "L", "LA", "I", "I;16", "I;16B"})
_HINT: Final = "a folder of .png or .jpg files, or one such folder for each class"


@dataclass(frozen=True, slots=True, eq=False)
class ImageFolder:
    """Images that are decoded when they are used.

    Attributes:
        root: The folder.
        paths: The images, from the folder on.
        labels: Their class numbers, or None.
        size: Width and height that every image is brought to.
        grey: Whether they have one channel instead of three.
        available: How many the folder has.
        sha256: Of the names and bytes of the images.
        notes: What was dropped, cropped and converted.
    """

    root: Path
    paths: tuple[Path, ...]
    labels: npt.NDArray[np.int64] | None
    size: tuple[int, int]
    grey: bool
    available: int
    sha256: str
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height, width."""
        return (1 if self.grey else 3, self.size[1], self.size[0])

    @property
    def dtype(self) -> str:
        """How pixels are stored."""
        return "uint8"

    @property
    def count(self) -> int:
        """How many images are used."""
        return len(self.paths)

    def parts(self, size: int) -> Iterator[Part]:
        """Yield images, (n, channels, height, width), `size` at a time."""
        for start in range(0, self.count, size):
            part = slice(start, start + size)
            images = [self._decoded(path) for path in self.paths[part]]
            yield Part(np.stack(images), None if self.labels is None else self.labels[part])

    def for_statistics(self, size: int) -> Iterator[Part]:
        """Yield the images that are used: decoding the whole folder may take hours."""
        return self.parts(min(size, 64))

    def _decoded(self, path: Path) -> Numbers:
        from PIL import ImageOps

        try:
            with _opened(self.root / path) as image:
                converted = _of_bytes(image).convert("L" if self.grey else "RGB")
            if converted.size != self.size:
                converted = ImageOps.fit(converted, self.size)
        except Exception as error:  # it was sound when the folder was looked at
            raise DataError(f"{_shown(path)}: was changed while it was read", "start again") from error
        pixels: Numbers = np.asarray(converted, dtype=np.uint8)
        return pixels[None] if self.grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def open_folder(root: Path, shown: str, *, samples: int | None, seed: int, shuffle: bool) -> ImageFolder:
    """Look at a folder of images.

    Every image that is chosen is decoded once to see that it is sound: broken ones are dropped and counted. Images of
    another size than the most frequent one are cropped in the middle and resized to it; all become grey if all are,
    and colour otherwise.

    Args:
        root: The folder. If all its images lie in folders, these are the classes.
        shown: How to name it in an error.
        samples: How many images to choose; None for all.
        seed: Of the choice.
        shuffle: Mix them also if all are chosen.

    Raises:
        DataError: If the folder cannot be read, holds no images, holds a trap, or too many are broken.
    """
    paths = _listed(root, shown)
    classes = sorted({path.parts[0] for path in paths}) if all(len(path.parts) > 1 for path in paths) else []
    index = choose(len(paths), samples, seed=seed, shuffle=shuffle)
    chosen = paths if index is None else [paths[i] for i in index]
    digest = hashlib.sha256()
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    sound, broken = [], []
    for path in chosen:
        found = _look(root / path, shown)
        if found is None:
            broken.append(path)
            continue
        size, mode, content = found
        digest.update(path.as_posix().encode("utf-8", "surrogateescape") + b"\0" + content)
        sizes[size] += 1
        modes[mode] += 1
        sound.append(path)
    if len(broken) > _MAX_BROKEN * len(chosen) or not sound:
        what = f"{len(broken):,} of {len(chosen):,} images are broken, the first one {_shown(broken[0])}"
        raise DataError(f"{shown}: {what}", "remove or repair them")
    # The most frequent size; of several, the smallest.
    size = min(sizes, key=lambda size: (-sizes[size], size[0] * size[1], size))
    grey = modes.keys() <= _GREY
    position = {name: number for number, name in enumerate(classes)}
    labels = np.array([position[path.parts[0]] for path in sound], dtype=np.int64) if classes else None
    folder = ImageFolder(root, tuple(sound), labels, size, grey, len(paths), digest.hexdigest(), ())
    return replace(folder, notes=_notes(broken, sizes, modes, folder))


def _notes(
    broken: list[Path], sizes: Counter[tuple[int, int]], modes: Counter[str], folder: ImageFolder
) -> tuple[str, ...]:
    notes = []
    if broken:
        notes.append(f"{len(broken):,} broken images were left out, the first one {_shown(broken[0])}")
    others = folder.count - sizes[folder.size]
    if others:
        text = f"{others:,} images of other sizes were cropped and resized to {folder.size[0]}x{folder.size[1]}"
        notes.append(text)
    if len(modes) > 1 or not modes.keys() & {"L", "RGB"}:
        kinds = ", ".join(f"{count:,} {mode}" for mode, count in sorted(modes.items()))
        notes.append(f"pixels of several kinds ({kinds}) became {'grey' if folder.grey else 'RGB'}")
    return tuple(notes)


def _listed(root: Path, shown: str) -> list[Path]:
    found = []

    def refuse(error: OSError) -> None:
        what = f"{shown}: {printable(error.filename, limit=120)} cannot be read ({error.strerror})"
        raise DataError(what, "check the permissions") from error

    for folder, folders, names in os.walk(root, onerror=refuse):
        folders.sort()
        here = Path(folder)
        found += [here / name for name in names if Path(name).suffix.lower() in _SUFFIXES]
        if len(found) > _MAX_FILES:
            raise DataError(f"{shown}: holds more than {_MAX_FILES:,} images", "name a folder inside it")
    images = sorted(path.relative_to(root) for path in found if path.is_file())
    if not images:
        raise DataError(f"{shown}: is a folder without images", _HINT)
    return images


def _look(path: Path, shown: str) -> tuple[tuple[int, int], str, bytes] | None:
    """Return size, mode and hash of a sound image; None for a broken one."""
    try:
        with _opened(path) as image:
            image.load()
            size, mode = image.size, image.mode
        with path.open("rb") as file:
            return size, mode, hashlib.file_digest(file, "sha256").digest()
    except DataError as error:
        raise DataError(f"{shown}: {error.message}", error.hint) from error
    except Exception:  # Pillow lets a dozen kinds through on damaged files
        return None


def _opened(path: Path) -> "Image.Image":
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image: Image.Image = Image.open(path)
        except Image.DecompressionBombError as error:
            raise _trap(path) from error
    if image.size[0] * image.size[1] > _MAX_PIXELS:
        image.close()
        raise _trap(path)
    return image


def _of_bytes(image: "Image.Image") -> "Image.Image":
    """Return an image whose pixels are bytes: Pillow itself cuts those of sixteen bits off at 255."""
    from PIL import Image

    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))


def _trap(path: Path) -> DataError:
    return DataError(f"{_shown(path)} claims more than {_MAX_PIXELS:,} pixels", "remove or shrink it")


def _shown(path: Path) -> str:
    return printable(path, limit=160)
