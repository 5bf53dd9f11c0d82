"""The functions a formula may use, each with its partial derivatives in the same language.

`u` and `v` stand for the first and the second argument. `where` and comparisons have no entry: derivatives
pass through their branches.
"""

DERIVATIVES: dict[str, tuple[str, ...]] = {
    # operators
    "add": ("1", "1"),
    "sub": ("1", "-1"),
    "mul": ("v", "u"),
    "div": ("1/v", "-u/v**2"),
    "neg": ("-1",),
    "pow": ("v*u**(v - 1)", "u**v*log(u)"),
    # elementary
    "exp": ("exp(u)",),
    "expm1": ("exp(u)",),
    "log": ("1/u",),
    "log1p": ("1/(1 + u)",),
    "sqrt": ("1/(2*sqrt(u))",),
    "sin": ("cos(u)",),
    "cos": ("-sin(u)",),
    "atan": ("1/(1 + u**2)",),
    "asinh": ("1/sqrt(1 + u**2)",),
    "abs": ("sign(u)",),
    "sign": ("0",),
    # sigmoidal; sech2 and sigmoid(u)*sigmoid(-u) keep their relative accuracy in the tails, 1 - tanh**2 does not
    "tanh": ("sech2(u)",),
    "sech2": ("-2*tanh(u)*sech2(u)",),
    "sigmoid": ("sigmoid(u)*sigmoid(-u)",),
    "softplus": ("sigmoid(u)",),
    "tanhshrink": ("tanh(u)**2",),  # u - tanh(u), without cancellation around 0
    "erf": ("2/sqrt(pi)*exp(-u**2)",),
    # Gaussian: distribution function, density, and what closed forms need beside them
    "Phi": ("phi(u)",),
    "phi": ("-u*phi(u)",),
    "between": ("-phi(u)", "phi(v)"),  # Phi(v) - Phi(u), without cancellation in the upper tail
    "expPhi": ("expPhi(u, v)", "exp(u - v**2/2)/sqrt(2*pi)"),  # exp(u) Phi(v), without overflow
    "owens_t": (  # Owen's T(h, a)
        "-phi(u)*(Phi(u*v) - 1/2)",
        "exp(-u**2*(1 + v**2)/2)/(2*pi*(1 + v**2))",
    ),
}

_OPERATORS = {"add", "sub", "mul", "div", "neg", "pow"}

#: What may be called by name, with the number of arguments.
ARITY: dict[str, int] = {name: len(d) for name, d in DERIVATIVES.items() if name not in _OPERATORS} | {"where": 3}
