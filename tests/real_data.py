"""Where real data and published networks lie: in packages from pip, and unpacked under PROPSTATS_REAL."""

import importlib.util
import os
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

#: Colour photographs that scikit-image brings along.
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")


def package_folder(name: str) -> Path:
    """Return the folder of an installed package, without importing it; its absence is a failure, not a skip."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(f"the package {name} is not installed; .ci/run installs it")
    return Path(next(iter(found.submodule_search_locations)))


def unpacked_folder(path: str) -> Path:
    """Return a folder of what .ci/run unpacks under PROPSTATS_REAL, or of this machine."""
    folder = Path(os.environ.get("PROPSTATS_REAL", "/")) / path
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is missing; .ci/run unpacks it under PROPSTATS_REAL")
    return folder


def photographs() -> list[Path]:
    """Return photographs in colour."""
    return [package_folder("skimage") / "data" / name for name in PHOTOGRAPHS]


def crops(size: int, stride: int) -> npt.NDArray[np.float32]:
    """Cut photographs into squares, (N, 3, size, size), with pixels as MTCNN wants them."""
    from PIL import Image

    found = []
    for path in photographs():
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"), dtype=np.float32).transpose(2, 0, 1)
        for top in range(0, pixels.shape[1] - size, stride):
            for left in range(0, pixels.shape[2] - size, stride):
                found.append(pixels[:, top : top + size, left : left + size])
    return (np.stack(found) - np.float32(127.5)) / np.float32(128)


def speech() -> dict[str, npt.NDArray[np.float32]]:
    """Return recordings by name, at 16 kHz, between -1 and 1."""
    found = {}
    for path in sorted(unpacked_folder("usr/share/sounds/alsa").glob("*.wav")):
        with wave.open(str(path)) as file:
            assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (48_000, 2, 1)
            sound = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32) / 32768
        found[path.stem] = sound[: len(sound) // 3 * 3].reshape(-1, 3).mean(axis=1)
    return found


def windows(sound: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Cut a recording into the windows that the voice detector hears, (N, 576)."""
    padded = np.concatenate([np.zeros(64, np.float32), sound])
    return np.stack([padded[start : start + 576] for start in range(0, len(padded) - 576, 512)])
