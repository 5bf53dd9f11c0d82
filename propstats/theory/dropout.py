"""What dropout does to the signal and to the gradient, by every route."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction

from propstats.errors import DomainError, unknown_name
from propstats.estimate import Estimate, Quantity, Route
from propstats.expectation.samples import check_samples
from propstats.theory.pooling.average import RELU, RELU_FORMS, RELU_FORMS_CENTRED, product_of_two
from propstats.theory.pooling.inputs import PoolInput
from propstats.theory.pooling.law import Law, Parameter, evaluate_law, written
from propstats.theory.unit import Grouped

#: By what the output is multiplied, of each kind.
KINDS: Mapping[str, str] = {
    "inverted": "1/q",  # torch.nn.Dropout: the mean stays
    "unit": "1/sqrt(q)",  # the second moment stays, and the variance of an input of mean 0
    "plain": "1",  # Srivastava et al. 2014; the weights are multiplied by q at test time
    "feature": "1/q",  # torch.nn.Dropout1d, 2d, 3d: one mask for all positions of a channel
    "alpha": "1/sqrt(q*(1 + alpha**2*(1 - q)))",  # torch.nn.AlphaDropout: mean 0 and variance 1 stay
}
#: What alpha dropout sets units to: the limit of SELU far below zero, as torch writes it.
ALPHA = -1.7580993408473766

#: `y = scale (b x + (1 - b) alpha) + shift`, with the shift of alpha dropout such that the mean of its mask is taken
#: away; `u`, `v` and `k` are the mean, the variance and the covariance of two inputs.
_RESULTS: Mapping[str, str] = {
    "mean": "scale*q*u",
    "var": "scale**2*q*(v + (1 - q)*(u - alpha)**2)",
    "second_moment": "mean**2 + var",
    "std": "sqrt(var)",
    "mean_slope": "scale*q",
    "slope_second_moment": "scale**2*q",
    "slope_std": "scale*sqrt(q)",
}
_CORRELATION = {"own": "scale**2*q**2*k/var", "shared": "scale**2*q*(k + (1 - q)*(u - alpha)**2)/var"}


@dataclass(frozen=True, slots=True)
class DropoutForward:
    """What dropout does to the signal, over data and masks.

    Args:
        mean: Mean of the output.
        second_moment: Its second moment.
        var: Its variance.
        std: Its standard deviation.
        correlation: Correlation of two outputs, of inputs with the correlation that was given.
    """

    mean: Quantity
    second_moment: Quantity
    var: Quantity
    std: Quantity
    correlation: Quantity


@dataclass(frozen=True, slots=True)
class DropoutBackward:
    """What the slope, `scale b`, does to a gradient `dy ~ N(0, 1)`.

    Args:
        mean_slope: `scale q`: what is left of the mean gradient.
        slope_second_moment: `scale^2 q`.
        std: Its root, the standard deviation of `dx`.
    """

    mean_slope: Quantity
    slope_second_moment: Quantity
    std: Quantity


@dataclass(frozen=True, slots=True)
class DropoutMoments(Grouped):
    """Everything `propstats dropout` prints.

    Args:
        kind: One of `KINDS`.
        keep: The probability q that a unit is kept; torch's p is `1 - q`.
        scale: By what the output is multiplied.
    """

    kind: str
    keep: float
    scale: Quantity
    input: PoolInput
    forward: DropoutForward
    backward: DropoutBackward
    samples: int
    seed: int
    notes: tuple[str, ...] = ()


def dropout(
    kind: str = "inverted",
    *,
    keep: float = 0.5,
    mean: float = 0.0,
    std: float = 1.0,
    correlation: float = 0.0,
    rectified: bool = False,
    digits: int | None = 30,
    timeout: float = 10.0,
    samples: int = 1_000_000,
    seed: int = 0,
    device: str = "cpu",
) -> DropoutMoments:
    """Compute what dropout does to its input and to the gradient of its output.

    A unit is kept with probability q. Inverted dropout divides what is kept by q: mean m, variance
    `(v + m^2)/q - m^2`, backward second moment 1/q. Unit variance for an input of mean 0 needs `sqrt(q)` instead.

    Args:
        kind: `inverted` (torch's), `unit` (divided by sqrt(q)), `plain` (not divided), `feature` (inverted, one mask
            for all positions of a channel) or `alpha` (SELU's, with its affine correction).
        keep: q, above 0 and at most 1.
        mean: Mean of the Gaussian input.
        std: Its standard deviation, at least 0.
        correlation: Correlation of two positions of the input.
        rectified: Whether the input passes a ReLU first.
        digits: Digits that the certified route proves; None leaves it out.
        timeout: Seconds that the certified route may take.
        samples: Number of pairs of units for the sampling route; 0 leaves it out (and torch unloaded).
        seed: Seed of the sampling route.
        device: Device of the sampling route: `cpu`, `cuda` or `auto`.

    Raises:
        UnknownNameError: If the kind is not known.
        DomainError: If an argument is out of range.

    References:
        Srivastava et al. 2014, JMLR 15; Tompson et al. 2015, arXiv:1411.4280 (feature); Klambauer et al. 2017,
        arXiv:1706.02515, Eq. 5 and 6 (alpha).

    >>> found = dropout(keep=0.8, mean=1.0, samples=0)
    >>> found.forward.var.formula, found.backward.slope_second_moment.value  # (1 + 1)/0.8 - 1, and 1/0.8
    ('3/2', 1.25)
    """
    name = kind.lower()
    if name not in KINDS:
        raise unknown_name("dropout", kind, list(KINDS))
    if not 0.0 < keep <= 1.0:
        raise DomainError(f"keep must be above 0 and at most 1, got {keep:g}", "it is 1 - p of torch's dropout")
    if samples:
        check_samples(samples)
    given = PoolInput(mean, std, correlation, rectified)
    given.check(2)
    law = _law(name, keep, given)
    evaluated = evaluate_law(law, digits=digits, timeout=timeout)
    by_route = {route: dict(found) for route, found in evaluated.by_route.items()}
    if samples:
        by_route[Route.SAMPLING] = _sampled(name, keep, given, samples, seed, device)

    def quantity(key: str) -> Quantity:
        routes: dict[Route, Estimate] = {route: found[key] for route, found in by_route.items() if key in found}
        form = evaluated.formulas.get(key)
        return Quantity.of(routes, None if form is None else written(form, law.params))

    backward = {"mean_slope": "mean_slope", "slope_second_moment": "slope_second_moment", "std": "slope_std"}
    return DropoutMoments(
        kind=name,
        keep=keep,
        scale=quantity("scale"),
        input=given,
        forward=DropoutForward(**{field.name: quantity(field.name) for field in fields(DropoutForward)}),
        backward=DropoutBackward(**{field: quantity(key) for field, key in backward.items()}),
        samples=samples,
        seed=seed,
        notes=evaluated.notes,
    )


def _law(kind: str, keep: float, given: PoolInput) -> Law:
    """Return the law of two positions of one channel."""
    # A probability is meant as it is written: 0.8 is four fifths.
    params: dict[str, Parameter] = {
        "q": Fraction(repr(float(keep))),
        "alpha": ALPHA if kind == "alpha" else 0.0,
        "r": given.correlation,
    }
    results = {"scale": KINDS[kind], **_RESULTS, "correlation": _CORRELATION["shared" if kind == "feature" else "own"]}
    if given.is_constant or not given.rectified:
        mean = max(0.0, given.mean) if given.rectified else given.mean
        inputs = {"u": "m", "v": "s**2", "k": "r*s**2"}
        return Law(inputs | results, params | {"m": mean, "s": given.std})
    integrals, forms = dict(RELU), dict(RELU_FORMS if given.mean else RELU_FORMS_CENTRED)
    inputs = {"u": "y", "v": "yy - y**2", "k": "0"}
    if given.correlation != 0.0:
        integrals["yv"], form = product_of_two(given)
        forms |= {"yv": form} if form else {}
        inputs["k"] = "yv - y**2"
    return Law(inputs | results, params | {"m": given.mean, "s": given.std}, integrals, forms)


def _sampled(kind: str, keep: float, given: PoolInput, samples: int, seed: int, device: str) -> dict[str, Estimate]:
    # Here, not above: torch takes a second to load.
    from propstats.expectation.sampling.dropout import dropout_moments

    scale, shift, dropped = {"inverted": 1 / keep, "feature": 1 / keep, "unit": keep**-0.5}.get(kind, 1.0), 0.0, 0.0
    if kind == "alpha":  # Klambauer et al. 2017, section "New dropout technique"
        scale, dropped = (keep + ALPHA**2 * keep * (1 - keep)) ** -0.5, ALPHA
        shift = -scale * (1 - keep) * ALPHA
    found = dropout_moments(
        scale,
        shift,
        dropped,
        keep=keep,
        shared=kind == "feature",
        mean=given.mean,
        std=given.std,
        correlation=given.correlation,
        rectified=given.rectified,
        samples=samples,
        seed=seed,
        device=device,
    )
    return dict(found)
