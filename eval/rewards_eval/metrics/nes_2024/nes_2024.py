"""Normalised edit similarity (2024): exp(−d / (m − d)) of a Needleman-Wunsch alignment of words."""

from __future__ import annotations

from typing import Any

import evaluate
from datasets import Value

from rewards_eval.formulas import nes_2024
from rewards_eval.judges import mean
from rewards_eval.module import REWRITING, info

_INPUTS = """
Args:
    predictions: edited texts; the paper puts the issue before each.
    references: the original texts, likewise.
"""


class Nes2024(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The metric as `evaluate` loads it: from this folder, without a network."""

    def _info(self) -> Any:
        return info(__doc__, REWRITING, _INPUTS, predictions=Value("string"), references=Value("string"))

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]  # called by names
        values = [nes_2024(before, after) for before, after in zip(references, predictions, strict=True)]
        found = mean(values)
        return {"nes_2024": found["value"], "n": found["n"], "values": values}
