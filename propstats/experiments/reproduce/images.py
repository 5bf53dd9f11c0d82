"""Real images in the paper's format: 32 x 32 pixels, a training and a test set."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from propstats.auditing.data.find import Places
from propstats.auditing.data.load import load_data
from propstats.errors import DataError

#: Data sets that come in two parts.
SPLIT = ("cifar10", "cifar100", "svhn", "mnist", "fashion-mnist")
_SIDE = 32
_HELD_OUT = 297  # of the 1,797 digits, which come in one part


@dataclass(frozen=True, slots=True)
class Images:
    """Images and their classes.

    Args:
        name: Of the data set.
        sha256: Of its content.
        train: Training images, shape (N, channels, 32, 32).
        train_labels: Their classes, shape (N,).
        test: Test images.
        test_labels: Their classes.
        note: What was done to them, if something was.
    """

    name: str
    sha256: str
    train: torch.Tensor
    train_labels: torch.Tensor
    test: torch.Tensor
    test_labels: torch.Tensor
    note: str

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.train_labels.max()) + 1

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return self.train.shape[1]


def load_images(name: str, places: Places | None = None, *, fit: bool = True) -> Images:
    """Load a data set of images by name.

    Args:
        name: `digits`, or one of those that come in two parts.
        places: Where data sets with a name are kept, and whether they may be downloaded.
        fit: Whether to bring them to 32 x 32 pixels.

    Raises:
        DataError: If the data set has no classes or no images, or cannot be had.
        UnknownNameError: If the name is not known.

    >>> images = load_images("digits")
    >>> tuple(images.train.shape), tuple(images.test.shape), images.classes
    ((1500, 1, 32, 32), (297, 1, 32, 32), 10)
    """
    if name in SPLIT:
        parts = [load_data(f"{name}:{part}", normalize="none", places=places) for part in ("train", "test")]
        inputs, labels = [part.inputs for part in parts], [part.labels for part in parts]
        sha256 = f"{parts[0].sha256}, {parts[1].sha256}"
    else:
        data = load_data(name, normalize="none")
        order = torch.randperm(len(data.inputs), generator=torch.Generator().manual_seed(0))
        parts_of = (order[:-_HELD_OUT], order[-_HELD_OUT:])
        inputs = [data.inputs[part] for part in parts_of]
        labels = [None if data.labels is None else data.labels[part] for part in parts_of]
        sha256 = data.sha256 or ""
    if any(part is None for part in labels) or inputs[0].ndim != 4:
        raise DataError(f"{name} holds no images with classes", f"use digits, {', '.join(SPLIT)}")
    train, test = (_fitted(part) if fit else part for part in inputs)
    (height, width), note = inputs[0].shape[-2:], ""
    if fit and (height, width) != (_SIDE, _SIDE):
        how = "enlarged" if _SIDE % height == 0 and _SIDE % width == 0 else "padded with zeros"
        note = f"images of {height}x{width} {how} to {_SIDE}x{_SIDE}"
    assert labels[0] is not None
    assert labels[1] is not None
    return Images(name, sha256, train, labels[0], test, labels[1], note)


def _fitted(images: torch.Tensor) -> torch.Tensor:
    """Bring images to the side of the paper's: by whole factors if possible, else by a border of zeros."""
    height, width = images.shape[-2:]
    if _SIDE % height == 0 and _SIDE % width == 0:
        return images.repeat_interleave(_SIDE // height, dim=-2).repeat_interleave(_SIDE // width, dim=-1)
    if max(height, width) > _SIDE:
        raise DataError(f"images of {height}x{width} are larger than the paper's {_SIDE}x{_SIDE}")
    top, left = (_SIDE - height) // 2, (_SIDE - width) // 2
    return functional.pad(images, (left, _SIDE - width - left, top, _SIDE - height - top))
