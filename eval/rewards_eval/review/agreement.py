"""Do people agree? Krippendorff's alpha over the decisions of several reviewers, from the package `krippendorff`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np

from rewards.errors import RewardsError
from rewards_eval.review.journal import Line, latest, read_decisions, subject

RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class ReviewerAgreement:
    """One question put to several people. `alpha` is None where nothing was judged twice, or every verdict is the same."""

    question: str
    alpha: float | None
    low: float | None  # 95 % bootstrap interval over arguments, without draws for which alpha is not defined
    high: float | None
    units: int  # judged by two or more
    same: float | None  # share of pairs of verdicts on one unit that are the same


def read_reviews(paths: Sequence[Path]) -> list[Line]:
    """The decisions that hold: each reviewer's last one on a subject, over all files in the order given.

    Raises RewardsError where there are fewer than two reviewers.
    """
    lines = latest(line for path in paths for line in read_decisions(path))
    reviewers = sorted({line["reviewer"] for line in lines})
    if len(reviewers) < 2:
        names = ", ".join(reviewers) or "nobody"
        raise RewardsError(
            f"agreement takes two reviewers; these files hold decisions of {names} (--reviewer names them)"
        )
    return lines


def agreements(lines: Sequence[Line], seed: int = 0) -> list[ReviewerAgreement]:
    """How far people agree on edits (all verdicts; accepted or not, for each system too), and on comparisons."""
    edits = [line for line in lines if line["kind"] == "edit"]
    comparisons = [line for line in lines if line["kind"] == "comparison"]
    found = []
    if edits:
        found.append(_agreement("edit: accept, reject or amend", edits, lambda line: line["decision"], seed))
        found.append(_agreement("edit: accepted as it is", edits, _kept, seed))
        systems = sorted({line["system"] for line in edits})
        for system in systems if len(systems) > 1 else ():
            own = [line for line in edits if line["system"] == system]
            found.append(_agreement(f"edit: accepted as it is, {system}", own, _kept, seed))
    if comparisons:
        found.append(_agreement("comparison: which system, or none", comparisons, _preference, seed))
    return found


def _kept(line: Line) -> str:
    return "yes" if line["decision"] == "accept" else "no"


def _preference(line: Line) -> str:
    return str(line.get("preferred"))  # the sides differ between reviewers, the systems do not


def _agreement(question: str, lines: Sequence[Line], verdict: Callable[[Line], str], seed: int) -> ReviewerAgreement:
    units: dict[Hashable, dict[str, str]] = {}
    owner: dict[Hashable, Hashable] = {}
    for line in lines:
        units.setdefault(subject(line), {})[line["reviewer"]] = verdict(line)
        owner[subject(line)] = type(line["id"]), line["id"]
    kept = [unit for unit, given in units.items() if len(given) > 1]
    shared = [units[unit] for unit in kept]
    counts = _counts(shared)
    low, high = _interval(counts, [owner[unit] for unit in kept], seed)
    pairs = [a == b for given in shared for a, b in itertools.combinations(given.values(), 2)]
    return ReviewerAgreement(
        question, _alpha(counts), low, high, len(shared), sum(pairs) / len(pairs) if pairs else None
    )


def _counts(units: Sequence[Mapping[str, str]]) -> Any:
    values = sorted({value for given in units for value in given.values()})
    rows = [[list(given.values()).count(value) for value in values] for given in units]
    return np.array(rows, dtype=int).reshape(len(units), len(values))  # (units, verdicts)


def _alpha(counts: Any) -> float | None:
    if len(counts) == 0 or (counts.sum(axis=0) > 0).sum() < 2:
        return None  # alpha is not defined where all verdicts are the same
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


def _interval(counts: Any, owners: Sequence[Hashable], seed: int) -> tuple[float | None, float | None]:
    """The 95 % bootstrap interval of alpha over arguments, since verdicts on the same argument are not independent."""
    places: dict[Hashable, list[int]] = {}
    for place, owner in enumerate(owners):
        places.setdefault(owner, []).append(place)
    if _alpha(counts) is None or len(places) < 2:
        return None, None
    draw, groups = np.random.default_rng(seed), list(places.values())
    chosen = (draw.integers(0, len(groups), len(groups)) for _ in range(RESAMPLES))
    drawn = [_alpha(counts[[place for group in some for place in groups[group]]]) for some in chosen]
    known = [value for value in drawn if value is not None]
    if np.ptp(known) == 0:
        return None, None  # draws that all agree do not say how certain alpha is
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)
