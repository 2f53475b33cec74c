"""The metrics as formulas: numbers and texts in, numbers out. No model is run and no file is read here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rewards.dimensions import REASONS
from rewards.text.matching import match_f1

CUT = 0.5
"""An argument counts as appropriate below this P(Inappropriateness)."""

_OPERATION = 1 << 20  # above any alignment's number of operations: one integer holds both its cost and that number


def nes(before: str, after: str) -> float:
    """Normalised edit similarity (2026) in [0, 1]: 1 − word Levenshtein / the longer text's words.

    Words are those of `str.split()`; two empty texts are equal.
    """
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.normalized_similarity(before.split(), after.split())


def nes_2024(before: str, after: str) -> float:
    """Normalised edit similarity (2024) in [0, 1]: exp(−d / (m − d)) of a Needleman-Wunsch alignment of words.

    m is the alignment's length and d how many of its columns are no match (match +2, mismatch −2, gap −2). 1 where d = 0,
    0 where nothing matches. Of equally good alignments, the one with the fewest such columns counts.
    """
    from rapidfuzz.distance import Levenshtein

    was, now = before.split(), after.split()
    # An alignment's score is len(was) + len(now) − 3·gaps − 4·mismatches, so the best one is the cheapest edit script
    # under the weights 3 and 4; the 1 that is added to each weight counts the columns and breaks ties.
    gap, mismatch = 3 * _OPERATION + 1, 4 * _OPERATION + 1
    cost, columns = divmod(Levenshtein.distance(was, now, weights=(gap, gap, mismatch)), _OPERATION)
    if columns == 0:
        return 1.0
    gaps = 4 * columns - cost
    matches = (len(was) + len(now) - gaps) // 2 - (columns - gaps)
    return math.exp(-columns / matches) if matches else 0.0


def perplexity(log_probabilities: Sequence[float]) -> float | None:
    """Exp of the mean negative log-likelihood of a text's tokens; None for a text without tokens."""
    if not len(log_probabilities):
        return None
    return math.exp(min(700.0, -float(sum(log_probabilities)) / len(log_probabilities)))


def gm(app: float, sim: float, ppl: float) -> float:
    """The cube root of App · Sim / PPL, of three means; 0 where Sim is negative, as rescaled similarities can be."""
    return max(0.0, app * sim / ppl) ** (1 / 3) if ppl > 0 else 0.0


def bertscore(candidate: object, reference: object) -> float:
    """BERTScore F1 of two texts' token vectors, (T, D) each of unit length; 0 where one of them has no tokens."""
    import numpy as np

    return match_f1(np.asarray(candidate), np.asarray(reference))


def is_appropriate(probability: float) -> bool:
    """Whether P(Inappropriateness) is below .5."""
    return probability < CUT


def true_flip(before: float, after: float) -> bool | None:
    """Whether an inappropriate argument became appropriate; None where it was appropriate before: nothing could flip."""
    return None if before < CUT else after < CUT


def reason_strict(reason: str | None, improvements: Mapping[str, float]) -> bool:
    """Whether the stated reason is the dimension that improves most; False where none improves.

    `improvements` says by how much the edit alone lowers the probability of each of the four main dimensions.
    """
    best = max(REASONS, key=lambda name: improvements.get(name, 0.0))
    return improvements.get(best, 0.0) > 0 and reason == best


def reason_relaxed(reason: str | None, improvements: Mapping[str, float]) -> bool:
    """Whether the dimension that the edit states as its reason improves."""
    return reason in REASONS and improvements.get(reason, 0.0) > 0
