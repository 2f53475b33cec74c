"""Intervals, tests and areas against slow definitions and the libraries'."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from rewards.fitting.measures import calibration_bins, roc_auc
from rewards_eval import agreement, statistics
from rewards_eval.statistics import Draws

RANDOM = np.random.default_rng(7)
DRAWS = Draws(seed=3, resamples=4_000)


def permutation_p(one: np.ndarray, other: np.ndarray, draws: Draws) -> float:
    return statistics.permutation_p(one[None], other[None], draws)[0]


def pairs(values: list[float]) -> np.ndarray:
    return np.array([[value, 1.0] for value in values])


def test_resampled_means_are_those_of_the_drawn_arguments() -> None:
    data = RANDOM.random((3, 11, 2))  # three metrics of eleven arguments
    draws = Draws(1, 5)
    counts = np.concatenate(list(statistics.draw_counts(11, draws)))
    assert (counts.sum(1) == 11).all()
    slow = [[(w * m[:, 0]).sum() / (w * m[:, 1]).sum() for m in data] for w in counts]
    assert statistics.resampled_means(data, draws) == pytest.approx(np.array(slow))


def test_the_interval_of_a_mean_is_about_that_of_the_t_distribution() -> None:
    sample = RANDOM.normal(5.0, 2.0, 400)
    low, high = statistics.interval(statistics.resampled_means(pairs(list(sample)), DRAWS)) or (0, 0)
    expected = stats.t.interval(0.95, 399, sample.mean(), stats.sem(sample))
    assert (low, high) == pytest.approx(expected, abs=0.03)


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    sample = pairs(list(RANDOM.random(30)))
    one, again, other = (statistics.resampled_means(sample, Draws(seed, 200)) for seed in (1, 1, 2))
    assert (one == again).all()
    assert not (one == other).all()


def test_the_exact_permutation_test_is_scipys() -> None:
    one, other = list(RANDOM.normal(0.4, 1, 11)), list(RANDOM.normal(0, 1, 11))
    found = stats.permutation_test(
        (one, other), lambda x, y: np.mean(x) - np.mean(y), permutation_type="samples", n_resamples=10_000
    )
    assert permutation_p(pairs(one), pairs(other), DRAWS) == pytest.approx(found.pvalue)


def test_the_drawn_permutation_test_is_about_the_exact_one() -> None:
    one, other = list(RANDOM.normal(0.6, 1, 12)), list(RANDOM.normal(0, 1, 12))
    exact = permutation_p(pairs(one), pairs(other), Draws(0, 4_096))
    drawn = permutation_p(pairs(one), pairs(other), Draws(0, 4_095))
    assert drawn == pytest.approx(exact, abs=0.02)


def test_arguments_without_a_difference_do_not_change_the_test() -> None:
    one, other = list(RANDOM.normal(0.5, 1, 9)), list(RANDOM.normal(0, 1, 9))
    alone = permutation_p(pairs(one), pairs(other), DRAWS)
    same = list(RANDOM.random(500))
    assert permutation_p(pairs(one + same), pairs(other + same), DRAWS) == pytest.approx(alone)
    assert permutation_p(pairs(same), pairs(same), DRAWS) == 1.0


def test_rates_over_edits_are_permuted_by_argument() -> None:
    """Three arguments with ten edits each, all better: swapping whole arguments, 2 of 8 ways differ as much."""
    one, other = np.array([[9.0, 10.0]] * 3), np.array([[1.0, 10.0]] * 3)
    assert permutation_p(one, other, DRAWS) == 2 / 8


def test_a_drawn_p_is_never_zero_and_depends_on_the_seed() -> None:
    better, worse = pairs([1.0] * 40), pairs([0.0] * 40)
    assert permutation_p(better, worse, Draws(0, 99)) == 1 / 100
    one, other = pairs(list(RANDOM.normal(0.2, 1, 40))), pairs(list(RANDOM.normal(0, 1, 40)))
    assert len({permutation_p(one, other, Draws(seed, 999)) for seed in range(5)}) > 1


def test_swaps_that_differ_as_much_up_to_rounding_count() -> None:
    for _ in range(20):
        assert permutation_p(pairs(list(RANDOM.random(6) + 0.1)), pairs([0.0] * 6), DRAWS) == 2 / 64


def test_a_thousand_arguments_and_more_are_compared() -> None:
    """The ways to swap 1,024 arguments are more than a float can count."""
    better, worse = pairs([1.0] * 1_024), pairs([0.0] * 1_024)
    assert permutation_p(better, worse, Draws(0, 99)) == 1 / 100


@pytest.mark.parametrize("draws", [DRAWS, Draws(0, 3)])
def test_means_that_differ_by_rounding_alone_do_not_differ(draws: Draws) -> None:
    for one, other in (([0.38, 0.1, 0.44], [0.44, 0.38, 0.1]), ([0.94, 0.53, 0.1, 0.02], [0.1, 0.02, 0.53, 0.94])):
        assert sum(one) != sum(other)
        assert permutation_p(pairs(one), pairs(other), draws) == 1.0


def test_draws_without_a_value_are_left_out_of_the_interval() -> None:
    known = np.linspace(0, 1, 101)
    assert statistics.interval(np.concatenate([known, [np.nan] * 50])) == statistics.interval(known)
    assert statistics.interval(np.array([np.nan])) is None


def test_the_mean_of_nothing_is_none() -> None:
    assert statistics.ratio(np.zeros((3, 2))) is None
    assert statistics.ratio(np.array([[1.0, 0.25], [0.0, 0.25]])) == 2.0


def test_completions_of_one_argument_are_drawn_swapped_and_counted_together() -> None:
    owners = np.array([0, 1, 0, 2])
    one = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    other = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    (found,) = statistics.compare(one[None], other[None], [False], Draws(0, 500), owners)
    assert found is not None
    assert (found.difference, found.wins, found.ties, found.losses, found.n) == (pytest.approx(2 / 3), 2, 0, 0, 2)
    assert found.p == 2 / 4  # two arguments
    assert statistics.by_argument(np.stack([one, other]), owners).tolist() == [
        [[1.0, 2.0], [1.0, 1.0], [0.0, 1.0]],
        [[0.0, 2.0], [0.0, 1.0], [0.0, 0.0]],
    ]


def test_the_interval_of_a_difference_lies_on_its_side() -> None:
    one, other = pairs(list(RANDOM.normal(2, 0.5, 60))), pairs(list(RANDOM.normal(0, 0.5, 60)))
    found, turned = statistics.compare(np.stack([one, other]), np.stack([other, one]), [False, False], Draws(0, 500))
    assert found is not None
    assert turned is not None
    assert 0 < (found.low or 0) < found.difference < (found.high or 0)
    assert (turned.low, turned.high) == (pytest.approx(-(found.high or 0)), pytest.approx(-(found.low or 0)))


def test_what_arguments_add_to_a_rate_cancels_out() -> None:
    rates = np.array([[9.0, 10.0], [1.0, 5.0], [0.0, 1.0]])
    assert statistics._influences(rates).sum() == pytest.approx(0)
    assert statistics._influences(pairs([1.0, 3.0])).tolist() == [-1.0, 1.0]


def test_holm_by_hand() -> None:
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.6, 0.7]) == [1.0, 1.0]
    assert statistics.holm([]) == []


def test_a_comparison_counts_only_arguments_that_both_have() -> None:
    one = np.array([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    other = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    nothing = np.zeros((5, 2))
    found, lower, none = statistics.compare(
        np.stack([one, one, one]), np.stack([other, other, nothing]), [False, True, False], DRAWS
    )
    assert found is not None
    assert (found.difference, found.wins, found.ties, found.losses, found.n) == (pytest.approx(1 / 3), 1, 2, 0, 3)
    assert found.p == 1.0
    assert found.effect == pytest.approx((1 / 3) / np.std([1, 0, 0], ddof=1))
    assert lower is not None
    assert (lower.wins, lower.losses) == (0, 1)
    assert none is None


def test_the_effect_on_a_rate_over_edits_has_the_sign_of_the_difference() -> None:
    one = np.array([[18.0, 20.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])  # better on all edits, worse on most arguments
    other = np.array([[2.0, 20.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    (found,) = statistics.compare(one[None], other[None], [False], DRAWS)
    assert found is not None
    assert (found.wins, found.losses) == (1, 3)
    assert found.difference == pytest.approx(13 / 23)
    assert found.effect is not None
    assert found.effect > 0


@pytest.mark.parametrize("scale", [1e-14, 1.0, 1e5])
def test_an_effect_has_no_unit_and_none_where_all_arguments_differ_alike(scale: float) -> None:
    other = np.array([[1.0, 1.0], [2.3, 1.0], [0.333, 1.0], [7.1, 1.0]])
    alike, apart = other + np.array([0.1, 0.0]), other * [2.0, 1.0]
    units = [scale, 1.0]
    pairs = np.stack([alike, apart]) * units, np.stack([other, other]) * units
    same, found = statistics.compare(*pairs, [False, False], DRAWS)
    assert same is not None
    assert same.effect is None
    assert found is not None
    assert found.effect == pytest.approx(other[:, 0].mean() / other[:, 0].std(ddof=1))


def test_there_is_no_effect_size_where_one_system_has_0_everywhere_and_the_other_one_value() -> None:
    counts = np.tile([1.0, 2.0, 3.0], 100)
    zero, same = np.stack([0 * counts, counts], -1), np.stack([0.3 * counts, counts], -1)
    pairs = np.stack([zero, same]), np.stack([same, zero])
    assert [found and found.effect for found in statistics.compare(*pairs, [False, False], DRAWS)] == [None, None]


def test_areas_and_their_intervals() -> None:
    values = np.round(RANDOM.normal(size=300), 1)  # with ties
    truth = values + RANDOM.normal(size=300) > 0.3
    owners = np.arange(300)
    found = roc_auc(truth, values)
    assert found == roc_auc_score(truth, values)
    low, high = agreement.auc_interval(values, truth, owners, Draws(0, 500)) or (0, 0)
    slow = []
    for _ in range(500):
        drawn = RANDOM.integers(0, 300, 300)
        slow.append(roc_auc_score(truth[drawn], values[drawn]))
    assert (low, high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])), abs=0.012)


def test_calibration_by_hand() -> None:
    shares, truth = np.array([0.05, 0.09, 0.95, 1.0]), np.array([False, True, True, True])
    (low_mean, low_share, low_count), (mean, share, count) = calibration_bins(truth, shares)
    assert (low_mean, low_share, low_count) == (pytest.approx(0.07), 0.5, 2)
    assert (mean, share, count) == (pytest.approx(0.975), 1.0, 2)


def test_differences_that_are_rounding_have_no_interval() -> None:
    one, other = pairs([0.1 + 0.2] * 20), pairs([0.3] * 20)
    (found,) = statistics.compare(one[None], other[None], [False], Draws(0, 100))
    assert found is not None
    assert (found.low, found.p, found.ties) == (None, 1.0, 20)


def test_many_tests_leave_room_for_a_correction() -> None:
    rows = pairs([1.0] * 40)
    found = statistics.compare(
        np.stack([rows] * 500), np.stack([rows * [2.0, 1.0]] * 500), [False] * 500, Draws(0, 100)
    )
    corrected = statistics.holm([one.p for one in found if one is not None])
    assert max(corrected) < 0.003


def test_evenly_split_raters_say_neither() -> None:
    def agreed(labels: list[float]) -> agreement.Agreement:
        units = [(str(i), None) for i in range(len(labels))]
        scores = agreement.Scores()
        for unit, value in zip(units, (0.1, 0.2, 0.9, 0.8, 0.6), strict=True):
            scores.values[unit] = scores.shares[unit] = value
            scores.passed[unit] = value > 0.5
        wanted = dict(zip(units, labels, strict=True))
        return agreement._agreement("r", "l", scores, wanted, units, np.arange(len(units)), Draws(0, 100))

    found = agreed([0.0, 0.0, 1.0, 1.0, 0.5])
    assert (found.auc, found.kappa, found.split, found.positive) == (1.0, 1.0, 1, 0.5)
    assert found.ece == pytest.approx((0.1 + 0.2 + 0.1 + 0.2 + 0.1) / 5)
    rated = agreed([0.5, 1.0, 5.0, 4.0, 3.0])  # no probabilities: one half is a rating as any other
    assert (rated.auc, rated.kappa, rated.split, rated.positive, rated.ece) == (None, None, 0, None, None)
    assert rated.tau == pytest.approx(stats.kendalltau([0.1, 0.2, 0.9, 0.8, 0.6], [0.5, 1, 5, 4, 3]).statistic)


def test_agreement_is_not_defined_where_nothing_varies() -> None:
    assert agreement.kappa([], []) is None
    assert agreement.kappa([True, True], [True, True]) is None
    assert agreement.kappa([True, True], [True, False]) == 0.0
    assert agreement.kappa([True, True], [False, False]) == 0.0
    assert agreement.tau(np.array([1.0, 1.0]), np.array([0.0, 1.0])) is None


def test_an_area_counts_equal_values_half_in_every_draw() -> None:
    values, truth = np.array([0.0, 1.0, 1.0, 1.0, 1.0, 2.0]), np.array([0, 0, 0, 1, 1, 1], bool)
    low, high = agreement.auc_interval(values, truth, np.arange(6), Draws(0, 300)) or (0, 0)
    slow = []
    for counts in np.concatenate(list(statistics.draw_counts(6, Draws(0, 300)))).astype(int):
        drawn = np.repeat(np.arange(6), counts)
        if 0 < truth[drawn].sum() < 6:
            slow.append(roc_auc_score(truth[drawn], values[drawn]))
    assert (low, high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))
