"""The constants that propstats derives: what initialisers, normalisers and pooling layers multiply and divide by."""

from functools import cache

from propstats.activations.catalog import CATALOG
from propstats.activations.gates import GATES
from propstats.published.constants import Constant

_SELU = '"selu_lambda*where(x > 0, x, selu_alpha*expm1(x))"'
_NORMPROP = "Arpit et al. 2016, arXiv:1603.01431"

#: From defining equations and closed forms; later ones may use earlier ones.
_NAMED: tuple[Constant, ...] = (
    # NormProp, from the paper's formulas; the same numbers by integration follow below.
    Constant("normprop_relu_c1", "sqrt(1/2*(1 - 1/pi))", f"standard deviation after a ReLU: {_NORMPROP}, Remark 1"),
    Constant("normprop_relu_c2", "1/sqrt(2*pi)", f"mean after a ReLU: {_NORMPROP}, Remark 1"),
    Constant("normprop_relu_var", "1/2*(1 - 1/pi)", f"variance after a ReLU: {_NORMPROP}, Remark 1"),
    Constant("normprop_relu_jacobian", "sqrt(0.5)/normprop_relu_c1", f"Jacobian factor: {_NORMPROP}, section 3.4"),
    Constant("normprop_relu_mean_square", "0.5/normprop_relu_c1**2", f"E[JJ^T]: {_NORMPROP}, section 3.4"),
    Constant(
        "normprop_relu_gamma", "1/normprop_relu_jacobian", f"scale with Jacobian factor 1: {_NORMPROP}, section 4.3"
    ),
    Constant(
        "normprop_prelu_c1", "sqrt(1/2*((1 + 0.25**2) - (1 - 0.25)**2/pi))", f"PReLU, a = 1/4: {_NORMPROP}, Remark 2"
    ),
    Constant("normprop_prelu_c2", "(1 - 0.25)/sqrt(2*pi)", f"PReLU, a = 1/4: {_NORMPROP}, Remark 2"),
    *(
        Constant(
            f"normprop_relu_mean_square_bias_{name}", f"jacobian_factor(relu, mu={beta})**2", f"E[JJ^T] at bias {beta}"
        )
        for name, beta in (("half", "1/2"), ("one", "1"), ("three_halves", "3/2"))
    ),
    *(
        Constant(
            f"stability_slope_relu_bias_{name}",
            f"stability_slope(relu, mu={beta})",
            f"slope of the variance map at bias {beta}",
        )
        for name, beta in (("half", "1/2"), ("one", "1"), ("three_halves", "3/2"))
    ),
    # pooling of independent N(0, 1), and the gradient that reaches one input of a window that overlaps no other
    Constant("max_pool_2_mean", "1/sqrt(pi)", "mean of the larger of 2"),
    Constant("max_pool_2_std", "sqrt(1 - 1/pi)"),
    Constant("max_pool_3_mean", "3/(2*sqrt(pi))", "mean of the largest of 3"),
    Constant("max_pool_3_std", "sqrt(1 + sqrt(3)/(2*pi) - max_pool_3_mean**2)"),
    Constant("max_pool_2x2_mean", "6*atan(sqrt(2))/pi**1.5", "mean of the largest of 4"),
    Constant("max_pool_2x2_std", "sqrt(1 + sqrt(3)/pi - max_pool_2x2_mean**2)"),
    *(
        constant
        for side in (3, 4, 5)
        for constant in (
            Constant(
                f"max_pool_{side}x{side}_mean",
                f'expect("{side**2}*x*Phi(x)**{side**2 - 1}")',
                f"mean of the largest of {side**2}",
            ),
            Constant(
                f"max_pool_{side}x{side}_std",
                f'sqrt(expect("{side**2}*x**2*Phi(x)**{side**2 - 1}") - max_pool_{side}x{side}_mean**2)',
            ),
        )
    ),
    *(
        Constant(
            f"max_pool_{side}x{side}_backward_std",
            f'sqrt(expect("Phi(x)**{side**2 - 1}"))',
            "of the gradient of one input",
        )
        for side in (2, 3, 5)
    ),
    *(Constant(f"average_pool_{side}x{side}_std", f"1/{side}", "forward, independent inputs") for side in (2, 3, 5)),
    *(
        Constant(f"average_pool_{side}x{side}_backward_std", f"1/{side**2}", "of the gradient of one input")
        for side in (2, 3, 5)
    ),
    # weights
    Constant("truncated_normal_std", "sqrt(1 - 4*phi(2)/between(-2, 2))", "N(0, 1) cut off at two standard deviations"),
    Constant("uniform_std", "1/sqrt(3)", "uniform on [-1, 1]"),
    Constant("he_gain", "sqrt(2)", "He et al. 2015, arXiv:1502.01852"),
    Constant(
        "torch_linear_mean_square_relu",
        "1/3*slope_second_moment(relu)",
        "of one layer's Jacobian, torch's default weights",
    ),
    # SELU: mean 0 and second moment 1 are a fixed point (Klambauer et al. 2017, arXiv:1706.02515)
    Constant("selu_alpha", "1/sqrt(2*pi)/(1/2 - exp(1/2)*Phi(-1))", "the mean is 0"),
    Constant(
        "selu_lambda",
        "1/sqrt(1/2 + selu_alpha**2*(exp(2)*Phi(-2) - 2*exp(1/2)*Phi(-1) + 1/2))",
        "the second moment is 1",
    ),
    Constant("selu_alpha_prime", "-selu_lambda*selu_alpha", "what alpha dropout sets units to"),
    Constant(
        "selu_slope_second_moment",
        f"slope_second_moment({_SELU})",
        "chi_1 of a self-normalising network",
    ),
    *(
        Constant(f"{name}_gain", f"gain({gate.gate.name})", f"keeps the second moment of {gate}, a and b independent")
        for name, gate in GATES.items()
    ),
    # kernels
    Constant("relu_kernel_at_0", "1/pi", "E[phi(u) phi(v)]/E[phi^2] of uncorrelated inputs: Cho & Saul 2009"),
    Constant("relu_kernel_at_half", "(sqrt(3)/2 + pi/3)/pi", "the same for inputs of correlation 1/2"),
)

#: Standard deviations of weights (times sqrt(fan_in)) and biases at the edge of chaos, for pre-activations of unit
#: second moment: Schoenholz et al. 2017, arXiv:1611.01232.
_CRITICAL = ("relu", "leaky_relu", "prelu", "hardtanh", "tanh", "erf", "sin", "atan", "asinh", "softsign")
#: No bias is needed: both moments are the same.
_HOMOGENEOUS = ("relu", "leaky_relu", "prelu")

#: What every activation has, in the order in which it is listed.
_OF_EACH: tuple[tuple[str, str, str], ...] = (
    ("normprop_shift", "normprop_shift", "mean of the output"),
    ("normprop_scale", "normprop_scale", "standard deviation of the output"),
    ("backward_std", "std", "standard deviation of the gradient for a unit one"),
    ("gain", "gain", "keeps the second moment of pre-activations"),
    ("unit_variance_gain", "unit_variance_gain", "keeps the variance"),
    ("jacobian_factor", "jacobian_factor", "singular values, root mean square, of a normalised unit"),
    ("stability_slope", "stability_slope", "slope of the variance map: above 1, the canonical point repels"),
    ("nonlinear_share", "nonlinear_share", "share of the output's variance that is not linear"),
)

#: Activations whose defaults are floats that stand for another number.
_ARGUMENTS = {"rrelu": "rrelu, upper=1/3", "selu": _SELU}


@cache
def registry() -> tuple[Constant, ...]:
    """Return all constants, those of the activations with their default parameters.

    Where an activation jumps, its slope is that between the jumps: gradients see no more.

    >>> [constant.expression for constant in registry() if constant.name == "gelu_jacobian_factor"]
    ['jacobian_factor(gelu)']
    """
    critical = (
        constant
        for name in _CRITICAL
        for constant in (
            Constant(f"critical_sigma_w_{name}", f"1/std({name})", "weights at the edge of chaos, q = 1"),
            Constant(
                f"critical_sigma_b_{name}",
                f"sqrt(1 - second_moment({name})/slope_second_moment({name}))",
                "biases at the edge of chaos, q = 1",
            ),
        )
        if not (name in _HOMOGENEOUS and "sigma_b" in constant.name)
    )
    each = (
        Constant(f"{entry.name}_{suffix}", f"{quantity}({_ARGUMENTS.get(entry.name, entry.name)})", note)
        for entry in CATALOG
        for suffix, quantity, note in _OF_EACH
    )
    return (*_NAMED, *critical, *each)
