"""What was audited: which model, and which data went through it."""

from dataclasses import dataclass
from typing import Literal

Tier = Literal["memory", "safe", "allowed", "trusted"]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model was audited.

    Args:
        path: The file or folder it came from, if any.
        sha256: Of the file; of a folder, of the lines that `sha256sum` prints for its files.
        format: What the bytes of the file say it is.
        trusted: Whether the file's own program was permitted to run.
        parameters: How many numbers its parameters hold.
        tier: What was permitted: nothing of the file's own (`safe`), classes that the user vouched for (`allowed`),
            or all (`trusted`); `memory` if there was no file.
        allowed: Names in the file that the user vouched for.
        torch: Version of torch that read it.
        notes: What a reader should know of how it was loaded.
    """

    path: str | None
    sha256: str | None
    format: str
    trusted: bool
    parameters: int
    tier: Tier = "memory"
    allowed: tuple[str, ...] = ()
    torch: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataInfo:
    """Which data went through it, and how they were prepared.

    Args:
        name: As they were asked for.
        sha256: Of the raw content, if it was read as a whole.
        samples: How many were used.
        shape: Of one sample.
        layout: What was done to the shape.
        normalization: "none", "global", "feature" or "batch".
        available: How many samples the set has, if that is known.
        dtype: How the values were stored.
        notes: What else a reader should know of the data.
    """

    name: str
    sha256: str | None
    samples: int
    shape: tuple[int, ...]
    layout: str
    normalization: str
    available: int | None = None
    dtype: str = ""
    notes: tuple[str, ...] = ()
