"""The quadrature route: integrals over z for `x = mean + std z`, split where the activation changes its branch."""

from propstats.expectation.quadrature.expect import expect
from propstats.expectation.quadrature.route import Values, moments, values
from propstats.expectation.quadrature.slope_law import SlopeLaw, slope_law

__all__ = ["SlopeLaw", "Values", "expect", "moments", "slope_law", "values"]
