"""A causal language model over edit operations: interpolated n-grams (Witten and Bell, 1991), folded into one table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file, save_file

from rewards_pattern_conformity.operations import ALPHABET

if TYPE_CHECKING:
    from numpy.typing import NDArray

SYMBOLS = (
    len(ALPHABET) + 1
)  # the operations and, as the last symbol, the end; in a context the last symbol is the start
EDGE = len(ALPHABET)


@dataclass(frozen=True)
class PatternModel:
    """P(operation | the `order` - 1 operations before it) as a dense table: (SYMBOLS ** (order - 1), SYMBOLS)."""

    order: int
    table: NDArray[np.float64]  # rows: contexts, the oldest operation first; columns: `ALPHABET`, then the end

    @classmethod
    def load(cls, path: Path) -> PatternModel:
        """The model stored at `path` by `save`."""
        table = load_file(path)["table"].astype(np.float64)
        table /= table.sum(-1, keepdims=True)  # stored in float32: rows sum to one again in float64
        order = 1 + round(np.log(len(table)) / np.log(SYMBOLS))
        return cls(order, table)

    def save(self, path: Path) -> None:
        """Writes the table to `path` in float32."""
        save_file({"table": np.ascontiguousarray(self.table, np.float32)}, path)

    def perplexity(self, ops: Sequence[str]) -> NDArray[np.float64]:
        """Per-operation perplexity of each sequence, its end included: (N,), at least 1."""
        return np.exp(np.array([-self.log_probabilities(sequence).mean() for sequence in ops], np.float64))

    def log_probabilities(self, ops: str) -> NDArray[np.float64]:
        """Natural-log probability of each operation given those before it, and of the end: (len(ops) + 1,)."""
        contexts, outcomes = _events(ops, self.order)
        logs: NDArray[np.float64] = np.log(self.table[contexts, outcomes])
        return logs


def fit_model(ops: Iterable[str], order: int) -> PatternModel:
    """The interpolated Witten-Bell model of the sequences.

    P(w | h) = (count(h w) + types(h) · P(w | shorter h)) / (count(h) + types(h)), down to the uniform distribution.
    """
    sequences = list(ops)
    table = np.full((1, SYMBOLS), 1 / SYMBOLS)
    for length in range(1, order + 1):
        counts = np.zeros((SYMBOLS ** (length - 1), SYMBOLS))
        for sequence in sequences:
            np.add.at(counts, _events(sequence, length), 1.0)
        types = (counts > 0).sum(-1, keepdims=True)
        # The oldest operation is the most significant digit, so the row number's low digits are the shorter context.
        shorter = table[np.arange(len(counts)) % len(table)]
        seen = types > 0
        table = np.where(
            seen, (counts + types * shorter) / np.where(seen, counts.sum(-1, keepdims=True) + types, 1), shorter
        )
    return PatternModel(order, table)


def _events(ops: str, order: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Context row and outcome of every prediction in a sequence: two (len(ops) + 1,) arrays."""
    outcomes = np.array([ALPHABET.index(letter) for letter in ops] + [EDGE], np.int64)
    padded = np.concatenate([np.full(order - 1, EDGE, np.int64), outcomes])
    contexts = np.zeros(len(outcomes), np.int64)
    for back in range(order - 1):
        contexts = contexts * SYMBOLS + padded[back : back + len(outcomes)]
    return contexts, outcomes
