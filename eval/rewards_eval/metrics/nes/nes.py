"""Normalised edit similarity (2026): 1 − word Levenshtein / the longer text's words."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
from datasets import Value

from rewards_eval.formulas import nes
from rewards_eval.judges import mean

_CITATION = """@inproceedings{ziegenbein2026editing,
  title = {Teaching {LLMs} Human-Like Editing of Inappropriate Argumentation via Reinforcement Learning},
  author = {Ziegenbein, Timon and Stahl, Maja and Wachsmuth, Henning},
  booktitle = {ACL}, year = {2026}, note = {arXiv 2604.12770},
}"""
_INPUTS = """
Args:
    predictions: edited texts.
    references: the original texts.
"""


class Nes(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The metric as `evaluate` loads it: from this folder, without a network."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description="Normalised edit similarity (2026): 1 − word Levenshtein / the longer text's words.",
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": Value("string"), "references": Value("string")}),
            reference_urls=["https://arxiv.org/abs/2604.12770"],
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]  # called by names
        values = [nes(before, after) for before, after in zip(references, predictions, strict=True)]
        found = mean(values)
        return {"nes": found["value"], "n": found["n"], "values": values}
