"""App: the share of arguments with P(Inappropriateness) < .5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
from datasets import Value

from rewards_eval.formulas import is_appropriate
from rewards_eval.judges import engine_for, judge, mean

_CITATION = """@inproceedings{ziegenbein2026editing,
  title = {Teaching {LLMs} Human-Like Editing of Inappropriate Argumentation via Reinforcement Learning},
  author = {Ziegenbein, Timon and Stahl, Maja and Wachsmuth, Henning},
  booktitle = {ACL}, year = {2026}, note = {arXiv 2604.12770},
}"""
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
        return evaluate.MetricInfo(
            description="App: the share of arguments with P(Inappropriateness) < .5.",
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": Value("string")}),
            reference_urls=["https://arxiv.org/abs/2604.12770"],
        )

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
