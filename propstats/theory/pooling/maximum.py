"""What a window of a maximum does, ties included."""

from collections.abc import Mapping

from propstats.theory.pooling.average import RELU, RELU_FORMS, RELU_FORMS_CENTRED
from propstats.theory.pooling.dark import dark_window
from propstats.theory.pooling.deviates import rectified_maximum
from propstats.theory.pooling.inputs import PoolInput
from propstats.theory.pooling.law import Law

#: Moments of the largest of n independent N(0, 1).
_LARGEST = {"w": "n*x*Phi(x)**(n - 1)", "ww": "n*x**2*Phi(x)**(n - 1)"}
#: Their closed forms, by Stein's lemma `E[w] = n (n - 1) E[phi Phi^(n-2)]` and
#: `E[w^2] = 1 + n (n - 1)(n - 2)/2 E[phi^2 Phi^(n-3)]`, which are orthant probabilities of up to three Gaussians.
_MEANS = {
    2: "1/sqrt(pi)",
    3: "3/(2*sqrt(pi))",
    4: "3/(2*sqrt(pi))*(1 + 2/pi*atan(1/sqrt(8)))",
    5: "5/(4*sqrt(pi))*(1 + 6/pi*atan(1/sqrt(8)))",
}
_SECOND_MOMENTS = {
    2: "1",
    3: "1 + sqrt(3)/(2*pi)",
    4: "1 + sqrt(3)/pi",
    5: "1 + 5*sqrt(3)/(4*pi)*(1 + 2/pi*atan(1/sqrt(15)))",
    6: "1 + 5*sqrt(3)/(4*pi)*(1 + 6/pi*atan(1/sqrt(15)))",
}
#: Given the independent part e = x of the largest input, that input is N(m + s sqrt(1 - r) x, r s^2), and all others
#: are smaller with probability Phi(x)^(n - 1): these are the moments of its positive part.
_HERE, _WIDTH = "(m + s*sqrt(1 - r)*x)", "(s*sqrt(r))"
_RECTIFIED = {
    "y": f"n*Phi(x)**(n - 1)*({_HERE}*Phi({_HERE}/{_WIDTH}) + {_WIDTH}*phi({_HERE}/{_WIDTH}))",
    "yy": f"n*Phi(x)**(n - 1)*(({_HERE}**2 + {_WIDTH}**2)*Phi({_HERE}/{_WIDTH})"
    f" + {_HERE}*{_WIDTH}*phi({_HERE}/{_WIDTH}))",
}
#: Its terms, which cancel far below 0; the density at z is as uncertain there as z^2 roundings.
_SIZES = {
    name: f"(1 + where({_HERE} > 0, 0, {_HERE}/{_WIDTH})**2)*{text}".replace(f"{_HERE}*", f"abs{_HERE}*")
    for name, text in _RECTIFIED.items()
}
#: The mean of the largest of two and 0, for m = 0.
_CENTRED_PAIR = "s/sqrt(2*pi)*(1 + sqrt((1 - r)/2))"
#: The same for independent inputs.
_INDEPENDENT = {name: f"n*Phi(x)**(n - 1)*{text}" for name, text in RELU.items()}


def maximum(inputs: int, given: PoolInput) -> Law:
    """Return the law of the largest of n inputs.

    Gaussian: mean `m + s sqrt(1 - rho) m_n`, variance `s^2 (rho + (1 - rho) v_n)`, for negative rho as well, because
    the inputs are their mean and deviations from it, independent of each other. Each input wins with probability 1/n.
    Rectified: all inputs are 0 with a probability p, and then the first one wins, as in torch.

    Args:
        inputs: n.
        given: The law of the inputs.

    >>> maximum(4, PoolInput()).forms["ww"]  # David & Nagaraja 2003, Order Statistics, section 3.2
    '1 + sqrt(3)/pi'
    """
    n = 1 if given.ties else inputs
    # Inputs that are all the same are one input, and it is always the first that wins.
    slopes = {"first": "1", "other": "0"} if given.ties else {"first": "1/n", "other": "1/n"}
    moments = {"second_moment": "mean**2 + var", "std": "sqrt(var)"}
    params = {"n": float(n), "m": given.mean, "s": given.std, "r": 0.0 if n == 1 else given.correlation}
    if given.is_constant or not given.rectified:
        if given.rectified:
            params["m"], slopes["alive"] = max(0.0, given.mean), f"{int(given.mean > 0)}/{inputs}"
        if n == 1:
            return Law({"mean": "m", "var": "s**2"} | moments | slopes, params)
        results = {"mean": "m + s*sqrt(1 - r)*w", "var": "s**2*(r + (1 - r)*(ww - w**2))"} | moments | slopes
        return Law(results, params, _LARGEST, _forms(n))
    results = {"mean": "y", "var": "yy - y**2", "second_moment": "yy", "std": "sqrt(var)"}
    relu_forms = RELU_FORMS if given.mean else RELU_FORMS_CENTRED
    if given.ties:
        return Law(results | slopes | {"alive": f"Phi(m/s)/{inputs}"}, params, RELU, relu_forms)
    dark = dark_window(n, given)
    results |= {"other": f"(1 - {dark.formula})/n", "first": f"other + {dark.formula}", "alive": "other"}
    if params["r"] < 0.0:
        return Law(results, params, known=rectified_maximum(n, given))
    if params["r"] == 0.0:
        return Law(results, params, _INDEPENDENT, relu_forms if n == 1 else {})
    forms = {"y": _CENTRED_PAIR} if n == 2 and given.mean == 0.0 else {}
    return Law(results, params, {**_RECTIFIED, **dark.integrals}, {**forms, **dark.forms}, sizes=_SIZES)


def _forms(inputs: int) -> Mapping[str, str]:
    """Return what is known in closed form of the largest of n."""
    tables = {"w": _MEANS, "ww": _SECOND_MOMENTS}
    return {name: table[inputs] for name, table in tables.items() if inputs in table}
