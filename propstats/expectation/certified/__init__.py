"""The certified route: ball arithmetic, in which every printed digit is proven."""

from propstats.expectation.certified.route import combinations, constant, expectation, moments

__all__ = ["combinations", "constant", "expectation", "moments"]
