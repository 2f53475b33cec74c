"""Edit acceptance: the share of all stated edits that pass every gate."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
from datasets import Sequence, Value

from rewards_eval.judges import mean

_CITATION = """@inproceedings{ziegenbein2026editing,
  title = {Teaching {LLMs} Human-Like Editing of Inappropriate Argumentation via Reinforcement Learning},
  author = {Ziegenbein, Timon and Stahl, Maja and Wachsmuth, Henning},
  booktitle = {ACL}, year = {2026}, note = {arXiv 2604.12770},
}"""
_INPUTS = """
Args:
    predictions: for each argument, whether each of its edits was accepted.
    references: for each argument, whether each of its edits is valid.
"""


class EditAcceptance(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The metric as `evaluate` loads it: from this folder, without a network."""

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description="Edit acceptance: the share of all stated edits that pass every gate.",
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": Sequence(Value("bool")), "references": Sequence(Value("bool"))}),
            reference_urls=["https://arxiv.org/abs/2604.12770"],
        )

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
