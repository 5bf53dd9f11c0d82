"""Checks of statements find the counterexamples that are planted."""

from fractions import Fraction

import pytest

from propstats.published import exact_batch_norm, exact_matrices, exact_networks, normprop_experiments
from propstats.published.exact_matrices import Matrix, canonical_error_bound, vector


def _smaller(matrix: Matrix) -> Matrix:
    return tuple(tuple(w / 100 for w in row) for row in matrix)


def test_bound_of_proposition_1() -> None:
    found = exact_matrices.bound_holds()
    assert found.holds
    assert found.exact.startswith("largest ratio 1 in")  # two rows attain it
    # too small a bound, and one that does not scale as the covariances do
    assert not exact_matrices.bound_holds(lambda m: canonical_error_bound(m) * Fraction(99, 100)).holds
    small = _smaller(next(exact_matrices.matrices()))
    assert exact_matrices.off_diagonal(small) <= canonical_error_bound(small)
    assert exact_matrices.off_diagonal(small) > canonical_error_bound(small, power=4)


def test_nearest_diagonal() -> None:
    assert exact_matrices.diagonal_is_best().holds
    assert not exact_matrices.diagonal_is_best(shift=Fraction(1, 5)).holds


def test_scale_of_rows() -> None:
    assert exact_matrices.row_scale_is_free().holds
    assert not exact_matrices.row_scale_is_free(normalise=False).holds


def test_batch_norm() -> None:
    assert exact_batch_norm.batch_norm_ignores(lambda x: 3 * x - 7).holds
    assert not exact_batch_norm.batch_norm_ignores(lambda x: x**2).holds
    assert not exact_batch_norm.batch_norm_ignores(lambda x: -x).holds
    assert exact_batch_norm.batch_norm_variance(Fraction(0)).holds
    assert exact_batch_norm.batch_norm_variance(Fraction(1, 2)).exact == "0.95 for values of variance 19/2"
    assert exact_batch_norm.batch_norm_mean().holds
    assert exact_batch_norm.batch_norm_identity().holds
    assert exact_batch_norm.batch_of_one().holds
    assert exact_batch_norm.mean_and_var(vector(1, 2, 4, 9)) == (Fraction(4), Fraction(19, 2))


def test_identical_units() -> None:
    assert exact_networks.identical_units(vector(1, 2), steps=0).holds
    assert exact_networks.identical_units(vector(2, 2), steps=5).holds
    found = exact_networks.identical_units(vector(1, 2), steps=1)
    assert not found.holds
    assert found.exact == "different after 1 step: outgoing weights 1 and 2"


def test_one_step_of_training_by_hand() -> None:
    """One example (1, 2) with target 3 has the error e = 3 - 3 = 0; the others are inactive or give what follows."""
    incoming, outgoing = exact_networks.train((vector(1, 1), vector(1, 1)), vector(1, 0), steps=1, rate=Fraction(1))
    # h = 3, 0, 1 and y = 3, 1, -2: errors 0, -1, 3; only the third is active with an error
    assert outgoing == vector(1 - 3, -3)
    assert incoming == (vector(1 - 6, 1 + 3), vector(1, 1))


def test_update_signs() -> None:
    assert exact_networks.update_signs(((vector(1, 3), -2),)).holds
    assert not exact_networks.update_signs(((vector(1, -3), -2),)).holds
    assert exact_networks.update_signs(((vector(1, 3), 1), (vector(3, 1), -1))).exact == "update (2, -2): signs differ"


def test_variances() -> None:
    assert exact_networks.variance_is(Fraction).holds
    assert not exact_networks.variance_is(lambda n: Fraction(n * n)).holds
    assert exact_networks.variance_is(lambda n: Fraction(1), lambda n: Fraction(1, n)).holds
    assert exact_networks.variance_of_product().holds
    assert exact_networks.slope_is_input().holds


def test_a_wrong_law_of_products_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """If slopes were not those of a ReLU, or sums not those of pairs, the checks would say so."""
    monkeypatch.setattr(exact_networks, "relu", abs)
    assert not exact_networks.slope_is_input().holds
    monkeypatch.setattr(exact_networks, "_signs", lambda n: [(0,) * n, (1,) * n])
    assert not exact_networks.variance_is(Fraction).holds


def test_experiments() -> None:
    assert normprop_experiments.beats_the_others().holds
    assert normprop_experiments.counts_layers().holds
    assert normprop_experiments.fits().holds


def test_planted_faults_in_the_experiments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normprop_experiments, "_TABLE_1", {"a": ("9.1", ("9.0", "9.5"))})
    assert normprop_experiments.beats_the_others().exact == "lowest error in 0 of 1 columns"
    monkeypatch.setattr(normprop_experiments, "_NETWORK", (("C", 5, 1, 0), ("P", 8, 8, 0)))
    assert not normprop_experiments.fits().holds
    assert not normprop_experiments.counts_layers().holds
