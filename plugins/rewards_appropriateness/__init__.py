"""How appropriate is the argument after its accepted edits, and in which of 14 dimensions does it fall short?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le

import rewards
from rewards.dimensions import DIMENSIONS
from rewards.features import ClassProbabilities
from rewards.fitting import Fitter, Job
from rewards.models.catalog import SMOLLM2
from rewards.models.specs import Adapter, Checkpoint, Hub, Model

PARAMS = Path(__file__).parent / "params"
ADAPTER = "adapter.safetensors"
TINY = 1e-9


def classifier(params: Path, labels: Sequence[str]) -> Model:
    """The model that gives the probabilities of the dimensions for an argument (text) under its issue (pair)."""
    return Model(
        "appropriateness",
        {
            "embedded": Checkpoint(
                SMOLLM2,
                "adapted-classifier",
                labels=tuple(labels),
                multi_label=True,
                adapter=Adapter.of(params / ADAPTER),
            ),
            "full": Checkpoint(
                Hub("timonziegenbein/appropriateness-classifier-multilabel"),
                "classifier",
                labels=DIMENSIONS,
                multi_label=True,
                reads_pair=False,  # it was trained on arguments without their issue
            ),
        },
    )


def fit(
    job: Job,
    *,
    fold: str = "fold0.0",
    depth: Annotated[int, Ge(9), Le(30)] = 20,
    epochs: Annotated[int, Ge(1)] = 2,
    rank: Annotated[int, Ge(1)] = 8,
    learning_rate: Annotated[float, Gt(0)] = 5e-4,
    share: Annotated[float, Ge(0)] = 0.5,
    pairs: Annotated[int, Ge(0)] = 1500,
    teacher: str | None = "all-mpnet-base-v2",
    teacher_epochs: Annotated[int, Ge(1)] = 2,
    mixed: Annotated[float, Ge(0)] = 1.0,
) -> Mapping[str, Any]:
    """Fit the classifier; `rewards_appropriateness.fit` documents the rows that it reads."""
    from rewards_appropriateness.fit import Options, fit

    return fit(job, Options(fold, depth, epochs, rank, learning_rate, share, pairs, teacher, teacher_epochs, mixed))


def load(params: Path) -> rewards.Reward:
    """The reward for the state of the argument, with the parameters in this folder."""
    model, labels = _stored(params)

    @rewards.reward(
        level="global",
        range=(0, 1),
        reads=_reads(model),
        threshold=rewards.Threshold(0.5, "the argument counts as appropriate below P(Inappropriateness) = .5"),
        models=(model,),
        card=params / "card.json",
        fitter=Fitter(fit, load),
    )
    def appropriateness(arguments: Sequence[rewards.Argument], before: Any, after: Any) -> list[rewards.Score]:
        """1 − P(Inappropriateness) of the argument after its accepted edits.

        The probabilities of all 14 labels before and after go to the record's details.
        """
        return [
            rewards.Score(1.0 - float(now[0]), details={"before": _named(was, labels), "after": _named(now, labels)})
            for was, now in zip(before, after, strict=True)
        ]

    return appropriateness


def load_gain(params: Path) -> rewards.Reward:
    """The reward for what the edits change, with the parameters in this folder."""
    model, _ = _stored(params)

    @rewards.reward(
        level="global",
        range=(-1, 1),
        reads=_reads(model),
        models=(model,),
        card=params / "card.json",
        fitter=Fitter(fit, load_gain),
    )
    def appropriateness_gain(arguments: Sequence[rewards.Argument], before: Any, after: Any) -> list[float]:
        """How much the accepted edits lower the odds of inappropriateness: (before − after) / (before + after).

        0 if nothing changes, .5 if the odds fall to a third, negative if the edits make it worse. Unlike `appropriateness`, it
        pays nothing for doing nothing, and it pays for progress on arguments that stay inappropriate.
        """
        # before and after: (N, 14)
        odds = [p[:, 0].astype(float) / (1.0 - p[:, 0].astype(float)).clip(min=TINY) for p in (before, after)]
        return [float((was - now) / max(was + now, TINY)) for was, now in zip(*odds, strict=True)]

    return appropriateness_gain


def _stored(params: Path) -> tuple[Model, tuple[str, ...]]:
    labels = tuple(json.loads((params / "card.json").read_text(encoding="utf-8"))["labels"])
    return classifier(params, labels), labels


def _reads(model: Model) -> Callable[[rewards.Argument], tuple[ClassProbabilities, ClassProbabilities]]:
    def reads(argument: rewards.Argument) -> tuple[ClassProbabilities, ClassProbabilities]:
        """The dimensions of the argument before and after its accepted edits."""
        issue = argument.issue
        return ClassProbabilities(argument.before, model, issue), ClassProbabilities(argument.after, model, issue)

    return reads


def _named(probabilities: Any, labels: Sequence[str]) -> dict[str, float]:
    names = labels if len(labels) == len(probabilities) else DIMENSIONS  # the full model has all 14
    return {name: float(p) for name, p in zip(names, probabilities, strict=True)}


appropriateness = load(PARAMS)
appropriateness_gain = load_gain(PARAMS)


@rewards.hookimpl
def register_rewards(register: Callable[[rewards.Reward], None]) -> None:
    """Register both rewards."""
    register(appropriateness)
    register(appropriateness_gain)
