"""Activations with constants around and inside them, chosen so that a deep network keeps its inputs apart."""

from propstats.theory.transformed.activation import Transformed
from propstats.theory.transformed.network import Network, chain, local_curvature, local_slope, negative_slope, residual
from propstats.theory.transformed.shaping import shape, shape_leaky
from propstats.theory.transformed.tailoring import tailor, tailor_leaky

__all__ = [
    "Network",
    "Transformed",
    "chain",
    "local_curvature",
    "local_slope",
    "negative_slope",
    "residual",
    "shape",
    "shape_leaky",
    "tailor",
    "tailor_leaky",
]
