"""The fluency classifier on learners' corrections, unseen minimal pairs, and against the reference's labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.data import SYSTEMS
from bench.validate.data import SEED, Bench, passing
from rewards.fitting import measures
from rewards.fitting.rows import Row, split_of
from rewards_fluency import LABELS, PARAMS, classifier, fluency
from rewards_fluency.fit import Options, card_of

FLUENT = LABELS.index("fluent")


def card(bench: Bench) -> dict[str, Any]:
    """The card of the shipped parameters, measured again."""
    job, options = bench.job(PARAMS, PARAMS)
    return card_of(job, Options(**options))


def validate(bench: Bench) -> dict[str, Any]:
    model = classifier(PARAMS)

    def score(pairs: Sequence[Sequence[str]]) -> np.ndarray:
        """P(fluent) of each (before, after)."""
        return bench.classes(model, [(after, before) for before, after in pairs])[:, FLUENT]

    result: dict[str, Any] = {}
    rows = bench.rows("fluency/jfleg_test.jsonl")
    corrected = [(row["source"], row["corrections"][0]) for row in rows]
    corrected = [(before, after) for before, after in corrected if before.strip() != after.strip()]
    result["jfleg_test"] = _preferred(score, corrected)
    unseen = [
        (row["bad"], row["good"], row["paradigm"])
        for number, row in enumerate(bench.rows("fluency/blimp.jsonl"))
        if split_of(Row(bench.file("fluency/blimp.jsonl"), number, row), row["paradigm"], "") == "test"
    ]
    chosen = unseen[:: max(1, len(unseen) // 1000)]
    pairs, paradigms = [pair for *pair, _ in chosen], [paradigm for *_, paradigm in chosen]
    result["blimp_unseen_paradigms"] = _preferred(score, pairs, paradigms) | {"paradigms": len(set(paradigms))}
    people = [edit for edit in bench.single_edits() if edit.split == "test"]
    passes = score([edit[:2] for edit in people]) >= fluency.thresholds["embedded"].value
    result["single_edits_of_unseen_people"] = {"all": passing(passes, people)}
    result["against_the_reference_labels"] = {}
    for system in SYSTEMS:
        edits = bench.judged_edits(system, "fluency")
        found = score([edit[:2] for edit in edits])
        label, owners = np.array([edit.passed for edit in edits]), [edit.argument for edit in edits]
        result["against_the_reference_labels"][system] = {
            "n": len(edits),
            "roc_auc": round(measures.roc_auc(label, found), 3),
            "roc_auc_95": measures.interval(measures.roc_auc, label, found, seed=SEED, owners=owners),
            "passes_here": round(float((found >= 0.5).mean()), 3),
            "passes_there": round(float(label.mean()), 3),
        }
    return result


def _preferred(score: Any, pairs: Sequence[Sequence[str]], owners: Sequence[str] | None = None) -> dict[str, Any]:
    """How often the edit to the better sentence scores above the reverse edit, and how often each of them passes.

    Pairs with the same value in `owners`, where given, are resampled together.
    """
    there, back = score(pairs), score([(after, before) for before, after in pairs])
    right = (there > back).astype(float)
    return {
        "n": len(pairs),
        "preferred": round(float(right.mean()), 3),
        "preferred_95": measures.interval(lambda each: float(each.mean()), right, seed=SEED, owners=owners),
        "correction_passes": round(float((there >= 0.5).mean()), 3),
        "way_back_passes": round(float((back >= 0.5).mean()), 3),
    }
