"""True flips: how many inappropriate arguments become appropriate."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
from datasets import Value

from rewards_eval.formulas import true_flip
from rewards_eval.judges import mean

_CITATION = """@inproceedings{ziegenbein2026editing,
  title = {Teaching {LLMs} Human-Like Editing of Inappropriate Argumentation via Reinforcement Learning},
  author = {Ziegenbein, Timon and Stahl, Maja and Wachsmuth, Henning},
  booktitle = {ACL}, year = {2026}, note = {arXiv 2604.12770},
}"""
_INPUTS = """
Args:
    predictions: P(Inappropriateness) after editing.
    references: P(Inappropriateness) before.
"""


class Flips(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The metric as `evaluate` loads it: from this folder, without a network."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description="True flips: how many inappropriate arguments become appropriate.",
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": Value("float64"), "references": Value("float64")}),
            reference_urls=["https://arxiv.org/abs/2604.12770"],
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]  # called by names
        flips = [true_flip(before, after) for before, after in zip(references, predictions, strict=True)]
        found = mean(flips)
        return {"flips": sum(bool(one) for one in flips), "n": found["n"], "share": found["value"]}
