"""Where real data and published networks lie: in packages from pip, and unpacked under PROPSTATS_REAL."""

import importlib.util
import os
from pathlib import Path

import pytest


def package_folder(name: str) -> Path:
    """Return the folder of an installed package, without importing it; its absence is a failure, not a skip."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        pytest.fail(f"the package {name} is not installed; .ci/run installs it")
    return Path(next(iter(found.submodule_search_locations)))


def unpacked_folder(path: str) -> Path:
    """Return a folder of what .ci/run unpacks under PROPSTATS_REAL, or of this machine."""
    folder = Path(os.environ.get("PROPSTATS_REAL", "/")) / path
    if not folder.is_dir():
        pytest.fail(f"{folder} is missing; .ci/run unpacks it under PROPSTATS_REAL")
    return folder
