"""The two maps of a layer as tables, to be drawn."""

from dataclasses import dataclass

import numpy as np

from propstats.theory.mean_field.correlation import CorrelationMap
from propstats.theory.mean_field.second_moment import SecondMomentMap

#: So far beyond the largest second moment that matters the table goes.
_BEYOND = 1.6


@dataclass(frozen=True, slots=True)
class LayerMaps:
    """What one layer makes of second moments, and of correlations at the fixed point that the signal reaches.

    Args:
        q: Second moments, ascending from 0.
        q_next: The second moment after a layer, of each.
        c: Correlations from 0 to 1; empty where the signal reaches no positive fixed point.
        c_next: The correlation after a layer, of each.
    """

    q: tuple[float, ...]
    q_next: tuple[float, ...]
    c: tuple[float, ...]
    c_next: tuple[float, ...]


def layer_maps(layer: SecondMomentMap, reached: float | None, largest: float, points: int) -> LayerMaps:
    """Return the maps of a layer.

    Args:
        layer: The map of the second moment.
        reached: The fixed point at which correlations are mapped; None, or 0, for none.
        largest: The largest second moment that has to be in the table.
        points: Rows of each table.

    References:
        Poole et al. 2016, arXiv:1606.05340, Eqs. 3 and 5.

    >>> from propstats.activations import activation
    >>> he = SecondMomentMap(activation("relu"), 2.0**0.5, 0.0)
    >>> maps = layer_maps(he, 1.0, 1.0, 3)
    >>> [round(value, 12) for value in (*maps.q_next, *maps.c_next)]  # T(q) = q; Cho & Saul 2009
    [0.0, 0.8, 1.6, 0.318309886184, 0.608997781044, 1.0]
    """
    q = np.linspace(0.0, _BEYOND * largest, points)
    moments, _ = layer.values(q)
    if not reached:
        return LayerMaps(tuple(q.tolist()), tuple(moments.tolist()), (), ())
    pair = CorrelationMap(layer, reached)
    c = np.linspace(0.0, 1.0, points).tolist()
    return LayerMaps(
        tuple(q.tolist()), tuple(moments.tolist()), tuple(c), tuple(1.0 - pair.gap(1.0 - value) for value in c)
    )
