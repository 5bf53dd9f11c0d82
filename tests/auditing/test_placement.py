"""Networks that are not on the CPU are audited and watched like those that are."""

import subprocess
import sys
from pathlib import Path

import pytest

_CHECKS = Path(__file__).parents[1] / "other_device_checks.py"


@pytest.mark.slow
def test_networks_on_another_device() -> None:
    # In a process of its own: torch cannot forget a device, and behaves differently where there is one.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(_CHECKS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
