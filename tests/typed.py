"""Right and wrong uses of the interface, for type checkers: mypy (`make check`) rejects an ignore without an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from trl.trainer.grpo_trainer import GRPOTrainer

import rewards
import rewards_train
from rewards.features import Embedding
from rewards.models.catalog import ENCODER
from rewards_train import RewardPlan, Scorer


def names_and_values_that_do_not_exist() -> None:
    rewards.lod_suite("default")  # type: ignore[attr-defined]
    rewards_train.Scorr()  # type: ignore[attr-defined]
    rewards.load_suite("default", profile="ful")  # type: ignore[arg-type]
    rewards.Engine(dtype="float64")  # type: ignore[arg-type]
    RewardPlan("default", profile="ful")  # type: ignore[arg-type]
    RewardPlan("default", dtype="float64")  # type: ignore[arg-type]
    rewards.read_revision(["no record"])  # type: ignore[arg-type]
    rewards.suite_of(["format"]).score(rewards.read_revision({}))  # type: ignore[arg-type]


def what_a_status_is_not(result: rewards.Result) -> bool:
    return result.status == "faild"  # type: ignore[comparison-overlap]


def trainer_of(scorer: Scorer, model: str) -> GRPOTrainer:
    return GRPOTrainer(model, reward_funcs=scorer.columns())


@rewards.reward(level="edit", range=(0, 1))  # type: ignore[arg-type]
def wrong_level(arguments: Sequence[rewards.Argument]) -> list[float]:
    return [0.0 for _ in arguments]


@rewards.reward(level="edit", range=(0, 1))  # type: ignore[arg-type]
async def later(edits: Sequence[rewards.Edit]) -> list[float]:
    return [0.0 for _ in edits]


@rewards.reward(level="edit", range=(0, 1))  # type: ignore[arg-type]
def one_number(edits: Sequence[rewards.Edit]) -> float:
    return 0.0


@rewards.reward(level="edits", range=(0, 1))  # type: ignore[call-overload, untyped-decorator]
def misspelt(edits: Sequence[rewards.Edit]) -> list[float]:
    return [0.0 for _ in edits]


@rewards.reward(
    level="global", range=(-1, 1), models=(ENCODER,), reads=lambda argument: (Embedding(argument.after, ENCODER),)
)
def of_features(arguments: Sequence[rewards.Argument], found: NDArray[np.float32]) -> Any:
    return found.mean(-1)


@rewards.reward(level="edit", range=(0, 1), threshold={"full": 0.5})
def of_arrays(edits: list[rewards.Edit], *, factor: float = 1.0) -> NDArray[np.float32]:
    return np.zeros(len(edits), np.float32)


@rewards.reward(level="sentence", range=(0, 1), threshold=rewards.Threshold(0.5))
def of_tensors(sentences: Sequence[rewards.Sentence], *, words: tuple[str, ...]) -> torch.Tensor:
    return torch.zeros(len(sentences))


@rewards.reward(level="global", range=(0, 1))
def of_scores(arguments: Sequence[rewards.Argument]) -> list[rewards.Score | None]:
    return [rewards.Score(0.5) if argument.accepted else None for argument in arguments]


@rewards.reward(level="edit", range=(0, 1))
def of_anything(edits: Any) -> Any:
    return [float(edit.valid) for edit in edits]
