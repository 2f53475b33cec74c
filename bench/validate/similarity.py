"""The similarity of sentences against the reference's own gate."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.validate.data import SEED, SYSTEMS, Bench
from rewards.features import Embedding
from rewards.fitting import measures
from rewards.models.catalog import ENCODER
from rewards_semantic_similarity import semantic_similarity


def validate(bench: Bench) -> dict[str, Any]:
    threshold = semantic_similarity.thresholds["embedded"].value
    result = {}
    for system in SYSTEMS:
        edits = bench.judged_edits(system, "semantic_similarity")
        before = np.stack(bench.features([Embedding(old, ENCODER) for old, _, _ in edits]))
        after = np.stack(bench.features([Embedding(new, ENCODER) for _, new, _ in edits]))
        cosine, label = (before * after).sum(-1), np.array([edit[2] for edit in edits])
        result[system] = {
            "n": len(edits),
            "roc_auc": round(measures.roc_auc(label, cosine), 4),
            "roc_auc_95": measures.interval(measures.roc_auc, label, cosine, seed=SEED),
            "passes_here": round(float((cosine >= threshold).mean()), 4),
            "passes_there": round(float(label.mean()), 4),
            "agreement": round(float(((cosine >= threshold) == label).mean()), 4),
        }
    return {"against_the_reference_labels": result}
