"""Reason accuracy: is the stated reason what the edit improves?"""

from __future__ import annotations

from typing import Any

import evaluate
from datasets import Sequence, Value

from rewards.dimensions import REASONS
from rewards_eval.formulas import reason_relaxed, reason_strict
from rewards_eval.judges import mean
from rewards_eval.module import EDITING, info

_INPUTS = """
Args:
    predictions: the reason that each edit states.
    references: by how much each edit lowers the probability of Toxic Emotions, Missing Commitment, Missing
        Intelligibility and Other Reasons, in this order; an edit that cannot be applied lowers none.
"""


class ReasonAccuracy(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The metric as `evaluate` loads it: from this folder, without a network."""

    def _info(self) -> Any:
        return info(
            __doc__, EDITING, _INPUTS, predictions=Value("string"), references=Sequence(Value("float64"), length=4)
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]  # called by names
        gains = [dict(zip(REASONS, one, strict=True)) for one in references]
        strict = mean([reason_strict(reason, one) for reason, one in zip(predictions, gains, strict=True)])
        relaxed = mean([reason_relaxed(reason, one) for reason, one in zip(predictions, gains, strict=True)])
        return {"strict": strict["value"], "relaxed": relaxed["value"], "n": strict["n"]}
