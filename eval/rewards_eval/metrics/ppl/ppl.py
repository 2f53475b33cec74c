"""PPL: exp of the mean negative log-likelihood of a text's tokens, mean over texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
from datasets import Value

from rewards_eval.judges import engine_for, judge, mean

_CITATION = """@inproceedings{ziegenbein2026editing,
  title = {Teaching {LLMs} Human-Like Editing of Inappropriate Argumentation via Reinforcement Learning},
  author = {Ziegenbein, Timon and Stahl, Maja and Wachsmuth, Henning},
  booktitle = {ACL}, year = {2026}, note = {arXiv 2604.12770},
}"""
_INPUTS = """
Args:
    predictions: texts.
    profile, device, dtype: which models run, where, in which precision; `embedded` needs no hub.
    models: other models for the roles, as ROLE=MODEL.
"""


class Ppl(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The metric as `evaluate` loads it: from this folder, without a network."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description="PPL: exp of the mean negative log-likelihood of a text's tokens, mean over texts.",
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": Value("string")}),
            reference_urls=["https://arxiv.org/abs/2406.03363"],
        )

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
