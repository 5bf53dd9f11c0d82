"""What other projects could be sent: as it stands in the repository, and right whoever checks it."""

import contextlib
import io
import re
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from propstats.published.claims import Claim
from propstats.published.corrections import CORRECTIONS, corrections_page
from propstats.published.sources import e3nn

REPORT = Path(__file__).parents[2] / "reports" / "published.md"
CHECKS = re.findall(r"```python\n(.*?)```", corrections_page(), re.DOTALL)


def test_the_report_is_what_the_command_writes() -> None:
    assert REPORT.read_text(encoding="utf-8") == corrections_page()


def test_every_section_has_a_check() -> None:
    assert len(CHECKS) == len(CORRECTIONS) == 4


@pytest.mark.parametrize("check", CHECKS)
def test_the_checks_print_the_exact_number_without_propstats(check: str) -> None:
    assert "propstats" not in check
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(check, {})
    assert out.getvalue().strip() == check.rstrip().rpartition("# ")[2]


def test_tables_are_whole() -> None:
    page = corrections_page()
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len(rows) == sum(len(correction.claims) for correction in CORRECTIONS) + 2 * len(CORRECTIONS)
    assert all(row.count("|") == 5 for row in rows)
    assert "15 of 16 are off" in page  # the identity's gamma is 1


@pytest.mark.parametrize("claim", e3nn.CLAIMS, ids=lambda claim: str(claim.id))
def test_the_factors_of_e3nn_are_what_it_computes(claim: Claim) -> None:
    name = claim.id.removeprefix("e3nn-").replace("-", "_")
    act = torch.abs if name == "abs" else getattr(functional, name, None) or getattr(torch, name)
    z = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert f"{float(act(z).square().mean() ** -0.5):.7f}" == claim.printed
