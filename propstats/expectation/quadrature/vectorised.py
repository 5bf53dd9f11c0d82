"""The moments for many inputs at once: the fast way where its own errors approve of it, the careful way elsewhere."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import groupby, pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.moments import BASE
from propstats.expectation.quadrature import adaptive, between_kinks, shared, trapezoid
from propstats.expectation.quadrature.branches import Branches, kinks_at
from propstats.expectation.quadrature.panels import EPS
from propstats.expectation.quadrature.plans import Case, Plan
from propstats.expectation.quadrature.rule import Array
from propstats.expectation.quadrature.scales import scales_at
from propstats.expectation.quadrature.sums import Moments

#: So many numbers at a time: what one step works on stays in the processor's cache.
_CHUNK = 7_000
#: Where the nodes end, and into how many each spacing is split: further out and finer, if the first does not do. Beyond
#: a kink there may be nothing but a tail, which costs Gauss's rule no nodes.
_SMOOTH, _KINKED, _STEEP = (((9.0, 1), (13.0, 2)), ((10.0, 1), (13.0, 2)), ((13.0, 2),))
#: The moments that take rows of their own.
_RATES = {"linear_slope", "var_rate"}
#: More panels or levels than there are plans for.
_TOO_MANY = 99.0


def moments_of_one(branches: Branches, mean: float, std: float) -> Moments:
    """Return the base moments for one input, and bounds on their errors.

    Args:
        branches: The activation.
        mean: Mean of the input.
        std: Standard deviation of the input; positive.
    """
    scales = branches.scales
    z = tuple([(kink.at - mean) / std for kink in branches.kinks])
    case = Case(mean, std, tuple(branches.params.values()), branches.kinks, z, scales)
    for reach, split in attempts(branches):
        ends = [-reach, *[min(max(end, -reach), reach) for end in z], reach]
        widths = [high - low for low, high in pairwise(ends)]
        active = [i for i, width in enumerate(widths) if width > 0.0]
        with np.errstate(all="ignore"):
            if len(active) == 1:
                plan = Plan(active[0], _whole(trapezoid.level_of(scales[active[0]], std, split)), (), reach)
            else:
                counts = [
                    _whole(between_kinks.panels_of(s, std, w, split)) for s, w in zip(scales, widths, strict=True)
                ]
                plan = Plan(-1, 0, tuple(counts), reach)
            averages = (
                plan.averages(branches, np.array(ends), case.inputs(case.kinked_beyond(reach)))
                if plan.is_possible
                else None
            )
            if averages is not None:
                values, errors, good = case.moments(case.sums(plan.branch, averages))
                if good:
                    return values, errors
    return adaptive.integrate(branches, mean, std)


def _whole(count: float) -> int:
    return int(min(count, _TOO_MANY)) if count == count else int(_TOO_MANY)


def attempts(branches: Branches) -> tuple[tuple[float, int], ...]:
    """Return what to try before the careful way: nothing where there may be kinks or poles that no plan knows of."""
    if not branches.is_settled or branches.undefined or branches.spans:
        return ()
    return _STEEP if branches.is_steep else _KINKED if branches.kinks else _SMOOTH


def moments_of_many(
    branches: Branches,
    mean: Array,
    std: Array,
    params: Mapping[str, Any],
    own: Callable[[int], Branches],
    names: Sequence[str] = tuple(BASE),
) -> Array:
    """Return moments for many inputs and bounds on their errors; shape (2, moments, batch).

    Args:
        branches: The activation.
        mean: Means of the inputs, shape (batch,).
        std: Standard deviations, positive, shape (batch,).
        params: The parameters, numbers or of shape (batch,).
        own: The activation with the parameters of one of the inputs.
        names: Which moments; fewer are faster.
    """
    rates = not _RATES.isdisjoint(names)
    with np.errstate(all="ignore"):
        order = shared.order(mean, std)
    mean, std = mean[order], std[order]
    params = {name: value[order] if isinstance(value, np.ndarray) else value for name, value in params.items()}
    result = np.full((2, len(names), mean.size), np.nan)
    todo = np.arange(mean.size)
    with np.errstate(all="ignore"):
        case = _case(branches, mean, std, params)
        for (reach, split), attempt in product(attempts(branches), (_on_shared_nodes, _on_own_nodes)):
            is_all = todo.size == mean.size
            part = case if is_all else case.take(todo)
            done = np.zeros(todo.size, dtype=bool)
            for which, found, bounds, good in attempt(branches, part, reach, split, rates) if todo.size else ():
                where = which if is_all else todo[which]
                for rows, moments in zip(result, (found, bounds), strict=True):
                    for row, name in zip(rows, names, strict=True):
                        row[where] = moments[name]
                done[which] = good
            todo = todo[~done]
    for i in todo.tolist():
        one = adaptive.integrate(own(int(order[i])), float(mean[i]), float(std[i]))
        result[:, :, i] = [[row[name] for name in names] for row in one]
    back = np.empty_like(order)
    back[order] = np.arange(order.size)
    return np.take(result, back, axis=-1)


def moments_of_points(branches: Branches, mean: Array, params: Mapping[str, Any]) -> Array:
    """Return the base moments of inputs that are numbers, and bounds on their errors; as `moments_of_many`.

    Args:
        branches: The activation.
        mean: The inputs, shape (batch,).
        params: The parameters, numbers or of shape (batch,).
    """
    with np.errstate(all="ignore"):
        f, d = (g + 0.0 * mean for g in branches.whole(mean, *params.values()))
        rate = reduce(np.maximum, (scale.rate for scale in _case(branches, mean, np.ones(mean.size), params).scales))
        f_error, d_error = EPS * (4 * abs(f) + abs(mean * d)), EPS * abs(d) * (4 + rate * abs(mean))
        square, slope_square = (f * f, 2 * abs(f) * f_error), (d * d, 2 * abs(d) * d_error)
    nothing = np.zeros(mean.size), np.zeros(mean.size)
    pairs = {"mean": (f, f_error), "second_moment": square, "mean_slope": (d, d_error), "linear_slope": (d, d_error)}
    pairs["slope_second_moment"] = slope_square
    result = np.array([[pairs.get(name, nothing)[i] for name in BASE] for i in (0, 1)])
    undefined = ~np.isfinite(result).all(axis=0)
    result[0, undefined], result[1, undefined] = np.nan, np.inf
    return result


def _case(branches: Branches, mean: Array, std: Array, params: Mapping[str, Any]) -> Case:
    """Return many inputs with what the activation looks like for them."""
    kinks, scales = branches.kinks, branches.scales
    if any(isinstance(value, np.ndarray) for value in params.values()):
        kinks = kinks_at(branches.parts, branches.ends, params)
        scales = scales_at(branches.features, [kink.at for kink in kinks], params)
    z = tuple((kink.at - mean) / std for kink in kinks)
    return Case(mean, std, tuple(params.values()), kinks, z, scales)


#: Some of the inputs, their moments, bounds on the errors, and where these are good.
_Found = tuple[Any, dict[str, Any], dict[str, Any], NDArray[np.bool_]]


def _on_shared_nodes(branches: Branches, case: Case, reach: float, split: int, rates: bool) -> Iterator[_Found]:
    """Integrate those inputs that can share their nodes."""
    if not any(isinstance(value, np.ndarray) for value in case.params):
        for which, sums in shared.sums(branches, case.mean, case.std, reach, rates):
            yield which, *case.take(which).moments(sums, rates)


def _on_own_nodes(branches: Branches, case: Case, reach: float, split: int, rates: bool) -> Iterator[_Found]:
    """Integrate those inputs for which there is a plan."""
    order, groups = _groups(branches, case, reach, split)
    case = case.take(order)
    ends = case.ends(reach)
    for branch, plans in groupby(groups, key=lambda group: group[0].branch):
        table = np.empty((between_kinks.AVERAGES if branch < 0 else trapezoid.AVERAGES, order.size))
        covered = np.zeros(order.size, dtype=bool)
        for plan, start, stop in plans:
            step = max(1, _CHUNK // plan.size(branches))
            beyond = case.kinked_beyond(reach, slice(start, stop))
            for first in range(start, stop, step):
                chunk = slice(first, min(first + step, stop))
                averages = plan.averages(branches, ends[chunk], case.inputs(beyond, chunk))
                if averages is not None:
                    covered[chunk] = True
                    for row, numbers in zip(table, averages, strict=True):
                        row[chunk] = numbers
        where = np.flatnonzero(covered)
        if where.size:
            part, found = (case, table) if covered.all() else (case.take(where), table[:, where])
            yield order[where], *part.moments(part.sums(branch, found), rates)


def _groups(
    branches: Branches, case: Case, reach: float, split: int
) -> tuple[NDArray[np.intp], list[tuple[Plan, int, int]]]:
    """Sort inputs by how they are integrated.

    Returns:
        An order of the inputs for which there is a plan, and which plan is that of which stretch of them.
    """
    widths = np.diff(case.ends(reach)).T
    there = widths > 0.0
    alone = there.sum(axis=0) == 1
    plans = np.full((len(case.scales) + 1, case.mean.size), -1.0)
    for i, (scale, width) in enumerate(zip(case.scales, widths, strict=True)):
        plans[0, alone & there[i]] = i
        if alone.any():
            plans[i + 1] = np.where(there[i], trapezoid.level_of(scale, case.std, split), 0.0)
        if not alone.all():
            panels = between_kinks.panels_of(scale, case.std, width, split)
            plans[i + 1] = np.where(alone, plans[i + 1], panels)
    # Parameters may put the kinks into another order: that is another activation.
    usable = np.flatnonzero((widths >= 0.0).all(axis=0))
    plans = np.clip(np.nan_to_num(plans[:, usable], nan=_TOO_MANY), -1.0, _TOO_MANY).astype(int)
    code = np.zeros(usable.size, dtype=int)
    for row in plans:
        code = 128 * code + row + 1
        if code.size and code.max() >> 48:
            code = np.unique(code, return_inverse=True)[1]
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=-1)) if order.size else order
    found = []
    for start, stop in pairwise([*starts.tolist(), order.size]):
        branch, *counts = plans[:, order[start]].tolist()
        plan = Plan(branch, counts[branch], (), reach) if branch >= 0 else Plan(-1, 0, tuple(counts), reach)
        if plan.size(branches):
            found.append((plan, start, stop))
    return usable[order], found
