"""What one window does, stated as a few Gaussian expectations and formulas in them, and evaluated by every route."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from propstats.activations import Activation
from propstats.activations.expression import Expr, Number, evaluate, substitute, symbols_of
from propstats.activations.polynomial import canonical
from propstats.activations.syntax import parse, str_of
from propstats.errors import CertificateError, ExpressionError
from propstats.estimate import Estimate, Route
from propstats.expectation import quadrature
from propstats.expectation.rounding import Rounded, evaluate_rounded, rounded_namespace

#: Of terms of two or three factors that cancel.
_ROUNDING = 16 * 2.0**-53

Parameter = float | Fraction


@dataclass(frozen=True, slots=True)
class Law:
    """What one window does.

    Args:
        results: For each quantity a formula in parameters, integrals, and the results above it.
        params: The parameters.
        integrals: Expectations of formulas in `x ~ N(0, 1)` and parameters.
        forms: Closed forms of integrals, in parameters and in integrals above, and of what is no integral.
        known: Numbers that have no such formula, found by quadrature.
        sizes: The integrands of integrals whose terms cancel, with all terms positive: quadrature does not see what
            rounding does to them.
    """

    results: Mapping[str, str]
    params: Mapping[str, Parameter]
    integrals: Mapping[str, str] = field(default_factory=dict)
    forms: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, Rounded] = field(default_factory=dict)
    sizes: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_symmetric(self) -> bool:
        """Whether all inputs are treated alike, the first as any other."""
        return self.results["other"] in ("first", self.results["first"])

    def formula(self, name: str) -> Expr:
        """Return a result as a tree in parameters and integrals."""
        tree = parse(self.results[name], {*self.params, *self.integrals, *self.known, *self.results, *self.forms})
        found = {other: self.formula(other) for other in symbols_of(tree) & self.results.keys()}
        # What is known in closed form alone is put in.
        alone = self.forms.keys() - self.integrals.keys() - self.known.keys()
        found |= {key: parse(self.forms[key], {*self.params}) for key in symbols_of(tree) & alone}
        return substitute(tree, found)

    def closed(self, name: str) -> Expr | None:
        """Return a result as a closed form in the parameters, if it has one."""
        tree = self.formula(name)
        for _ in self.forms:
            tree = substitute(tree, {key: parse(text, {*self.params, *self.forms}) for key, text in self.forms.items()})
        return tree if symbols_of(tree) <= self.params.keys() else None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The quantities of one window by the deterministic routes.

    Args:
        by_route: For each route the quantities that it knows.
        formulas: The closed forms.
        notes: What a reader should know of the routes.
    """

    by_route: Mapping[Route, Mapping[str, Estimate]]
    formulas: Mapping[str, Expr]
    notes: tuple[str, ...] = ()


def evaluate_law(law: Law, *, digits: int | None = 30, timeout: float = 10.0) -> Evaluated:
    """Evaluate a law by closed form, in ball arithmetic and by quadrature.

    Args:
        law: The law.
        digits: Digits that the certified route proves; None leaves it out.
        timeout: Seconds that the certified route may take.

    >>> law = Law({"mean": "m"}, {}, {"m": "2*x*Phi(x)"}, {"m": "1/sqrt(pi)"})
    >>> {str(route): round(found["mean"].value, 14) for route, found in evaluate_law(law).by_route.items()}
    {'closed_form': 0.56418958354776, 'certified': 0.56418958354776, 'quadrature': 0.56418958354776}
    """
    trees = {name: law.formula(name) for name in law.results}
    closed = {name: form for name in trees if (form := law.closed(name)) is not None}
    symbols = {name: _rounded(value) for name, value in law.params.items()}
    by_route: dict[Route, dict[str, Estimate]] = {
        Route.CLOSED_FORM: {
            name: _estimate(evaluate_rounded(form, symbols), Route.CLOSED_FORM) for name, form in closed.items()
        }
    }
    notes: list[str] = []
    provable = {name: tree for name, tree in trees.items() if not symbols_of(tree) & law.known.keys()}
    if digits is not None and provable:
        from propstats.expectation import certified

        integrals = {name: parse(text, {"x", *law.params}) for name, text in law.integrals.items()}
        try:
            found = certified.combinations(integrals, provable, law.params, digits=digits, timeout=timeout)
            by_route[Route.CERTIFIED] = dict(found)
        except CertificateError as error:
            notes.append(str(error))
    if digits is not None and len(provable) < len(trees):
        slopes = {"first": "gradient", "other": "gradient", "alive": "gradient"}
        missing = ", ".join(dict.fromkeys(slopes.get(name, name) for name in trees if name not in provable))
        notes.append(f"no certified digits of {missing}: these are integrals over several variables")
    by_integration = {name: tree for name, tree in trees.items() if symbols_of(tree) - law.params.keys()}
    if by_integration:
        symbols |= {name: _integral(text, law.sizes.get(name), law.params) for name, text in law.integrals.items()}
        symbols |= law.known
        by_route[Route.QUADRATURE] = {
            name: _estimate(evaluate(tree, symbols, rounded_namespace()), Route.QUADRATURE)
            for name, tree in by_integration.items()
        }
    return Evaluated(by_route, closed, tuple(notes))


def _integral(text: str, size: str | None, params: Mapping[str, Parameter]) -> Rounded:
    used = {name: float(value) for name, value in params.items()}
    found = quadrature.moments(Activation(text, text, used))["mean"]
    lost = 0.0 if size is None else _ROUNDING * quadrature.moments(Activation(size, size, used))["mean"].value
    return Rounded(found.value, found.error + lost)


def _rounded(value: Parameter) -> Rounded:
    return Rounded(float(value), 0.0 if Fraction(float(value)) == value else abs(float(value)) * 2.0**-53)


def _estimate(number: Rounded, route: Route) -> Estimate:
    return Estimate(number.value, number.error, route)


def written(form: Expr, params: Mapping[str, Parameter]) -> str:
    """Write a closed form with the numbers in place of the parameters, each as it is written in decimals.

    Where that has no value, or numbers of hundreds of digits, the names stay.

    >>> written(parse("s**2*n/d**2", {"s", "n", "d"}), {"s": 0.3, "n": 4.0, "d": 4.0})
    '0.0225'
    """
    values = {name: Number(Fraction(str(value))) for name, value in params.items()}
    try:
        return str_of(canonical(substitute(form, values)))
    except (ExpressionError, OverflowError):
        return str_of(form)
