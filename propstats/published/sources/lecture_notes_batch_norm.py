"""Lecture notes on batch normalisation."""

from fractions import Fraction

from propstats.published import exact_batch_norm
from propstats.published.claims import Claim
from propstats.published.sources.lecture_notes import NOTES

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "notes-batch-norm-mean",
        NOTES,
        "batch normalization",
        "mean of the standardised values",
        "0",
        exact_batch_norm.batch_norm_mean,
    ),
    Claim(
        "notes-batch-norm-std",
        NOTES,
        "batch normalization",
        "standard deviation of the standardised values, eps = 0",
        "1",
        lambda: exact_batch_norm.batch_norm_variance(Fraction(0)),
    ),
    Claim(
        "notes-batch-norm-eps",
        NOTES,
        "batch normalization, step 3",
        "standard deviation of gamma x + beta is gamma, eps = 1e-5",
        "gamma",
        lambda: exact_batch_norm.batch_norm_variance(Fraction(1, 10**5)),
        note="sqrt(var/(var + eps)) gamma: eps does more than prevent a division by 0",
    ),
    Claim(
        "notes-batch-norm-identity",
        NOTES,
        "batch normalization",
        "some gamma and beta give the identity",
        "the identity",
        exact_batch_norm.batch_norm_identity,
    ),
    Claim(
        "notes-batch-norm-decay",
        NOTES,
        "batch normalization",
        "before batch normalisation the scale of the weights has no effect (nor has L2 decay, but on the rate)",
        "no effect",
        lambda: exact_batch_norm.batch_norm_ignores(lambda x: 3 * x),
    ),
)
