"""SARI in [0, 100]: how well n-grams are kept, added and deleted, against people's rewrites."""

from __future__ import annotations

from typing import Any

import evaluate
from datasets import Sequence, Value

from rewards_eval.judges import mean
from rewards_eval.module import SIMPLIFYING, info
from rewards_eval.references import sari

_INPUTS = """
Args:
    predictions: edited texts.
    references: people's rewrites of each, one or more.
    sources: the original texts.
"""


class Sari(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The metric as `evaluate` loads it: from this folder, without a network."""

    def _info(self) -> Any:
        return info(
            __doc__,
            SIMPLIFYING,
            _INPUTS,
            sources=Value("string"),
            predictions=Value("string"),
            references=Sequence(Value("string")),
        )

    def _compute(self, predictions: Any, references: Any, sources: Any) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]  # called by names
        values = [sari(*one) for one in zip(sources, predictions, references, strict=True)]
        found = mean(values)
        return {"sari": found["value"], "n": found["n"], "values": values}
