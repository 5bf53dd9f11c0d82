"""Real photographs, speech and clothes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import real_data

Crops = Callable[[int, int], npt.NDArray[np.float32]]


@pytest.fixture(scope="session")
def photographs() -> list[Path]:
    return real_data.photographs()


@pytest.fixture(scope="session")
def crops() -> Crops:
    """Cut photographs into squares, (N, 3, size, size), with pixels as MTCNN wants them."""
    return real_data.crops


@pytest.fixture(scope="session")
def speech() -> dict[str, npt.NDArray[np.float32]]:
    """Return recordings by name, at 16 kHz, between -1 and 1."""
    return real_data.speech()


@pytest.fixture(scope="session")
def clothes() -> Path:
    return real_data.unpacked_folder("usr/share/datasets")
