"""All claims: what becomes of them, against numbers that others tabulated in forty digits."""

import re
from collections import Counter

import pytest

from propstats.errors import DomainError
from propstats.published.claims import Claim, Source, Verdict, number
from propstats.published.judgement import ALL_CLAIMS, judge_all
from propstats.published.language import read
from propstats.published.printed import Printed

JUDGED = {claim.id: claim for claim in judge_all().claims}

#: mpmath, forty digits, before propstats was written: the exact number of each claim, as it was tabulated.
EXACT = {
    "nfnets-celu": "1.2708434178502",
    "nfnets-elu": "1.2708434178502",
    "nfnets-gelu": "1.70091656169545",
    "nfnets-glu": "1.846228545",
    "nfnets-leaky-relu": "1.70483162717734",
    "nfnets-log-sigmoid": "1.91912598010766",
    "nfnets-relu": "1.71285855044966",
    "nfnets-relu6": "1.7128585549724",
    "nfnets-sigmoid": "4.80131337203996",
    "nfnets-silu": "1.78718722210044",
    "nfnets-soft-sign": "2.33753336310854",
    "nfnets-softplus": "1.91912598010766",
    "nfnets-tanh": "1.59253741972283",
    "torch-gain-tanh": "1.59253741972",
    "torch-gain-sigmoid": "1.84622854534",
    "unit-gelu": "1.70092624336333",
    "unit-silu-glu": "1.67653247033",
    "truncated-normal": "0.87962566103423975041",
    "backward-sigmoid-std": "0.211745699721",
    "backward-table-sigmoid-std": "0.208276344932",
    "backward-table-max-mean": "1.4850131622092",
    "backward-table-max-std": "0.59779036991057",
    "forward-max-2x2-mean": "1.029375373004",
    "forward-max-2x2-std": "0.70122409889759",
    "normprop-jacobian": "1.21117389623632",
    "normprop-mean-square": "1.46694220692426",
    "notes-tanh-var": "0.394294490397841174416459772444",
    "notes-sigmoid-var": "0.043379035858093",
}

#: What fails in the three documents that propstats grew from; what was estimated there is in another list.
FAILS = {
    "backward-dropout-copy",
    "notes-zigzag-average",
    "notes-same-gradient",
    "notes-glorot-average",
    "notes-sigmoid-slope",
    "notes-tanh-var",
    "notes-sigmoid-var",
    "notes-batch-norm-eps",
    "normprop-singular-values",
    "normprop-gamma-mean",
    "normprop-gamma-var",
}


@pytest.mark.parametrize("name", EXACT)
def test_exact_numbers_are_those_tabulated(name: str) -> None:
    claim = next(claim for claim in ALL_CLAIMS if claim.id == name)
    assert isinstance(claim.exact, str)
    tabulated = Printed.read(EXACT[name])
    # A unit of the last digit: tables cut digits off.
    assert abs(number(claim.exact).value - tabulated.value) <= 2 * tabulated.half_unit


def test_what_fails_in_the_seeds() -> None:
    seeds = {name: claim for name, claim in JUDGED.items() if claim.seed}
    assert len(seeds) >= 25
    assert {name for name, claim in seeds.items() if claim.verdict is Verdict.FAILS} == FAILS
    assert {name for name, claim in seeds.items() if claim.verdict is Verdict.ESTIMATE} == {"backward-sigmoid-std"}
    per_seed = Counter(claim.title for claim in seeds.values())
    assert len(per_seed) == 3
    assert min(per_seed.values()) >= 12


def test_tables_of_gammas_are_near_but_not_right() -> None:
    """All but the identity are estimates, off by less than three in a thousand."""
    rows = [claim for name, claim in JUDGED.items() if name.startswith("nfnets-") and "issue" not in name]
    assert len(rows) == 16
    assert [claim.id for claim in rows if claim.holds] == ["nfnets-identity"]
    for claim in rows:
        if not claim.holds:
            assert claim.verdict is Verdict.ESTIMATE
            assert claim.relative_error is not None
            assert 6e-5 < claim.relative_error < 1.3e-3  # as tabulated; all too large
    # mirror images of each other, and the same function: the tables disagree with themselves
    for one, other in (("softplus", "log-sigmoid"), ("elu", "celu")):
        first, second = (JUDGED[f"nfnets-{name}"] for name in (one, other))
        assert first.exact[:8] == second.exact[:8]
        assert first.printed != second.printed


def test_claims_are_well_formed() -> None:
    assert len(JUDGED) == len(ALL_CLAIMS), "two claims have the same name"
    for claim in ALL_CLAIMS:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", claim.id)
        assert all((claim.source.title, claim.where, claim.statement, claim.printed)), claim.id
        # A whole number stands for itself: half a unit either way would let anything pass.
        if isinstance(claim.exact, str) and not claim.at and claim.printed.isdigit():
            assert claim.equal, claim.id
        assert claim.printed.isprintable()


def test_what_fails_has_a_note() -> None:
    for claim in JUDGED.values():
        if claim.verdict is Verdict.FAILS:
            assert claim.note, claim.id


@pytest.mark.parametrize(
    ("name", "unit", "parameter"),
    [
        ("linear", "linear", None),
        ("relu", "relu", None),
        ("tanh", "tanh", None),
        ("sigmoid", "sigmoid", None),
        ("selu", "selu", None),
        ("leaky", "leaky_relu", 0.25),
    ],
)
def test_gains_are_those_that_torch_has(name: str, unit: str, parameter: float | None) -> None:
    from torch.nn.init import calculate_gain

    claim = next(claim for claim in ALL_CLAIMS if claim.id == f"torch-gain-{name}")
    printed = number(claim.printed, known={"a": read("1/4")})
    assert float(printed.value) == pytest.approx(calculate_gain(unit, parameter), rel=1e-15)  # type: ignore[arg-type]


def test_match() -> None:
    assert [claim.id for claim in judge_all("TORCH 2.13, nn/modules").claims] == ["torch-linear-bound"]
    assert [claim.id for claim in judge_all("5/3").claims] == ["torch-gain-tanh"]
    with pytest.raises(DomainError, match="no claim has 'nonsense'"):
        judge_all("nonsense")


def test_counts() -> None:
    source = Source("x")
    claims = [Claim("a-b", source, "1", "pi", printed, "pi") for printed in ("3.14", "3.1415", "3.15", "3.1416")]
    judgement = judge_all(claims=claims)
    assert {verdict: judgement.count(verdict) for verdict in Verdict} == {
        Verdict.HOLDS: 2,
        Verdict.CUT_OFF: 1,
        Verdict.DOUBLE: 0,
        Verdict.ESTIMATE: 0,
        Verdict.FAILS: 1,
    }
