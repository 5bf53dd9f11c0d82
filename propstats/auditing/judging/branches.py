"""Residual branches: what is added to the stream that goes round it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from propstats.auditing.measuring.call import INPUT, Call
from propstats.rules.affine import Unchanged
from propstats.rules.batch_norm import RunningNorm
from propstats.rules.dense import Weights
from propstats.rules.join import Add
from propstats.rules.norm import GroupNorm


@dataclass(frozen=True, slots=True)
class Branch:
    """A sum of a stream and of a branch that parted from it.

    Args:
        name: The branch's last call that has parameters.
        stream: Mean square of what goes round the branch.
        added: Mean square of what the branch adds.
        arriving: Mean square of what it starts from: of what leaves the last norm in it, before that scales and shifts,
            else of the stream.
    """

    name: str
    stream: float
    added: float
    arriving: float

    @property
    def gain(self) -> float:
        """What the branch makes of the mean square that it gets."""
        return self.added / self.arriving


def branches(calls: Sequence[Call]) -> Iterator[Branch]:
    """Yield the residual branches of a network that add to a finite stream that is not zero.

    Args:
        calls: The calls, in the order of the forward pass.
    """
    # What comes before each call, as bits of a number: sets of calls would fill the memory in deep networks.
    before = {INPUT: 0}
    for position, call in enumerate(calls):
        heard = [source for source in call.sources if source == INPUT or (source >= 0 and calls[source].carries_signal)]
        before[position] = 0
        for source in heard:
            before[position] |= _bit(source) | before[source]
        if isinstance(call.rule, Add) and len(call.sources) == len(heard) == 2:
            for stream in (0, 1):
                inside = _branch(calls, before, call, stream)
                names = [one.name for one in inside if one.has_parameters or isinstance(one.rule, Weights)]
                around, added = call.inputs[stream], call.inputs[1 - stream]
                if names and around.is_finite and added.is_finite and around.q > 0.0:
                    arriving = [_normed(one) for one in inside if isinstance(one.rule, RunningNorm | GroupNorm)]
                    yield Branch(names[-1], around.q, added.q, arriving[-1] if arriving else around.q)


def _bit(position: int) -> int:
    return 1 << (position - INPUT)


def _branch(calls: Sequence[Call], before: Mapping[int, int], join: Call, stream: int) -> list[Call]:
    """Return the calls of the branch if one input of a sum is the stream; none if it is not."""
    around, branch = join.sources[stream], join.sources[1 - stream]
    fork = _along(calls, around, before[branch])
    if fork is None:
        return []
    bits = (before[branch] | _bit(branch)) & ~(before[fork] | _bit(fork) | _bit(INPUT))
    return [calls[position] for position in range(max(fork, 0), branch + 1) if bits & _bit(position)]


def _along(calls: Sequence[Call], around: int, passed: int) -> int | None:
    """Go back along the stream, through sums and what hands on what it gets, to a call that the branch comes from."""
    ways = [around]
    while ways:
        position = ways.pop()
        if position >= INPUT and passed & _bit(position):
            return position
        if position >= 0 and isinstance(calls[position].rule, Add | Unchanged):
            ways += calls[position].sources
    return None


def _normed(call: Call) -> float:
    """Return the mean square of what a norm gives before it scales: 1, but for running statistics of other data."""
    mean, var = (getattr(call.module, f"running_{name}", None) for name in ("mean", "var"))
    if not (isinstance(mean, torch.Tensor) and isinstance(var, torch.Tensor) and call.input.is_finite):
        return 1.0
    means, variances = (values.reshape(len(mean), -1) for values in (call.input.unit_means, call.input.unit_variances))
    second = (variances + (means - mean.double()[:, None]).square()).mean(dim=1)
    found = float((second / (var.double() + float(getattr(call.module, "eps", 0.0)))).mean())
    return found if found > 0.0 and math.isfinite(found) else 1.0
