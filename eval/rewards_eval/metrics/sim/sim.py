"""Sim: BERTScore F1 of the edited against the original argument."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import evaluate
from datasets import Value

from rewards_eval.judges import engine_for, judge, mean
from rewards_eval.module import BERTSCORE, info

_INPUTS = """
Args:
    predictions: edited texts.
    references: the original texts.
    profile, device, dtype: which models run, where, in which precision; `embedded` needs no hub.
    models: other models for the roles, as ROLE=MODEL.
"""


class Sim(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The metric as `evaluate` loads it: from this folder, without a network."""

    def _info(self) -> Any:
        return info(__doc__, BERTSCORE, _INPUTS, predictions=Value("string"), references=Value("string"))

    def _compute(  # pyright: ignore[reportIncompatibleMethodOverride]  # called by names
        self,
        predictions: Any,
        references: Any,
        profile: str = "embedded",
        device: str = "auto",
        dtype: str = "auto",
        models: Sequence[str] = (),
    ) -> dict[str, Any]:
        values = judge(
            predictions, references, wanted=("sim",), engine=engine_for(profile, device, dtype, tuple(models))
        )["sim"]
        found = mean(values)
        return {"sim": found["value"], "n": found["n"], "values": values}
