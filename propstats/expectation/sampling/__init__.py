"""The sampling route: averages over random numbers, with torch, and how sure they are."""

from propstats.expectation.sampling.draws import BLOCK, block_seed, resolve_device
from propstats.expectation.sampling.route import METHODS, moments
from propstats.expectation.sampling.running import RunningMoments

__all__ = ["BLOCK", "METHODS", "RunningMoments", "block_seed", "moments", "resolve_device"]
