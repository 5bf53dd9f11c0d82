"""The activations propstats knows, each stated once; all else is derived from its formula."""

from propstats.activations.activation import Activation

# The doubles next to these are what torch.nn.SELU uses.
_SELU_ALPHA = "1.6732632423543772848170429916717"
_SELU_SCALE = "1.0507009873554804934193349852946"

_HENDRYCKS = "Hendrycks & Gimpel 2016, arXiv:1606.08415"

# The sign of x, except that it is not 0 at 0.
_SIDE = "where(x > 0, 1, -1)"

#: Parameters have the names and the defaults of torch.nn. Formulas are written so that neither they nor their slopes
#: lose digits in the tails or around 0.
CATALOG: tuple[Activation, ...] = (
    # rectifiers and other piecewise polynomials
    Activation("identity", "x"),
    Activation("relu", "max(x, 0)", reference="Nair & Hinton 2010"),
    Activation(
        "leaky_relu", "where(x > 0, x, negative_slope*x)", {"negative_slope": 0.01}, reference="Maas, Hannun & Ng 2013"
    ),
    Activation("prelu", "where(x > 0, x, a*x)", {"a": 0.25}, reference="He et al. 2015, arXiv:1502.01852"),
    Activation(
        "rrelu",
        # In training the slope is drawn from [lower, upper]; in evaluation, and here, it is the middle.
        "where(x > 0, x, (lower + upper)/2*x)",
        {"lower": 1 / 8, "upper": 1 / 3},
        reference="Xu et al. 2015, arXiv:1505.00853",
    ),
    Activation("abs", "abs(x)"),
    Activation("relu6", "min(max(x, 0), 6)", reference="Krizhevsky 2010"),
    Activation(
        "hardtanh", "min(max(x, min_val), max_val)", {"min_val": -1.0, "max_val": 1.0}, reference="Collobert 2004"
    ),
    Activation("hardsigmoid", "min(max(x + 3, 0), 6)/6", reference="Courbariaux et al. 2015, arXiv:1511.00363"),
    Activation("hardswish", "x*min(max(x + 3, 0), 6)/6", reference="Howard et al. 2019, arXiv:1905.02244"),
    Activation(
        "softshrink",
        "where(x > lambd, x - lambd, where(x < -lambd, x + lambd, 0))",
        {"lambd": 0.5},
        reference="Donoho 1995",
    ),
    Activation(
        "hardshrink",
        "where(x > lambd, x, where(x < -lambd, x, 0))",
        {"lambd": 0.5},
        reference="Donoho & Johnstone 1994",
    ),
    # torch has no defaults here; with these it is the ReLU.
    Activation("threshold", "where(x > threshold, x, value)", {"threshold": 0.0, "value": 0.0}),
    # step(0) = 0, as a spike needs more than its threshold; sign(0) = 0.
    Activation("step", "where(x > 0, 1, 0)", reference="McCulloch & Pitts 1943"),
    Activation("sign", "sign(x)"),
    Activation("square", "x**2"),
    Activation("cube", "x**3"),
    Activation("relu_squared", "max(x, 0)**2", reference="So et al. 2021, arXiv:2109.08668"),
    # exponential below 0
    Activation(
        "elu",
        "where(x > 0, x, alpha*expm1(x))",
        {"alpha": 1.0},
        reference="Clevert, Unterthiner & Hochreiter 2016, arXiv:1511.07289",
    ),
    Activation(
        "celu", "where(x > 0, x, alpha*expm1(x/alpha))", {"alpha": 1.0}, reference="Barron 2017, arXiv:1704.07483"
    ),
    Activation(
        "selu",
        f"{_SELU_SCALE}*where(x > 0, x, {_SELU_ALPHA}*expm1(x))",
        reference="Klambauer et al. 2017, arXiv:1706.02515",
    ),
    # smooth rectifiers
    Activation("gelu", "x*Phi(x)", reference=_HENDRYCKS),
    Activation(
        "gelu_tanh",
        # The same as x/2*(1 + tanh(...)), without its cancellation on the negative side.
        "x*sigmoid(2*sqrt(2/pi)*(x + 0.044715*x**3))",
        reference=_HENDRYCKS,
    ),
    Activation("quick_gelu", "x*sigmoid(1.702*x)", reference=_HENDRYCKS),
    Activation("silu", "x*sigmoid(x)", reference="Elfwing, Uchibe & Doya 2017, arXiv:1702.03118"),
    Activation("mish", "x*tanh(softplus(x))", reference="Misra 2019, arXiv:1908.08681"),
    Activation(
        "softplus",
        # torch turns linear above the threshold, which leaves a jump of exp(-threshold)/beta.
        "where(beta*x > threshold, x, softplus(beta*x)/beta)",
        {"beta": 1.0, "threshold": 20.0},
        reference="Dugas et al. 2001",
    ),
    Activation("log_sigmoid", "-softplus(-x)"),
    # (sqrt(x**2 + 1) - 1)/2 + x
    Activation("bent_identity", "x + x**2/(2*(sqrt(x**2 + 1) + 1))"),
    # sigmoids and what is left of the input without them
    Activation("sigmoid", "sigmoid(x)"),
    Activation("tanh", "tanh(x)"),
    Activation("erf", "erf(x)"),
    Activation(
        "softsign",
        # x/(1 + abs(x)): so written, its slope 1/(1 + abs(x))**2 is no difference of large terms.
        f"-{_SIDE}*expm1(-log1p({_SIDE}*x))",
        reference="Bergstra et al. 2009",
    ),
    Activation("atan", "atan(x)"),
    Activation("asinh", "asinh(x)"),
    Activation("tanhshrink", "tanhshrink(x)"),
    # waves, bumps and growth
    Activation("sin", "sin(x)"),
    Activation("cos", "cos(x)"),
    Activation("snake", "x + sin(a*x)**2/a", {"a": 1.0}, reference="Ziyin, Hartwig & Ueda 2020, arXiv:2006.08195"),
    Activation("gaussian", "exp(-x**2)"),
    # At 1/2 the bump is a Gaussian of unit width.
    Activation("rbf", "exp(-gamma*x**2)", {"gamma": 0.5}, reference="Broomhead & Lowe 1988"),
    Activation("exp", "exp(x)"),
)
