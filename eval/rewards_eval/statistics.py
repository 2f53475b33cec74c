"""Uncertainty of means and their differences: bootstrap, permutation tests, correction, effect size. Vectorised, seeded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
LEVEL = 0.95
_ROWS = 256  # resamples in memory at a time
_ULPS = 1e-9  # relative tolerance: smaller differences are rounding errors


@dataclass(frozen=True, slots=True)
class Draws:
    """The seed and number of resamples. All metrics share the same draws, so intervals are paired."""

    seed: int = 0
    resamples: int = 10_000


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """System A against system B on one metric: A − B over the arguments for which both have a value."""

    difference: float
    low: float | None  # None where all resamples agree; see `interval`
    high: float | None
    p: float
    effect: float | None  # see `effect_size`; None where the influences of arguments do not vary
    wins: int  # arguments on which A is better, or higher for a metric without a better direction
    ties: int
    losses: int
    n: int


def ratio(pairs: Array) -> float | None:
    """The mean of (n, 2) numerators and denominators; None where the denominators are all 0."""
    numerator, denominator = pairs.sum(0)
    return float(numerator / denominator) if denominator else None


def by_argument(pairs: Array, owners: Array | None) -> Array:
    """Sum (…, n, 2) of completions to (…, G, 2) of arguments; `owners` (n,) holds each completion's argument number.

    The bootstrap and the tests need independent units: arguments are independent, completions of the same one are not.
    """
    if owners is None or len(np.unique(owners)) == len(owners):
        return pairs
    sums = np.zeros((int(owners.max()) + 1, *pairs.shape[:-2], 2))
    np.add.at(sums, owners, np.moveaxis(pairs, -2, 0))
    return np.moveaxis(sums, 0, -2)


def resampled_means(pairs: Array, draws: Draws, owners: Array | None = None) -> Array:
    """(…, n, 2) to (resamples, …): bootstrap means over arguments; NaN where a draw has no value."""
    pairs = by_argument(pairs, owners)
    n = pairs.shape[-2]
    flat = np.moveaxis(pairs, -2, 0).reshape(n, -1)  # (n, … × 2)
    sums = np.concatenate([counts @ flat for counts in draw_counts(n, draws)])
    totals = sums.reshape(draws.resamples, *pairs.shape[:-2], 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return totals[..., 0] / totals[..., 1]  # type: ignore[no-any-return]  # an index of numpy is Any


def interval(resampled: Array, scale: float = 0.0) -> tuple[float, float] | None:
    """The percentile interval of resampled means; for differences, `scale` is the magnitude of the means themselves.

    None without finite values, and where all resamples agree, as for a single argument or where all arguments have the same
    value: an interval of width 0 would not say how certain the mean is.
    """
    known = resampled[np.isfinite(resampled)]
    if not known.size or np.ptp(known) <= _ULPS * max(np.abs(known).max(), scale):
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def compare(
    ones: Array, others: Array, lower_is_better: Sequence[bool], draws: Draws, owners: Array | None = None
) -> list[MetricComparison | None]:
    """C comparisons of two systems on a metric, (C, n, 2) each, paired by argument; None where no argument has both values.

    Completions for which both systems have a value are summed by argument (`owners`, as in `by_argument`). All C comparisons
    share their draws: one matrix of resamples, and one of swaps, multiplies all of them.
    """
    both = (ones[..., 1] > 0) & (others[..., 1] > 0)  # (C, n)
    ones, others = (by_argument(side * both[..., None], owners) for side in (ones, others))
    both = ones[..., 1] > 0
    means = resampled_means(np.stack([ones, others]), draws)  # (resamples, 2, C)
    p_values = permutation_p(ones, others, Draws(draws.seed, swaps(draws, len(ones))))
    found: list[MetricComparison | None] = []
    for c, lower in enumerate(lower_is_better):
        if not both[c].any():
            found.append(None)
            continue
        limits = interval(means[:, 0, c] - means[:, 1, c], float(np.nanmax(np.abs(means[:, :, c]))))
        pairs = ones[c][both[c]], others[c][both[c]]
        found.append(_compared(*pairs, limits, p_values[c], -1 if lower else 1))
    return found


def _compared(one: Array, other: Array, limits: tuple[float, float] | None, p: float, better: int) -> MetricComparison:
    difference = float(_difference(one.sum(0), other.sum(0)))
    values = np.stack([one[:, 0] / one[:, 1], other[:, 0] / other[:, 1]])
    each = values[0] - values[1]
    signs = better * np.where(np.abs(each) <= _ULPS * np.abs(values[0]), 0.0, np.sign(each))
    low, high = limits or (None, None)
    wins, losses = int((signs > 0).sum()), int((signs < 0).sum())
    ties = len(each) - wins - losses
    effect = effect_size(difference, _influences(one) - _influences(other), float(np.abs(values).max()))
    return MetricComparison(difference, low, high, p, effect, wins, ties, losses, len(each))


def _influences(pairs: Array) -> Array:
    """(n,): each argument's first-order influence on the ratio of sums; with denominators of 1, its deviation from the mean."""
    numerator, denominator = pairs.sum(0)
    return (pairs[:, 0] - numerator / denominator * pairs[:, 1]) * len(pairs) / denominator  # type: ignore[no-any-return]  # an index of numpy is Any


def swaps(draws: Draws, tests: int) -> int:
    """How many swaps to draw: enough that the smallest possible p, corrected for that many tests, is at most .0025."""
    return max(draws.resamples, round(20 * tests / (1 - LEVEL)))


def permutation_p(ones: Array, others: Array, draws: Draws) -> list[float]:
    """Two-sided p-values of paired permutation tests: C comparisons, (C, n, 2) against (C, n, 2).

    A hit is a swap of the systems, on random arguments, that leaves at least the observed difference: p is
    (hits + 1) / (resamples + 1), which is never 0. Where at most `resamples` swaps exist, all are tried: hits / swaps.
    """
    changed = (ones != others).any(-1)  # (C, n)
    exact = [1 << int(count) <= draws.resamples for count in changed.sum(1)]  # 2.0**1024 would overflow
    drawn = np.flatnonzero(~np.asarray(exact, dtype=bool))
    found = [0.0] * len(exact)
    everybody = np.ones(ones.shape[1], dtype=bool)
    swaps = _random_swaps(ones.shape[1], draws) if drawn.size else iter(())
    for c, (hits, total) in zip(drawn, _hits(ones[drawn], others[drawn], everybody, swaps), strict=False):
        found[c] = (hits + 1) / (total + 1)
    for c in np.flatnonzero(exact):
        hits, total = _hits(ones[[c]], others[[c]], changed[c], _all_swaps(int(changed[c].sum())))[0]
        found[c] = hits / total
    return found


def _hits(ones: Array, others: Array, rows: Array, swaps: Iterator[Array]) -> list[tuple[int, int]]:
    """For each of C comparisons: how many swaps leave at least the observed difference, and how many swaps there are.

    Swaps are over the arguments that the mask `rows` (n,) selects; the others stay as they are.
    """
    sums = ones.sum(1), others.sum(1)  # (C, 2)
    observed = np.abs(_difference(*sums))
    with np.errstate(invalid="ignore", divide="ignore"):
        sizes = [np.abs(side[..., 0]).sum(1) / side[..., 1].sum(1) for side in (ones, others)]
    limits = observed - _ULPS * np.maximum(*sizes)
    moves = np.moveaxis((others - ones)[:, rows], 1, 0)
    moves = moves.reshape(len(moves), 2 * len(ones))
    hits, total = np.zeros(len(ones), dtype=int), 0
    for swapped in swaps:
        moved = (swapped @ moves).reshape(len(swapped), -1, 2)
        hits += (np.abs(_difference(sums[0] + moved, sums[1] - moved)) >= limits).sum(0)
        total += len(swapped)
    return [(int(hit), total) for hit in hits]


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number (Holm 1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if len(p_values) else steps
    return [float(p) for p in corrected]


def effect_size(difference: float, added: Array, scale: float) -> float | None:
    """The difference divided by the standard deviation of the influences: for plain means, Cohen's d of paired differences.

    None where the influences do not vary by more than rounding errors of values as large as `scale`.
    """
    deviation = float(added.std(ddof=1)) if len(added) > 1 else 0.0
    return difference / deviation if deviation > _ULPS * scale else None


def _difference(one: Array, other: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return one[..., 0] / one[..., 1] - other[..., 0] / other[..., 1]


def draw_counts(n: int, draws: Draws) -> Iterator[Array]:
    """How often each of n arguments is drawn, (rows, n) at a time."""
    random = np.random.default_rng(draws.seed)
    for start in range(0, draws.resamples, _ROWS):
        rows = min(_ROWS, draws.resamples - start)
        drawn = random.integers(0, n, size=(rows, n)) + np.arange(rows)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def _random_swaps(n: int, draws: Draws) -> Iterator[Array]:
    """Random swaps: 1 for each of n arguments that is swapped, else 0; (rows, n) at a time."""
    random = np.random.default_rng([draws.seed, 1])
    for start in range(0, draws.resamples, _ROWS):
        rows = min(_ROWS, draws.resamples - start)
        yield random.integers(0, 2, size=(rows, n), dtype=np.int8).astype(np.float64)


def _all_swaps(count: int) -> Iterator[Array]:
    """All ways to swap `count` arguments, (rows, count) at a time."""
    for start in range(0, 2**count, _ROWS):
        ways = np.arange(start, min(start + _ROWS, 2**count))[:, None]
        yield ((ways >> np.arange(count)) & 1).astype(np.float64)
