"""All claims, judged."""

from collections.abc import Iterable
from dataclasses import dataclass

from propstats.errors import DomainError
from propstats.published.claims import Claim, JudgedClaim, judge
from propstats.published.sources import (
    back_propagation,
    dks,
    e3nn,
    frameworks,
    layers,
    lecture_notes,
    lecture_notes_batch_norm,
    neural_tangents,
    nf_nets,
    normprop,
    original_posts,
    unit_scaling,
)
from propstats.text import printable

#: Every claim, the documents that propstats grew from first.
ALL_CLAIMS: tuple[Claim, ...] = (
    *back_propagation.CLAIMS,
    *lecture_notes.CLAIMS,
    *lecture_notes_batch_norm.CLAIMS,
    *normprop.CLAIMS,
    *original_posts.CLAIMS,
    *nf_nets.CLAIMS,
    *frameworks.CLAIMS,
    *dks.CLAIMS,
    *neural_tangents.CLAIMS,
    *unit_scaling.CLAIMS,
    *e3nn.CLAIMS,
    *layers.CLAIMS,
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Claims and what became of them.

    Args:
        claims: The claims, in the order in which they were given.
    """

    claims: tuple[JudgedClaim, ...]

    def count(self, verdict: str) -> int:
        """Return how many claims got a verdict."""
        return sum(claim.verdict == verdict for claim in self.claims)


def judge_all(match: str = "", claims: Iterable[Claim] = ALL_CLAIMS) -> Judgement:
    """Judge claims.

    Args:
        match: Only claims with this text in their name, source, statement or printed value.
        claims: The claims.

    Raises:
        DomainError: If no claim has the text.

    >>> judgement = judge_all("normprop-jacobian")
    >>> [(claim.printed, claim.exact, claim.verdict.value) for claim in judgement.claims]
    [('1.21', '1.211174', 'holds')]
    """
    found = [claim for claim in claims if match.lower() in _searchable(claim)]
    if not found:
        raise DomainError(
            f"no claim has {printable(match, limit=40)!r} in its name, source, statement or printed value"
        )
    return Judgement(tuple(map(judge, found)))


def _searchable(claim: Claim) -> str:
    return "\n".join((claim.id, claim.source.title, claim.where, claim.statement, claim.printed)).lower()
