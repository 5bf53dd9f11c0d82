"""The base moments and all that follows from them, by quadrature."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from propstats.activations.activation import Activation
from propstats.errors import DomainError, unknown_name
from propstats.estimate import Estimate, Route
from propstats.expectation.derived import complete
from propstats.expectation.moments import BASE
from propstats.expectation.point_mass import point_mass
from propstats.expectation.quadrature import straight
from propstats.expectation.quadrature.branches import Branches, branches
from propstats.expectation.quadrature.rule import Array
from propstats.expectation.quadrature.sums import Moments
from propstats.expectation.quadrature.vectorised import moments_of_many, moments_of_one, moments_of_points
from propstats.expectation.rounding import Rounded

#: The smallest double: what underflow can hide.
_TINY = 5e-324


@dataclass(frozen=True, slots=True)
class Values:
    """Base moments with bounds on their errors, for one input or for many.

    A moment that does not exist is NaN, with an infinite error.

    Args:
        moments: The moments, shape (moments, *batch).
        errors: Bounds on their errors, the same.
        names: Which moments these are.
    """

    moments: Array
    errors: Array
    names: tuple[str, ...] = tuple(BASE)

    def __getitem__(self, name: str) -> Array:
        """Return one moment by its name in BASE."""
        return np.asarray(self.moments[self.names.index(name)])

    def error(self, name: str) -> Array:
        """Return the bounds on the errors of one moment."""
        return np.asarray(self.errors[self.names.index(name)])


def values(activation: Activation, mean: Any, std: Any, *, names: Sequence[str] = tuple(BASE), **params: Any) -> Values:
    """Return the base moments for one input or for many at once.

    What one input gives does not depend on the others by more than the errors say.

    Args:
        activation: The activation.
        mean: Means of the inputs.
        std: Standard deviations, not negative, broadcast with the means.
        names: Which moments; for many inputs, fewer are faster.
        params: Parameters of the activation that differ from input to input, broadcast with the means.

    Raises:
        DomainError: If a mean, a standard deviation or a parameter is not finite, or a standard deviation is negative.
        UnknownNameError: If the activation has no such parameter, or there is no such moment.

    >>> from propstats.activations import activation
    >>> found = values(activation("relu"), [0.0, 1.0], 1.0)
    >>> found["second_moment"].round(12).tolist(), bool((found.errors < 1e-13).all())
    ([0.5, 1.924660216656], True)
    >>> abs(values(activation("prelu"), 0.0, 1.0, a=[0.0, 1.0])["mean"]).round(12).tolist()
    [0.398942280401, 0.0]
    """
    own, names = branches(activation), tuple(names)
    for name in names:
        if name not in BASE:
            raise unknown_name("moment", name, list(BASE))
    if not params and isinstance(mean, float) and isinstance(std, float) and _is_spread(mean, std):
        one, bounds = (np.array([row[name] for name in names]) for row in _of_one(activation, mean, std))
        return Values(one, bounds, names)
    activation.with_params(**dict.fromkeys(params, 0.0))  # complains of names that it does not know
    arrays = np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in (mean, std, *params.values())))
    means, stds, *own_params = (np.ravel(array) for array in arrays)
    _check("mean", means)
    _check("standard deviation", stds, 0.0)
    for name, array in zip(params, own_params, strict=True):
        _check(f"parameter {name}", array)
    table: dict[str, Any] = {**activation.params, **dict(zip(params, own_params, strict=True))}

    def those(which: Any) -> dict[str, Any]:
        return {name: value[which] if name in params else value for name, value in table.items()}

    def at(i: int) -> Activation:
        return activation.with_params(**{name: float(table[name][i]) for name in params})

    def of_spread(which: Any) -> Array:
        index = np.arange(means.size)[which]

        def with_own(i: int) -> Branches:
            return branches(at(int(index[i])))

        return moments_of_many(own, means[which], stds[which], those(which), with_own, names)

    narrow = straight.is_narrow(means, stds)
    if narrow.any():
        result = np.empty((2, len(names), means.size))
        wide, points = np.flatnonzero(~narrow), np.flatnonzero(stds == 0.0)
        result[:, :, wide] = of_spread(wide)
        which = [list(BASE).index(name) for name in names]
        result[:, :, points] = moments_of_points(own, means[points], those(points))[:, which]
        for i in np.flatnonzero(narrow & (stds > 0.0)).tolist():
            result[:, :, i] = [[row[name] for name in names] for row in _of_one(at(i), float(means[i]), float(stds[i]))]
    else:
        result = of_spread(slice(None))
    found, errors = result.reshape(2, len(names), *arrays[0].shape)
    return Values(found, errors, names)


def _of_one(activation: Activation, mean: float, std: float) -> Moments:
    """Return the base moments for one input that is no number, and bounds on their errors."""
    line = straight.line(activation, mean, std) if straight.is_narrow(mean, std) else None
    if line is not None:
        return {name: line.base[name].value for name in BASE}, {name: line.base[name].error for name in BASE}
    return moments_of_one(branches(activation), mean, std)


def _is_spread(mean: float, std: float) -> bool:
    return 0.0 < std < math.inf and math.isfinite(mean)


def _check(what: str, array: Array, least: float = -math.inf) -> None:
    """Refuse numbers that are not finite or too small."""
    wrong = array[~(np.isfinite(array) & (array >= least))]
    if wrong.size:
        bound = "" if least == -math.inf else f", not below {least:g}"
        raise DomainError(f"the {what} of an input is {wrong[0]:g}", f"give a finite number{bound}")


def moments(activation: Activation, *, mean: float = 0.0, std: float = 1.0) -> Mapping[str, Estimate]:
    """Return all base moments and derived quantities, with a bound on truncation and rounding.

    Args:
        activation: The activation.
        mean: Mean of the input.
        std: Standard deviation of the input; at 0 the input is the number `mean`.

    Raises:
        DomainError: If the mean or the standard deviation is not finite, or the latter is negative.

    >>> from propstats.activations import activation
    >>> e = moments(activation("tanh"))["second_moment"]
    >>> abs(e.value - 0.394294490397841174) <= e.error < 1e-14
    True
    """
    mean, std = float(mean), float(std)
    if not _is_spread(mean, std):
        _check("mean", np.array([mean]))
        _check("standard deviation", np.array([std]), 0.0)
        return point_mass(activation, mean, Route.QUADRATURE)
    line = straight.line(activation, mean, std) if straight.is_narrow(mean, std) else None
    if line is not None:
        scales = {name: Estimate(own.value, own.error, Route.QUADRATURE) for name, own in line.scales.items()}
        return {**complete(line.base, std, Route.QUADRATURE), **scales}
    found, errors = moments_of_one(branches(activation), mean, std)
    base = {name: Rounded(float(found[name]), float(errors[name]) + _TINY) for name in BASE}
    return complete(base, std, Route.QUADRATURE)
