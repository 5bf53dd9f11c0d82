"""Real photographs, speech and clothes."""

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from real_data import package_folder, unpacked_folder

Crops = Callable[[int, int], npt.NDArray[np.float32]]

#: Colour photographs that scikit-image brings along.
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")


@pytest.fixture(scope="session")
def photographs() -> list[Path]:
    folder = package_folder("skimage") / "data"
    return [folder / name for name in PHOTOGRAPHS]


@pytest.fixture(scope="session")
def crops(photographs: list[Path]) -> Crops:
    """Cut photographs into squares, (N, 3, size, size), with pixels as MTCNN wants them."""
    from PIL import Image

    def cut(size: int, stride: int) -> npt.NDArray[np.float32]:
        found = []
        for path in photographs:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"), dtype=np.float32).transpose(2, 0, 1)
            for top in range(0, pixels.shape[1] - size, stride):
                for left in range(0, pixels.shape[2] - size, stride):
                    found.append(pixels[:, top : top + size, left : left + size])
        return (np.stack(found) - np.float32(127.5)) / np.float32(128)

    return cut


@pytest.fixture(scope="session")
def speech() -> dict[str, npt.NDArray[np.float32]]:
    """Return recordings by name, at 16 kHz, between -1 and 1."""
    found = {}
    for path in sorted(unpacked_folder("usr/share/sounds/alsa").glob("*.wav")):
        with wave.open(str(path)) as file:
            assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (48_000, 2, 1)
            sound = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32) / 32768
        found[path.stem] = sound[: len(sound) // 3 * 3].reshape(-1, 3).mean(axis=1)
    return found


@pytest.fixture(scope="session")
def clothes() -> Path:
    return unpacked_folder("usr/share/datasets")
