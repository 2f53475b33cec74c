"""Normalised edit similarity (2026): 1 − word Levenshtein / the longer text's words."""

from __future__ import annotations

from typing import Any

import evaluate
from datasets import Value

from rewards_eval.formulas import nes
from rewards_eval.judges import mean
from rewards_eval.module import EDITING, info

_INPUTS = """
Args:
    predictions: edited texts.
    references: the original texts.
"""


class Nes(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The metric as `evaluate` loads it: from this folder, without a network."""

    def _info(self) -> Any:
        return info(__doc__, EDITING, _INPUTS, predictions=Value("string"), references=Value("string"))

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]  # called by names
        values = [nes(before, after) for before, after in zip(references, predictions, strict=True)]
        found = mean(values)
        return {"nes": found["value"], "n": found["n"], "values": values}
