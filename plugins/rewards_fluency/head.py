"""Fluency of an edit from a small language model's hidden states of both sentences: one logistic regression, numpy only."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file

from rewards_fluency import PARAMS

if TYPE_CHECKING:
    from numpy.typing import NDArray


def probability(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
    """P(disfluent), P(fluent) of the sentence after an edit, beside the one before: (N, 2) from two (N, D) arrays.

    The arrays are mean hidden states of layer `LAYER`. Calibrated to equally many fluent and disfluent edits. Where the
    edit leaves nothing, its states are zeros, and it is disfluent by definition: there is no sentence that reads well.
    """
    weight_before, weight_after, bias = _parameters()
    logits = before.astype(np.float64) @ weight_before + after.astype(np.float64) @ weight_after + bias
    fluent = np.where(after.any(-1), 1 / (1 + np.exp(-np.clip(logits, -30, 30))), 0.0)
    return np.stack([1 - fluent, fluent], -1).astype(np.float32)


@cache
def _parameters() -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    stored = load_file(PARAMS / "head.safetensors")
    return stored["before"].astype(np.float64), stored["after"].astype(np.float64), float(stored["bias"][0])
