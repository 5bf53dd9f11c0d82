"""A section of the report is what a benchmark says and prints; one that breaks is no missed target."""

from pathlib import Path

import pytest
from benchmarks.report import section

ABOUT = '"""How fast it is.\n\nRun from the repository: python x.py\n"""\n'


def test_a_missed_target_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "quick_work.py"
    path.write_text(f"{ABOUT}import sys\nprint('| 2 | 1 | MISSED |')\nsys.exit(1)\n", encoding="utf-8")
    assert section(path) == "## Quick work\n\nHow fast it is.\n\n| 2 | 1 | MISSED |\n"


def test_one_that_breaks_ends_the_report(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(f"{ABOUT}print('| a |')\nraise ImportError('no such package')\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="no such package"):
        section(path)
