"""The appropriateness classifier on unseen arguments, and against the reference's classifier."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import cohen_kappa_score

from bench.data import SYSTEMS
from bench.validate.data import SEED, Bench
from rewards.dimensions import DIMENSIONS, INAPPROPRIATE, REASONS
from rewards.engine.engine import Engine
from rewards.fitting import measures
from rewards_appropriateness import PARAMS, classifier
from rewards_appropriateness.fit import Options, card_of, measure
from rewards_appropriateness.variants import Labelled

CORPUS = "arguments/appropriateness_corpus.jsonl"


def card(bench: Bench) -> dict[str, Any]:
    """The card of the shipped parameters, measured again."""
    job, options = bench.job(PARAMS, PARAMS)
    return card_of(job, Options(**options))


def validate(bench: Bench, folds: dict[str, Path]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    unseen: dict[str, tuple[list[dict[str, Any]], np.ndarray]] = {}
    for fold, params in {"fold0.0": PARAMS, **folds}.items():
        rows = [row for row in bench.rows(CORPUS) if row["folds"][fold] == "TEST"]
        # An engine of its own: one engine has one model for a role.
        own = Bench(bench.data, Engine(dtype="float32", cache=bench.engine.cache))
        found = own.classes(classifier(params, DIMENSIONS), [(row["text"], row["issue"]) for row in rows])
        arguments = [Labelled(row["issue"], row["text"], row["labels"]) for row in rows]
        result[fold] = measure(arguments, found, DIMENSIONS, SEED)
        unseen[fold] = rows, found
    if folds:
        result["mean_of_folds"] = {
            key: round(float(np.mean([result[fold][key] for fold in unseen])), 4)
            for key in ("ece_10_bins", "ece_10_bins_if_perfect")
        }
        result["macro_f1_mean_of_folds"] = _mean_of_folds(unseen)
    result["against_the_reference_classifier"] = {system: _reference(bench, system) for system in SYSTEMS}
    return result


def _mean_of_folds(unseen: Mapping[str, tuple[list[dict[str, Any]], np.ndarray]]) -> dict[str, Any]:
    """Macro-F1 of each main dimension, mean over the folds' fits; resamples draw an argument in all folds that test it."""
    every = [row for rows, _ in unseen.values() for row in rows]
    fold = np.concatenate([np.full(len(rows), number) for number, (rows, _) in enumerate(unseen.values())])
    called = np.concatenate([found >= 0.5 for _, found in unseen.values()])
    owners = [row["text"] for row in every]

    def mean(fold: np.ndarray, label: np.ndarray, called: np.ndarray) -> float:
        here = [fold == number for number in range(len(unseen))]
        return float(np.mean([measures.macro_f1(label[one], called[one]) for one in here]))

    result: dict[str, Any] = {"n": len(every), "distinct_arguments": len(set(owners))}
    for name in (INAPPROPRIATE, *REASONS):
        columns = fold, np.array([row["labels"][name] for row in every]), called[:, DIMENSIONS.index(name)]
        result[name] = round(mean(*columns), 3)
        result[f"{name}_95"] = measures.interval(mean, *columns, seed=SEED, owners=owners)
    return result


def _reference(bench: Bench, system: str) -> dict[str, Any]:
    """Agreement with the reference's DeBERTa classifier: the decision before and after, and which way the edits moved it."""
    rows = bench.rows(f"reference/{system}.scored.jsonl")
    model, label = classifier(PARAMS, DIMENSIONS), DIMENSIONS[0]
    ours, theirs = [], []
    for text, scores in (("argument", "before"), ("argument_after_all_edits", "after_all")):
        ours.append(bench.classes(model, [(row[text], row["issue"]) for row in rows])[:, 0])
        theirs.append(np.array([row[f"predicted_scores_{scores}"][label] for row in rows]))
    here, there = np.concatenate(ours), np.concatenate(theirs)
    changed = (theirs[0] >= 0.5) != (theirs[1] >= 0.5)  # its scores are decisions, 0 or 1
    better, ours_better = (theirs[1] < theirs[0])[changed], (ours[1] < ours[0])[changed]
    same = better == ours_better
    owners = np.tile(np.arange(len(rows)), 2)

    def kappa(a: Any, b: Any) -> float:
        return float(cohen_kappa_score(a >= 0.5, b >= 0.5))

    return {
        "n": len(rows),
        "kappa_before": round(kappa(theirs[0], ours[0]), 3),
        "kappa_before_95": measures.interval(kappa, theirs[0], ours[0], seed=SEED),
        "kappa_after_all_edits": round(kappa(theirs[1], ours[1]), 3),
        "kappa_after_all_edits_95": measures.interval(kappa, theirs[1], ours[1], seed=SEED),
        "kappa_before_and_after": round(kappa(there, here), 3),
        "kappa_before_and_after_95": measures.interval(kappa, there, here, seed=SEED, owners=owners),
        "roc_auc_before_and_after": round(measures.roc_auc(there >= 0.5, here), 3),
        "its_decision_changes": int(changed.sum()),
        "of_these_for_the_better": round(float(better.mean()), 3),
        "same_direction": round(float(same.mean()), 3),
        "same_direction_95": measures.interval(lambda each: float(each.mean()), same, seed=SEED),
        "appropriate_after_all_edits": [round(float((each < 0.5).mean()), 3) for each in (ours[1], theirs[1])],
    }
