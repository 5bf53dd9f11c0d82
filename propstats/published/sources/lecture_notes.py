"""Lecture notes on the scaling of inputs and on initialisation."""

from fractions import Fraction

from propstats.published import exact_networks
from propstats.published.claims import Claim, Source
from propstats.published.comparison import differs
from propstats.published.exact_matrices import vector
from propstats.published.exact_networks import identical_units, update_signs, variance_is

NOTES = Source("Lecture notes, Proper scaling of inputs, initialization, normalization", seed=True)

_FANS = tuple({"n": n, "m": m} for n, m in (("3", "3"), ("1", "4"), ("512", "10")))
_WIDTHS = tuple({"n": n} for n in ("1", "7", "512"))

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "notes-local-derivative",
        NOTES,
        "zero centered inputs",
        "the slope of a unit's output in its weights is a' times its input",
        "a' y",
        exact_networks.slope_is_input,
    ),
    Claim(
        "notes-zigzag-example",
        NOTES,
        "zero centered inputs",
        "inputs of one sign: all components of one example's update have the same sign",
        "same sign",
        lambda: update_signs(((vector(1, 3), -2),)),
    ),
    Claim(
        "notes-zigzag-average",
        NOTES,
        "zero centered inputs",
        "features whose averages have one sign: all components of an update have the same sign",
        "same sign",
        lambda: update_signs(((vector(1, 3), 1), (vector(3, 1), -1))),
        note="true of one example with inputs of one sign; over several, gradients of both signs mix",
    ),
    Claim(
        "notes-relu-centre",
        NOTES,
        "zero centered inputs",
        "outputs of a ReLU are not centred",
        "not 0",
        lambda: differs("mean(relu)", "0", "mean"),
    ),
    Claim(
        "notes-sigmoid-centre",
        NOTES,
        "zero centered inputs",
        "outputs of a sigmoid are not centred",
        "not 0",
        lambda: differs("mean(sigmoid)", "0", "mean"),
    ),
    Claim(
        "notes-rates",
        NOTES,
        "unit variance inputs",
        "features of different variance: their weights are updated at different rates",
        "different",
        lambda: differs(
            'sqrt(expect("(3*x)**2")/expect("x**2"))', "1", "for standard deviations 3 and 1, ratio of the updates"
        ),
    ),
    Claim(
        "notes-same-activation",
        NOTES,
        "identical weights",
        "units with the same weights compute the same activation",
        "the same",
        lambda: identical_units(vector(1, 2), steps=0),
    ),
    Claim(
        "notes-same-gradient",
        NOTES,
        "identical weights",
        "units with the same weights and biases get the same gradient and remain identical",
        "identical",
        lambda: identical_units(vector(1, 2), steps=1),
        note="true if the weights from the units to the next layer are the same as well",
    ),
    Claim(
        "notes-product",
        NOTES,
        "Glorot initialization",
        "variance of a product of independent variables",
        "E[X]^2 Var Y + E[Y]^2 Var X + Var X Var Y",
        exact_networks.variance_of_product,
    ),
    Claim(
        "notes-one-product",
        NOTES,
        "Glorot initialization",
        "variance of one product of weight and input, both of mean 0 and variance 1",
        "1",
        'expect("x")**2*expect("x**2") + expect("x")**2*expect("x**2") + expect("x**2")*expect("x**2")',
        equal=True,
    ),
    Claim(
        "notes-sum",
        NOTES,
        "Glorot initialization",
        "variance of the inner product of n such pairs",
        "n",
        lambda: variance_is(Fraction),
    ),
    Claim(
        "notes-scaled-sum",
        NOTES,
        "Glorot initialization",
        "variance after scaling the weights by 1/sqrt(n)",
        "1",
        lambda: variance_is(lambda n: Fraction(1), lambda n: Fraction(1, n)),
    ),
    Claim(
        "notes-backward",
        NOTES,
        "Glorot initialization",
        "factor that keeps the gradient's variance through n outputs",
        "1/sqrt(n)",
        'sqrt(1/(n*expect("x**2")))',
        at=_WIDTHS,
    ),
    Claim(
        "notes-glorot-form",
        NOTES,
        "Glorot initialization",
        "the two forms of the final factor",
        "sqrt(2/(n + m))",
        "1/sqrt((n + m)/2)",
        at=_FANS,
    ),
    Claim(
        "notes-glorot-average",
        NOTES,
        "Glorot initialization",
        "the final factor is the average of 1/sqrt(n) and 1/sqrt(m)",
        "sqrt(2/(n + m))",
        "(1/sqrt(n) + 1/sqrt(m))/2",
        at=_FANS,
        note="n and m are averaged, inside the root",
    ),
    Claim(
        "notes-tanh-slope",
        NOTES,
        "Glorot initialization",
        "tanh equals its input where it is linear: its slope at 0",
        "1",
        "sech2(0)",
        equal=True,
    ),
    Claim(
        "notes-sigmoid-slope",
        NOTES,
        "Glorot initialization",
        "the sigmoid equals its input where it is linear: its slope at 0",
        "1",
        "sigmoid(0)*(1 - sigmoid(0))",
        equal=True,
    ),
    Claim(
        "notes-tanh-var",
        NOTES,
        "Glorot initialization",
        "variance after tanh of a unit-variance input",
        "1",
        "var(tanh)",
        equal=True,
    ),
    Claim(
        "notes-sigmoid-var",
        NOTES,
        "Glorot initialization",
        "variance after a sigmoid of a unit-variance input",
        "1",
        "var(sigmoid)",
        equal=True,
    ),
    Claim(
        "notes-half-active",
        NOTES,
        "Kaiming/He initialization",
        "share of ReLUs that are active",
        "1/2",
        'expect("where(x > 0, 1, 0)")',
        equal=True,
    ),
    Claim(
        "notes-half-inputs",
        NOTES,
        "Kaiming/He initialization",
        "the factor is that of Glorot's method with half the inputs",
        "sqrt(2/n)",
        "1/sqrt(n/2)",
        at=_WIDTHS,
    ),
    Claim(
        "notes-he",
        NOTES,
        "Kaiming/He initialization",
        "factor that keeps the variance of pre-activations through ReLUs",
        "sqrt(2/n)",
        "gain(relu)/sqrt(n)",
        at=_WIDTHS,
    ),
)
