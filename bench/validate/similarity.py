"""The similarity of sentences against the reference's own gate."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.data import SYSTEMS
from bench.validate.data import SEED, Bench, passing
from rewards.contract import Reward
from rewards.fitting import Job, measures
from rewards_semantic_similarity import PARAMS, TOKENS, semantic_similarity, token_similarity
from rewards_semantic_similarity.fit import cosine, fit, token_similarities


def card(bench: Bench) -> dict[str, Any]:
    """The card of the fit to sentence vectors, done again: it only calibrates a threshold."""
    job, options = bench.job(PARAMS, PARAMS)
    return fit(job, **options, tokens=False)


def card_of_tokens(bench: Bench) -> dict[str, Any]:
    """The same for token vectors."""
    job, options = bench.job(TOKENS, TOKENS)
    return fit(job, **options, tokens=True)


def validate(bench: Bench) -> dict[str, Any]:
    """Validate the cosine of sentence vectors."""
    return _compare(bench, semantic_similarity, cosine)


def validate_tokens(bench: Bench) -> dict[str, Any]:
    """Validate the matching of token vectors."""
    return _compare(bench, token_similarity, token_similarities)


def _compare(bench: Bench, reward: Reward, compare: Any) -> dict[str, Any]:
    threshold = reward.thresholds["embedded"].value
    result = {}
    for system in SYSTEMS:
        edits = bench.judged_edits(system, "semantic_similarity")
        job = Job((), bench.data, bench.engine, SEED)
        found, label = compare(job, [edit[:2] for edit in edits]), np.array([edit.passed for edit in edits])
        owners = [edit.argument for edit in edits]
        result[system] = {
            "n": len(edits),
            "roc_auc": round(measures.roc_auc(label, found), 4),
            "roc_auc_95": measures.interval(measures.roc_auc, label, found, seed=SEED, owners=owners),
            "passes_here": round(float((found >= threshold).mean()), 4),
            "passes_there": round(float(label.mean()), 4),
            "agreement": round(float(((found >= threshold) == label).mean()), 4),
        }
    people = bench.single_edits()
    alone = compare(Job((), bench.data, bench.engine, SEED), [edit[:2] for edit in people])
    return {
        "against_the_reference_labels": result,
        "single_edits_of_people": {"all": passing(alone >= threshold, people)},
    }
