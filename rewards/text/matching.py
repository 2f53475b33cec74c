"""How well the tokens of two texts match in meaning: the greedy matching of BERTScore (Zhang et al., ICLR 2020)."""

from __future__ import annotations

from typing import Any


def match(candidate: Any, reference: Any) -> tuple[float, float]:
    """Precision and recall of token vectors (T, D) of unit length; 0 where one of the two texts has no tokens."""
    if not len(candidate) or not len(reference):
        return 0.0, 0.0
    similarity = candidate @ reference.T  # (T_candidate, T_reference)
    return float(similarity.max(1).mean()), float(similarity.max(0).mean())


def match_f1(candidate: Any, reference: Any) -> float:
    """The harmonic mean of both, without weights and without rescaling."""
    precision, recall = match(candidate, reference)
    both = precision + recall
    return 0.0 if both <= 0 else 2 * precision * recall / both  # NaN stays NaN
