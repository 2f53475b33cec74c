"""How well do rewards agree with labels: ROC-AUC, Cohen's kappa, Kendall's tau, calibration."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rewards.dimensions import INAPPROPRIATE
from rewards.fitting.measures import calibration_bins, calibration_error, roc_auc
from rewards.scored import decided, judgements
from rewards_eval.formulas import CUT
from rewards_eval.labels import By, Labels, Unit, keys
from rewards_eval.statistics import Draws, draw_counts, interval
from rewards_eval.systems import System
from rewards_eval.tables import Table, cell, column, row, table
from rewards_eval.values import probabilities_after

Array = np.ndarray[Any, Any]
HELD = 4_000_000  # bootstrap weights in memory at a time
RESAMPLES = 1_000  # at most, for intervals of ROC-AUC: every draw sums over all labelled units


@dataclass(slots=True)
class Scores:
    """One reward's values on all units that it scored. `passed` is its verdict, where it has one."""

    values: dict[Unit, float] = field(default_factory=dict)  # higher is better
    shares: dict[Unit, float] = field(default_factory=dict)  # as scored, for calibration as probabilities
    passed: dict[Unit, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Agreement:
    """One reward against one kind of label. None where a measure is not defined, such as ROC-AUC for a single class."""

    reward: str
    label: str
    n: int
    split: int  # labels of exactly .5 (raters evenly split), which ROC-AUC and kappa leave out
    positive: float | None  # the mean label; None where labels are no probabilities
    auc: float | None
    auc_interval: tuple[float, float] | None
    kappa: float | None
    tau: float | None
    ece: float | None
    bins: tuple[tuple[float, float, int], ...] = ()  # mean value, share positive, count


def scores_of(system: System, by: By) -> dict[str, Scores]:
    """The scores in a system's records by name: rewards on edits and on arguments, validity and acceptance of edits."""
    found: dict[str, Scores] = defaultdict(Scores)
    lower = {name for name, one in system.header.get("rewards", {}).items() if one.get("higher_is_better") is False}
    for identifier, record in system.records.items():
        known = decided(record)
        for key, edit in zip(keys(record["edits"], by), record["edits"], strict=True):
            unit = identifier, key
            found["valid"].values[unit] = float(edit["valid"])
            found["valid"].passed[unit] = edit["valid"]
            if edit["valid"]:
                if known:
                    found["accepted"].values[unit] = float(edit["accepted"])
                    found["accepted"].passed[unit] = edit["accepted"]
                for name, score in judgements(record, edit).items():
                    _add(found[name], unit, score, name in lower)
        _add_argument(found, identifier, record, lower)
    return {name: scores for name, scores in found.items() if scores.values}


def _add(scores: Scores, unit: Unit, score: Mapping[str, Any], lower: bool) -> None:
    if score["value"] is None:
        return
    # The margin has the right direction also where lower values are better.
    value = -score["value"] if lower else score["value"]
    scores.values[unit] = value if score["margin"] is None else score["margin"]
    if not lower:
        scores.shares[unit] = score["value"]
    if score["passed"] is not None:
        scores.passed[unit] = score["passed"]


def _add_argument(found: dict[str, Scores], identifier: Any, record: Mapping[str, Any], lower: Container[str]) -> None:
    unit = identifier, None
    for name, value in (("reward", record.get("reward")), *record["rewards"].items()):
        if value is not None:
            one = found[f"argument: {name}"]
            one.values[unit] = -value if name in lower else value
            if name not in lower:
                one.shares[unit] = value
    after = probabilities_after(record, "accepted")
    if after is not None:
        one = found["argument: 1 − P(inapp.)"]
        one.values[unit] = one.shares[unit] = 1.0 - after[INAPPROPRIATE]
        one.passed[unit] = after[INAPPROPRIATE] < CUT


def agree(system: System, labels: Labels, draws: Draws) -> list[Agreement]:
    """Every reward of the system against every kind of label that shares at least two units with it."""
    firsts: dict[str, str] = {}  # all completions of an argument have one owner, since they are resampled together
    owner = {key: firsts.setdefault(record["argument"], repr(key)) for key, record in system.records.items()}
    found = []
    labels = labels.of(system.name)
    scores = scores_of(system, labels.by)
    for label, wanted in labels.values.items():
        for reward, one in scores.items():
            units = [unit for unit in wanted if unit in one.values]
            # Validity is a property of the edit's form: it is compared with labels of validity only, and nothing else is.
            if len(units) > 1 and (reward == "valid") == (label == "valid"):
                owners = np.unique([owner[unit[0]] for unit in units], return_inverse=True)[1]
                found.append(_agreement(reward, label, one, wanted, units, owners, draws))
    return found


def _agreement(
    reward: str,
    label: str,
    scores: Scores,
    wanted: Mapping[Unit, float],
    units: list[Unit],
    owners: Array,
    draws: Draws,
) -> Agreement:
    given = np.array([wanted[unit] for unit in units])
    values = np.array([scores.values[unit] for unit in units])
    binary = bool(((given >= 0) & (given <= 1)).all())
    clear = given != CUT  # evenly split raters decide neither way
    truth = given[clear] > CUT
    both = binary and 0 < truth.sum() < len(truth)
    kept = [unit for unit in units if unit in scores.passed and wanted[unit] != CUT]
    shares = [scores.shares.get(unit) for unit in units]
    probable = binary and all(one is not None and 0 <= one <= 1 for one in shares) and len(set(shares)) > 2
    bins = tuple(calibration_bins(given, np.array(shares, dtype=float))) if probable else ()
    return Agreement(
        reward,
        label,
        len(units),
        int((~clear).sum()) if binary else 0,
        float(given.mean()) if binary else None,
        roc_auc(truth, values[clear]) if both else None,
        auc_interval(values[clear], truth, np.unique(owners[clear], return_inverse=True)[1], draws) if both else None,
        kappa([scores.passed[unit] for unit in kept], [wanted[unit] > CUT for unit in kept]) if binary else None,
        tau(values, given),
        calibration_error(given, np.array(shares, dtype=float)) if bins else None,
        bins,
    )


def auc_interval(values: Array, truth: Array, owners: Array, draws: Draws) -> tuple[float, float] | None:
    """The 95 % bootstrap interval of ROC-AUC over arguments; `owners` (n,) holds the argument number of each value."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(values[order]) > 0])  # of each run of equal values
    found = []
    all_counts = draw_counts(int(owners.max()) + 1, Draws(draws.seed, min(draws.resamples, RESAMPLES)))
    parts = -(-256 * len(values) // HELD)
    for counts in (part for drawn in all_counts for part in np.array_split(drawn, parts)):
        weights = counts[:, owners[order]]  # (rows, n)
        positive = np.add.reduceat(weights * truth[order], starts, axis=1)
        negative = np.add.reduceat(weights * ~truth[order], starts, axis=1)
        below = np.cumsum(negative, axis=1) - negative / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append((positive * below).sum(1) / (positive.sum(1) * negative.sum(1)))
    return interval(np.concatenate(found))


def kappa(verdicts: list[bool], truth: list[bool]) -> float | None:
    """Cohen's kappa of verdicts and labels; None without any, or where all are the same: chance agreement is then 1."""
    from sklearn.metrics import cohen_kappa_score

    if not verdicts or (len(set(verdicts)) == 1 and set(verdicts) == set(truth)):
        return None
    return float(cohen_kappa_score(verdicts, truth, labels=[False, True]))


def tau(values: Array, given: Array) -> float | None:
    """Kendall's tau-b of values and labels; None where one of them does not vary."""
    from scipy.stats import kendalltau

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a constant is answered with NaN and a warning
        result: Any = kendalltau(values, given)
    found = float(result.statistic)
    return found if np.isfinite(found) else None


COLUMNS = (
    column("auc", "ROC-AUC", 3, "higher", "how often something labelled positive has the higher value"),
    column("kappa", "κ", 3, "higher", "Cohen's kappa of the reward's verdict and the label"),
    column("tau", "τ", 3, "higher", "Kendall's tau-b of value and label"),
    column(
        "ece",
        "ECE",
        3,
        "lower",
        "expected calibration error of a value read as a probability, ten bins; empty if it has two values or is no share",
    ),
    column("positive", "positive", 3, None, "mean of the labels: the share of positive ones"),
)


def to_table(found: Mapping[str, list[Agreement]], source: str) -> Table:
    """Agreements by system as a table of the report."""
    rows = []
    for system, all_ in found.items():
        for one in all_:
            low, high = one.auc_interval or (None, None)
            left_out = f"without {one.split:,} labels of evenly split raters" if one.split else None
            cells = {
                "auc": cell(
                    one.auc, one.n, low, high, left_out if one.auc is not None else "one class only, or no classes"
                ),
                "kappa": cell(one.kappa, one.n, note=left_out),
                **{key: cell(getattr(one, key), one.n) for key in ("tau", "ece", "positive")},
            }
            rows.append(row(f"{one.reward} ~ {one.label}", cells, system))
    caption = (
        f"Rewards (left of ~) against the labels of {source}. Intervals of areas: 95 %, bootstrap over arguments, at most"
        f" {RESAMPLES:,} draws."
    )
    return table("agreement", "Agreement with labels", caption, COLUMNS, rows)
