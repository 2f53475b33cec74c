"""PPL: exp of the mean negative log-likelihood of a text's tokens, mean over texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import evaluate
from datasets import Value

from rewards_eval.judges import engine_for, judge, mean
from rewards_eval.module import REWRITING, info

_INPUTS = """
Args:
    predictions: texts.
    profile, device, dtype: which models run, where, in which precision; `embedded` needs no hub.
    models: other models for the roles, as ROLE=MODEL.
"""


class Ppl(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The metric as `evaluate` loads it: from this folder, without a network."""

    def _info(self) -> Any:
        return info(__doc__, REWRITING, _INPUTS, predictions=Value("string"))

    def _compute(  # pyright: ignore[reportIncompatibleMethodOverride]  # called by names
        self,
        predictions: Any,
        profile: str = "embedded",
        device: str = "auto",
        dtype: str = "auto",
        models: Sequence[str] = (),
    ) -> dict[str, Any]:
        values = judge(predictions, wanted=("ppl",), engine=engine_for(profile, device, dtype, tuple(models)))["ppl"]
        found = mean(values)
        return {"ppl": found["value"], "n": found["n"], "values": values}
