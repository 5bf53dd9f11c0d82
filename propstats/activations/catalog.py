"""The activations propstats knows, each stated once.

Closed forms are formulas for `x ~ N(mu, s^2)`. Each is tested against quadrature, sampling and
thirty-digit integration, which do not know it.
"""

from propstats.activations.activation import Activation

# Shared pieces of the closed forms: the Gaussian's mass, first and second moment above 0.
_ABOVE = "Phi(mu/s)"
_FIRST_ABOVE = "(mu*Phi(mu/s) + s*phi(mu/s))"
_SECOND_ABOVE = "((mu**2 + s**2)*Phi(mu/s) + mu*s*phi(mu/s))"


def _leaky(slope: str) -> dict[str, str]:
    """Closed forms of x above 0 and slope*x below."""
    return {
        "mean": f"{slope}*mu + (1 - {slope})*{_FIRST_ABOVE}",
        "second_moment": f"{slope}**2*(mu**2 + s**2) + (1 - {slope}**2)*{_SECOND_ABOVE}",
        "slope_second_moment": f"{slope}**2 + (1 - {slope}**2)*{_ABOVE}",
    }


def _elu(alpha: str, scale: str, rate: str = "1") -> dict[str, str]:
    """Closed forms of scale*x above 0 and scale*alpha*expm1(x*rate) below."""
    once = f"expPhi(mu*{rate} + (s*{rate})**2/2, -(mu/s + s*{rate}))"  # E[exp(rate x); x < 0]
    twice = f"expPhi(2*mu*{rate} + 2*(s*{rate})**2, -(mu/s + 2*s*{rate}))"  # E[exp(2 rate x); x < 0]
    return {
        "mean": f"{scale}*({_FIRST_ABOVE} + {alpha}*({once} - Phi(-mu/s)))",
        "second_moment": f"{scale}**2*({_SECOND_ABOVE} + {alpha}**2*({twice} - 2*{once} + Phi(-mu/s)))",
        "slope_second_moment": f"{scale}**2*({_ABOVE} + ({alpha}*{rate})**2*{twice})",
    }


def _clipped(low: str, high: str) -> dict[str, str]:
    """Closed forms of x clipped to an interval."""
    a, b = f"(({low}) - mu)/s", f"(({high}) - mu)/s"
    return {
        "mean": f"({low})*Phi({a}) + ({high})*Phi(-{b}) + mu*between({a}, {b}) + s*(phi({a}) - phi({b}))",
        "second_moment": f"({low})**2*Phi({a}) + ({high})**2*Phi(-{b}) + (mu**2 + s**2)*between({a}, {b})"
        f" + s*((mu + ({low}))*phi({a}) - (mu + ({high}))*phi({b}))",
        "slope_second_moment": f"between({a}, {b})",
    }


def _gelu() -> dict[str, str]:
    """Closed forms of x Phi(x), from Stein's lemma and the bivariate normal distribution."""
    t = "mu/sqrt(1 + s**2)"
    u = "mu/sqrt((1 + s**2)*(1 + 2*s**2))"
    cdf_squared = f"(Phi({t}) - 2*owens_t({t}, 1/sqrt(1 + 2*s**2)))"  # E[Phi(x)^2]
    tilted = f"(phi({t})/sqrt(1 + s**2))"  # E[phi(x)]; under the tilted law x has mean mu/(1+s^2)
    cross = f"{tilted}*Phi({u})"  # E[Phi(x) phi(x)]
    x_cross = f"{tilted}*(mu/(1 + s**2)*Phi({u}) + s**2*phi({u})/sqrt((1 + s**2)*(1 + 2*s**2)))"
    x_phi_squared = (  # E[x^2 phi(x)^2]
        "exp(-mu**2/(1 + 2*s**2))/(2*pi*sqrt(1 + 2*s**2))*((mu/(1 + 2*s**2))**2 + s**2/(1 + 2*s**2))"
    )
    return {
        "mean": f"mu*Phi({t}) + s**2*{tilted}",
        "second_moment": f"(mu**2 + s**2)*{cdf_squared} + 2*mu*s**2*{cross} + 2*s**2*{x_cross}",
        "slope_second_moment": f"{cdf_squared} + 2*{x_cross} + {x_phi_squared}",
    }


_SELU_ALPHA = "1.6732632423543772"
_SELU_SCALE = "1.0507009873554805"

CATALOG: tuple[Activation, ...] = (
    Activation(
        "identity",
        "x",
        closed_forms={"mean": "mu", "second_moment": "mu**2 + s**2", "var": "s**2", "slope_second_moment": "1"},
    ),
    Activation("relu", "max(x, 0)", closed_forms=_leaky("0"), reference="Nair & Hinton 2010"),
    Activation(
        "leaky_relu",
        "where(x > 0, x, negative_slope*x)",
        {"negative_slope": 0.01},
        _leaky("negative_slope"),
        reference="Maas, Hannun & Ng 2013",
    ),
    Activation(
        "prelu",
        "where(x > 0, x, a*x)",
        {"a": 0.25},
        _leaky("a"),
        reference="He et al. 2015, arXiv:1502.01852",
    ),
    Activation("abs", "abs(x)", closed_forms=_leaky("(-1)")),
    Activation(
        "elu",
        "where(x > 0, x, alpha*expm1(x))",
        {"alpha": 1.0},
        _elu("alpha", "1"),
        reference="Clevert, Unterthiner & Hochreiter 2016, arXiv:1511.07289",
    ),
    Activation(
        "celu",
        "where(x > 0, x, alpha*expm1(x/alpha))",
        {"alpha": 1.0},
        _elu("alpha", "1", "(1/alpha)"),
        reference="Barron 2017, arXiv:1704.07483",
    ),
    Activation(
        "selu",
        f"{_SELU_SCALE}*where(x > 0, x, {_SELU_ALPHA}*expm1(x))",
        closed_forms=_elu(_SELU_ALPHA, _SELU_SCALE),
        reference="Klambauer et al. 2017, arXiv:1706.02515",
    ),
    Activation("gelu", "x*Phi(x)", closed_forms=_gelu(), reference="Hendrycks & Gimpel 2016, arXiv:1606.08415"),
    Activation(
        "gelu_tanh",
        # The same as x/2*(1 + tanh(...)), without its cancellation on the negative side.
        "x*sigmoid(2*sqrt(2/pi)*(x + 0.044715*x**3))",
        reference="Hendrycks & Gimpel 2016, arXiv:1606.08415",
    ),
    Activation("silu", "x*sigmoid(x)", reference="Elfwing, Uchibe & Doya 2017, arXiv:1702.03118"),
    Activation("mish", "x*tanh(softplus(x))", reference="Misra 2019, arXiv:1908.08681"),
    Activation("tanh", "tanh(x)", centred_forms={"mean": "0"}),
    Activation("sigmoid", "sigmoid(x)", centred_forms={"mean": "1/2"}),
    Activation(
        "softplus",
        "softplus(beta*x)/beta",
        {"beta": 1.0},
        centred_forms={"mean_slope": "1/2"},
        reference="Dugas et al. 2001",
    ),
    Activation(
        "hardtanh",
        "min(max(x, min_val), max_val)",
        {"min_val": -1.0, "max_val": 1.0},
        _clipped("min_val", "max_val"),
    ),
    Activation("relu6", "min(max(x, 0), 6)", closed_forms=_clipped("0", "6")),
    Activation(
        "erf",
        "erf(x)",
        closed_forms={
            "mean": "erf(mu/sqrt(1 + 2*s**2))",
            "second_moment": "1 - 8*owens_t(sqrt(2)*mu/sqrt(1 + 2*s**2), 1/sqrt(1 + 4*s**2))",
            "slope_second_moment": "4/pi*exp(-2*mu**2/(1 + 4*s**2))/sqrt(1 + 4*s**2)",
        },
    ),
    Activation(
        "sin",
        "sin(x)",
        closed_forms={
            "mean": "sin(mu)*exp(-s**2/2)",
            "second_moment": "(1 - cos(2*mu)*exp(-2*s**2))/2",
            "var": "-expm1(-s**2)*(1 + cos(2*mu)*exp(-s**2))/2",
            "slope_second_moment": "(1 + cos(2*mu)*exp(-2*s**2))/2",
        },
    ),
    Activation(
        "cos",
        "cos(x)",
        closed_forms={
            "mean": "cos(mu)*exp(-s**2/2)",
            "second_moment": "(1 + cos(2*mu)*exp(-2*s**2))/2",
            "var": "-expm1(-s**2)*(1 - cos(2*mu)*exp(-s**2))/2",
            "slope_second_moment": "(1 - cos(2*mu)*exp(-2*s**2))/2",
        },
    ),
)
