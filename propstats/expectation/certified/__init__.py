"""The certified route: ball arithmetic, in which every printed digit is proven."""

from propstats.expectation.certified.route import constant, expectation, moments

__all__ = ["constant", "expectation", "moments"]
