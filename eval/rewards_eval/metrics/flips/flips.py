"""True flips: how many inappropriate arguments become appropriate."""

from __future__ import annotations

from typing import Any

import evaluate
from datasets import Value

from rewards_eval.formulas import true_flip
from rewards_eval.judges import mean
from rewards_eval.module import EDITING, info

_INPUTS = """
Args:
    predictions: P(Inappropriateness) after editing.
    references: P(Inappropriateness) before.
"""


class Flips(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The metric as `evaluate` loads it: from this folder, without a network."""

    def _info(self) -> Any:
        return info(__doc__, EDITING, _INPUTS, predictions=Value("float64"), references=Value("float64"))

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]  # called by names
        flips = [true_flip(before, after) for before, after in zip(references, predictions, strict=True)]
        found = mean(flips)
        return {"flips": sum(bool(one) for one in flips), "n": found["n"], "share": found["value"]}
