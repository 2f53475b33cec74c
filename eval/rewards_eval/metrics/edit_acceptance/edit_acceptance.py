"""Edit acceptance: the share of all stated edits that pass every gate."""

from __future__ import annotations

from typing import Any

import evaluate
from datasets import Sequence, Value

from rewards_eval.judges import mean
from rewards_eval.module import EDITING, info

_INPUTS = """
Args:
    predictions: for each argument, whether each of its edits was accepted.
    references: for each argument, whether each of its edits is valid.
"""


class EditAcceptance(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The metric as `evaluate` loads it: from this folder, without a network."""

    def _info(self) -> Any:
        return info(__doc__, EDITING, _INPUTS, predictions=Sequence(Value("bool")), references=Sequence(Value("bool")))

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]  # called by names
        accepted = [
            bool(a and v)
            for all_, valid in zip(predictions, references, strict=True)
            for a, v in zip(all_, valid, strict=True)
        ]
        found, valid = mean(accepted), mean([one for all_ in references for one in all_])
        per_argument = mean([len(all_) for all_ in predictions])
        return {
            "accepted": found["value"],
            "valid": valid["value"],
            "edits_per_argument": per_argument["value"],
            "n": found["n"],
            "arguments": per_argument["n"],
        }
