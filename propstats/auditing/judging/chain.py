"""The network as a chain: which rule each call has, and what comes before it."""

from collections.abc import Iterator, Sequence

from torch import nn

from propstats.activations import Activation
from propstats.auditing.measuring.call import INPUT, Call, consumers
from propstats.errors import DomainError
from propstats.rules.affine import Flatten, Unchanged
from propstats.rules.batch_norm import RunningNorm
from propstats.rules.dense import Weights
from propstats.rules.elementwise import Elementwise
from propstats.rules.norm import GroupNorm


def layers_of_weights(calls: Sequence[Call]) -> Iterator[tuple[int, Call, Weights]]:
    """Yield the calls of layers whose weights are their own, with their positions."""
    for position, call in enumerate(calls):
        if isinstance(call.rule, Weights) and isinstance(call.module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            yield position, call, call.rule


def normalised(calls: Sequence[Call]) -> set[int]:
    """Return the positions of calls whose output a normaliser alone takes, nothing that matters lying between."""
    found, users = set(), consumers(calls)
    for call in calls:
        if isinstance(call.rule, RunningNorm | GroupNorm):
            source = call.source
            while source is not None and source >= 0 and len(users[source]) == 1:
                found.add(source)
                source = calls[source].source if isinstance(calls[source].rule, Unchanged | Flatten) else None
    return found


def activation_before(calls: Sequence[Call], call: Call) -> Activation | None:
    """Return the activation that a layer's input comes from; None for the network's input or for other weights.

    Raises:
        DomainError: If something without a rule lies between, so that it is not known what the input looks like.
    """
    source = call.source
    while source is not None and source != INPUT:
        before = calls[source]
        rule = before.rule
        if isinstance(rule, Elementwise):
            return rule.activation
        if isinstance(rule, Weights | RunningNorm | GroupNorm):
            return None
        if rule is None:
            raise DomainError(
                f"theory does not know what {before.name} ({before.kind}) makes of a signal: no weights are prescribed",
                "use --method lsuv, which measures",
            )
        source = before.source
    return None


def joining(calls: Sequence[Call]) -> Call | None:
    """Return the first call at which paths join; None for a chain."""
    return next((call for call in calls if sum(source >= INPUT for source in call.sources) > 1), None)
