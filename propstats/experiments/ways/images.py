"""Images as fully connected networks take them, and those of them that learning rates are chosen on."""

import math
from dataclasses import dataclass

import torch
from torch import nn

from propstats.auditing.data.find import Places
from propstats.experiments.reproduce.images import load_images
from propstats.nn.data import GlobalNormalization

#: Of the training images, this share is held out for the choice of learning rates.
_HELD_OUT = 1 / 6
_AT_ONCE = 5000  # examples in double precision


@dataclass(frozen=True, slots=True)
class Part:
    """Examples with their classes.

    Args:
        inputs: Shape (N, numbers), each number normalised over the training images.
        labels: Shape (N,).
    """

    inputs: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class FlatImages:
    """A data set in three parts.

    Args:
        name: Of the data set.
        sha256: Of its content.
        train: What networks learn from.
        held_out: What learning rates are chosen on; nothing learns from it.
        test: What they are compared on.
        classes: Number of classes.
    """

    name: str
    sha256: str
    train: Part
    held_out: Part
    test: Part
    classes: int


def flat_images(name: str, places: Places | None = None) -> FlatImages:
    """Load images, without the pixels that never change, normalised pixel by pixel over the training images.

    Raises:
        DataError: If the data set has no classes or no images, or cannot be had.
        UnknownNameError: If the name is not known.

    >>> images = flat_images("digits")
    >>> tuple(images.train.inputs.shape), len(images.held_out), len(images.test)
    ((1250, 61), 250, 297)
    """
    images = load_images(name, places, fit=False)
    order = torch.randperm(len(images.train), generator=torch.Generator().manual_seed(0))
    kept = len(order) - math.floor(_HELD_OUT * len(order))
    pixels = images.train.flatten(1)
    normalise: nn.Module = GlobalNormalization.of(torch.split(pixels[order[:kept]], _AT_ONCE))
    changing = (pixels[order[:kept]] != pixels[order[0]]).any(dim=0)

    def part(inputs: torch.Tensor, labels: torch.Tensor) -> Part:
        return Part(normalise(inputs.flatten(1))[:, changing], labels)

    train, held_out = (part(images.train[some], images.train_labels[some]) for some in (order[:kept], order[kept:]))
    return FlatImages(
        images.name, images.sha256, train, held_out, part(images.test, images.test_labels), images.classes
    )
