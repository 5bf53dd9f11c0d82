"""Expectations of two activations at correlated Gaussian inputs."""

from propstats.expectation.dual.expect import difference, dual, dual_estimates
from propstats.expectation.dual.slope import dual_slope

__all__ = ["difference", "dual", "dual_estimates", "dual_slope"]
