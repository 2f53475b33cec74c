"""Appropriateness from a small language model's hidden states: 14 calibrated logistic regressions, numpy only."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file

from rewards_appropriateness import PARAMS

if TYPE_CHECKING:
    from numpy.typing import NDArray


def text_of(issue: str, argument: str) -> str:
    """The text whose hidden state the head reads; the argument alone where there is no issue."""
    return f"{issue}\n\n{argument}" if issue else argument


def probabilities(states: NDArray[np.float32]) -> NDArray[np.float32]:
    """P(label) for (N, D) mean hidden states of layer `LAYER` of `text_of` each argument: (N, 14), ordered as `DIMENSIONS`.

    P(Inappropriateness) is calibrated to the corpus, where 54 % are inappropriate. The other labels are rare: their odds
    are shifted so that .5 is the threshold that serves macro-F1 best, for every label.
    """
    weight, bias = _parameters()
    logits = states.astype(np.float64) @ weight + bias
    return (1 / (1 + np.exp(-np.clip(logits, -30, 30)))).astype(np.float32)


@cache
def _parameters() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    stored = load_file(PARAMS / "head.safetensors")
    return stored["weight"].astype(np.float64), stored["bias"].astype(np.float64)  # (D, 14), (14,)
