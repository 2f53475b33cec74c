"""What fits report: areas, calibration, intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewards.errors import ConfigError

Floats = NDArray[np.float64]
DRAWS = 500
BINS = 10  # of calibration
PERFECT = 200  # draws of labels for the calibration error that a perfect model would have


def interval(measure: Callable[..., float], *columns: Any, seed: int, owners: Any = None) -> list[float]:
    """The 95 % percentile-bootstrap interval of `measure` over resampled rows of `columns`, each of length N.

    Rows with the same value in `owners` (N,), such as the edits of one argument, are drawn together (cluster bootstrap).
    Empty where no resample has a value.
    """
    rng = np.random.default_rng(seed)
    count = len(columns[0])
    groups = None if owners is None else _groups(owners)
    found = []
    for _ in range(DRAWS):
        if groups is None:
            rows = rng.integers(0, count, count)
        else:
            rows = np.concatenate([groups[place] for place in rng.integers(0, len(groups), len(groups))])
        value = measure(*(column[rows] for column in columns))
        if np.isfinite(value):
            found.append(value)
    return percentiles(found)


def percentiles(found: Sequence[float]) -> list[float]:
    """The 95 % interval of the values of resamples; empty where there are none."""
    return [round(float(np.quantile(found, level)), 4) for level in (0.025, 0.975)] if found else []


def _groups(owners: Any) -> list[NDArray[np.int64]]:
    """The rows of each owner."""
    places = np.unique(np.asarray(owners), return_inverse=True)[1]
    return np.split(np.argsort(places, kind="stable"), np.cumsum(np.bincount(places))[:-1])


def roc_auc(label: Any, score: Any) -> float:
    """The chance that a positive scores above a negative, ties counting half; NaN where there is one class only."""
    from sklearn.metrics import roc_auc_score

    label = np.asarray(label)
    return float(roc_auc_score(label, score)) if 0 < label.sum() < len(label) else float("nan")


def macro_f1(label: Any, decided: Any) -> float:
    """The mean F1 of both classes."""
    label, decided = np.asarray(label, bool), np.asarray(decided, bool)
    found = []
    for positive in (True, False):
        hits = float(((label == positive) & (decided == positive)).sum())
        misses = float((label != decided).sum())
        found.append(2 * hits / (2 * hits + misses) if hits or misses else 0.0)
    return float(np.mean(found))


def calibration_bins(label: Any, probability: Any) -> list[tuple[float, float, int]]:
    """Mean probability, share of the label and n for each of `BINS` equally wide bins that is not empty."""
    label, probability = np.asarray(label), np.asarray(probability)
    places = np.minimum((probability * BINS).astype(int), BINS - 1)
    return [
        (float(probability[own].mean()), float(label[own].mean()), n)
        for b in range(BINS)
        if (n := int((own := places == b).sum()))
    ]


def calibration_error(label: Any, probability: Any) -> float:
    """Expected calibration error of P(label) over `BINS` equally wide bins, in [0, 1]."""
    found = calibration_bins(label, probability)
    return sum(abs(mean - share) * n for mean, share, n in found) / len(np.asarray(label))


def calibration_curve(label: Any, probability: Any) -> list[dict[str, float]]:
    """The bins as a card states them: what a calibration plot shows."""
    return [
        {"probability": round(mean, 4), "share": round(share, 4), "n": n}
        for mean, share, n in calibration_bins(label, probability)
    ]


def calibration_report(label: Any, probability: Any, seed: int) -> dict[str, Any]:
    """The calibration error of P(label), both (N,), its curve, and the error that a perfectly calibrated model would have.

    Bins of some forty texts are noisy: even a perfect model has an error far from 0.
    """
    rng = np.random.default_rng(seed)
    ideal = [calibration_error(rng.random(len(probability)) < probability, probability) for _ in range(PERFECT)]
    return {
        "n": len(probability),
        "ece_10_bins": round(calibration_error(label, probability), 4),
        "ece_10_bins_if_perfect": round(float(np.mean(ideal)), 4),
        "ece_10_bins_if_perfect_95": percentiles(ideal),
        "calibration": calibration_curve(label, probability),
    }


def platt(logit: Floats, label: Any, *, balanced: bool = False) -> tuple[float, float]:
    """Slope (at least 0) and shift that calibrate logits (N,) to labels (N,); at slope 0 the shift is the labels' log-odds."""
    from sklearn.linear_model import LogisticRegression

    head = LogisticRegression(C=1e3, class_weight="balanced" if balanced else None)
    head.fit(np.asarray(logit)[:, None], np.asarray(label))
    slope, shift = float(head.coef_[0, 0]), float(np.asarray(head.intercept_)[0])
    if slope > 0:
        return slope, shift
    share = 0.5 if balanced else float(np.mean(label))
    return 0.0, float(np.log(share) - np.log1p(-share))


def check_classes(label: Any, what: str) -> None:
    """Raise ConfigError where the rows hold only one class."""
    label = np.asarray(label)
    if not 0 < label.sum() < len(label):
        raise ConfigError(f"{what}: all {len(label)} rows are of one class; both are needed")
