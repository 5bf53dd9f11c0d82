"""Constants in deep learning frameworks: gains, SELU, truncated normal weights."""

from propstats.published.claims import Claim, Source

TORCH_GAIN = Source("torch 2.13, nn/init.py")
TORCH_LINEAR = Source("torch 2.13, nn/modules/linear.py")
SNN_SELU = Source("bioinf-jku/SNNs, selu.py (024276b)")
TRUNCATED = Source("jax, nn/initializers.py; timm, layers/weight_init.py")
SNN = Source("bioinf-jku/SNNs, getSELUparameters.ipynb (3209af0)")

_SLOPES = tuple({"a": a} for a in ("0", "0.01", "0.2", "1"))
_WIDTHS = tuple({"n": n} for n in ("1", "7", "512"))

_AT = "mu=-1/10, s=sqrt(2)"
#: First and second moments of the two sides of a SELU, without its constants, at the fixed point (-0.1, 2).
_UP, _DOWN = f'expect("max(x, 0)", {_AT})', f'expect("where(x > 0, 0, expm1(x))", {_AT})'
_UP_2, _DOWN_2 = f'expect("max(x, 0)**2", {_AT})', f'expect("where(x > 0, 0, expm1(x)**2)", {_AT})'
#: lambda (up + alpha down) = -1/10 and lambda^2 (up2 + alpha^2 down2) = 2.01 leave a quadratic equation for alpha.
_A, _B, _C = f"({_DOWN_2}/100 - 2.01*{_DOWN}**2)", f"(2.01*{_UP}*{_DOWN})", f"({_UP_2}/100 - 2.01*{_UP}**2)"
_ALPHA = f"({_B} - sqrt({_B}**2 - {_A}*{_C}))/{_A}"
_LAMBDA = f"-1/10/({_UP} + {_ALPHA}*{_DOWN})"

_SELU_ALPHA = "1/sqrt(2*pi)/(1/2 - exp(1/2)*Phi(-1))"
_SELU_LAMBDA = f"1/sqrt(1/2 + ({_SELU_ALPHA})**2*(exp(2)*Phi(-2) - 2*exp(1/2)*Phi(-1) + 1/2))"
#: SELU with the constants that its definition gives, not those of some package.
SELU = f'"({_SELU_LAMBDA})*where(x > 0, x, ({_SELU_ALPHA})*expm1(x))"'

CLAIMS: tuple[Claim, ...] = (
    Claim("torch-gain-linear", TORCH_GAIN, "calculate_gain", "gain of the identity", "1", "gain(identity)", equal=True),
    Claim("torch-gain-relu", TORCH_GAIN, "calculate_gain", "gain of ReLU", "sqrt(2)", "gain(relu)", equal=True),
    Claim(
        "torch-gain-leaky",
        TORCH_GAIN,
        "calculate_gain",
        "gain of leaky ReLU",
        "sqrt(2/(1 + a**2))",
        "gain(leaky_relu, negative_slope=a)",
        at=_SLOPES,
    ),
    Claim(
        "torch-gain-tanh",
        TORCH_GAIN,
        "calculate_gain",
        "gain of tanh",
        "5/3",
        "gain(tanh)",
        equal=True,
        note="1/sqrt(E[tanh^2]) for N(0, 1)",
    ),
    Claim(
        "torch-gain-sigmoid",
        TORCH_GAIN,
        "calculate_gain",
        "gain of the sigmoid",
        "1",
        "gain(sigmoid)",
        equal=True,
        note="1/sqrt(E[sigmoid^2]) for N(0, 1)",
    ),
    Claim(
        "torch-gain-selu",
        TORCH_GAIN,
        "calculate_gain",
        "gain of SELU",
        "3/4",
        f"gain({SELU})",
        equal=True,
        estimated=True,
        note="found empirically, for other weights than the paper's",
    ),
    Claim(
        "torch-linear-bound",
        TORCH_LINEAR,
        "reset_parameters",
        "bound of kaiming_uniform with a = sqrt(5)",
        "1/sqrt(n)",
        "sqrt(3)*sqrt(2/(1 + sqrt(5)**2))/sqrt(n)",
        at=_WIDTHS,
    ),
    Claim(
        "selu-alpha",
        SNN_SELU,
        "SELU",
        "alpha: the mean of the output is 0",
        "1.6732632423543772848170429916717",
        _SELU_ALPHA,
    ),
    Claim(
        "selu-lambda",
        SNN_SELU,
        "SELU",
        "scale: the second moment of the output is 1",
        "1.0507009873554804934193349852946",
        _SELU_LAMBDA,
    ),
    Claim(
        "selu-alpha-prime",
        SNN_SELU,
        "alpha dropout",
        "what dropped units are set to",
        "-1.7580993408473766",
        f"-({_SELU_LAMBDA})*({_SELU_ALPHA})",
        note="the product in double precision: one unit of its last place off",
    ),
    Claim(
        "truncated-normal",
        TRUNCATED,
        "variance scaling",
        "standard deviation of N(0, 1) cut off at two",
        "0.87962566103423978",
        "sqrt(1 - 4*phi(2)/between(-2, 2))",
    ),
    Claim(
        "snn-alpha-form",
        SNN,
        "last cells",
        "alpha in closed form",
        "-sqrt(2/pi)/(exp(0.5)*2*Phi(-1) - 1)",
        '-expect("max(x, 0)")/expect("where(x > 0, 0, expm1(x))")',
        equal=True,
    ),
    Claim(
        "snn-lambda-form",
        SNN,
        "last cells",
        "scale in closed form",
        "(1 - sqrt(exp(1))*2*Phi(-1))*sqrt(2*pi/(2 + pi - 2*sqrt(exp(1))*(2 + pi)*2*Phi(-1)"
        " + exp(1)*pi*(2*Phi(-1))**2 + 2*exp(2)*2*Phi(-2)))",
        _SELU_LAMBDA,
        equal=True,
    ),
    Claim("snn-alpha", SNN, "last cells", "alpha", "1.67326324235", _SELU_ALPHA),
    Claim("snn-lambda", SNN, "last cells", "scale", "1.05070098736", _SELU_LAMBDA),
    Claim(
        "snn-alpha-solved",
        SNN,
        "getSeluParameters(0, 1)",
        "alpha, by a numerical solver",
        "1.6732632423543774",
        _SELU_ALPHA,
        note="off by a few units in the last place of a double",
    ),
    Claim(
        "snn-lambda-solved",
        SNN,
        "getSeluParameters(0, 1)",
        "scale, by a numerical solver",
        "1.0507009873554802",
        _SELU_LAMBDA,
        note="off by a few units in the last place of a double",
    ),
    Claim(
        "snn-alpha-fixed-point",
        SNN,
        "getSeluParameters(-0.1, 2)",
        "alpha for mean -0.1 and variance 2, by a solver",
        "1.9769021954241999",
        _ALPHA,
        note="off by a few units in the last place of a double",
    ),
    Claim(
        "snn-lambda-fixed-point",
        SNN,
        "getSeluParameters(-0.1, 2)",
        "scale for mean -0.1 and variance 2, by a solver",
        "1.073851239616047",
        _LAMBDA,
        note="off by a few units in the last place of a double",
    ),
)
