"""App: the share of arguments with P(Inappropriateness) < .5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import evaluate
from datasets import Value

from rewards_eval.formulas import is_appropriate
from rewards_eval.judges import engine_for, judge, mean
from rewards_eval.module import EDITING, info

_INPUTS = """
Args:
    predictions: arguments.
    issues: what each is about, optional.
    profile, device, dtype: which models run, where, in which precision; `embedded` needs no hub.
    models: other models for the roles, as ROLE=MODEL.
"""


class App(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The metric as `evaluate` loads it: from this folder, without a network."""

    def _info(self) -> Any:
        return info(__doc__, EDITING, _INPUTS, predictions=Value("string"))

    def _compute(  # pyright: ignore[reportIncompatibleMethodOverride]  # called by names
        self,
        predictions: Any,
        issues: Sequence[str] | None = None,
        profile: str = "embedded",
        device: str = "auto",
        dtype: str = "auto",
        models: Sequence[str] = (),
    ) -> dict[str, Any]:
        values = judge(
            predictions, issues=issues, wanted=("app",), engine=engine_for(profile, device, dtype, tuple(models))
        )["p"]
        found = mean([None if p is None else is_appropriate(p) for p in values])
        return {"app": found["value"], "n": found["n"], "probabilities": values}
