"""Normalised edit similarity (2024): exp(−d / (m − d)) of a Needleman-Wunsch alignment of words."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
from datasets import Value

from rewards_eval.formulas import nes_2024
from rewards_eval.judges import mean

_CITATION = """@inproceedings{ziegenbein2024rewriting,
  title = {{LLM}-based Rewriting of Inappropriate Argumentation using Reinforcement Learning from Machine Feedback},
  author = {Ziegenbein, Timon and others}, booktitle = {ACL}, year = {2024}, note = {arXiv 2406.03363},
}"""
_INPUTS = """
Args:
    predictions: edited texts; the paper puts the issue before each.
    references: the original texts, likewise.
"""


class Nes2024(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The metric as `evaluate` loads it: from this folder, without a network."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description="Normalised edit similarity (2024): exp(−d / (m − d)) of a Needleman-Wunsch alignment of words.",
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": Value("string"), "references": Value("string")}),
            reference_urls=["https://arxiv.org/abs/2406.03363"],
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]  # called by names
        values = [nes_2024(before, after) for before, after in zip(references, predictions, strict=True)]
        found = mean(values)
        return {"nes_2024": found["value"], "n": found["n"], "values": values}
