"""How appropriate is the argument after its accepted edits, and in which of 14 dimensions does it fall short?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rewards
from rewards.features import ClassProbabilities, HiddenState
from rewards.models.catalog import CAUSAL_LM, EMBEDDED_CAUSAL_LM
from rewards.models.specs import Checkpoint, Derived, Hub, Model

PARAMS = Path(__file__).parent / "params"
LAYER = 12
SKIP = 1  # the first token's state would make the judgement depend on the length of the argument
DIMENSIONS = (
    "Inappropriateness",
    "Toxic Emotions",
    "Excessive Intensity",
    "Emotional Deception",
    "Missing Commitment",
    "Missing Seriousness",
    "Missing Openness",
    "Missing Intelligibility",
    "Unclear Meaning",
    "Missing Relevance",
    "Confusing Reasoning",
    "Other Reasons",
    "Detrimental Orthography",
    "Reason Unclassified",
)
"""The dimensions of Ziegenbein et al. (ACL 2023), in the order of the classifiers' labels."""


def head_reads(request: ClassProbabilities) -> tuple[HiddenState]:
    """The language model's view of the argument (text) under its issue (pair)."""
    from rewards_appropriateness.head import text_of

    return (HiddenState(text_of(request.pair or "", request.text), CAUSAL_LM, LAYER, SKIP),)


def head(states: Any) -> Any:
    """(N, D) hidden states to (N, 14) probabilities."""
    from rewards_appropriateness.head import probabilities

    return probabilities(states)


CLASSIFIER = Model(
    "appropriateness",
    {
        "embedded": Derived(
            "appropriateness head on SmolLM2 layer 12",
            hashlib.sha256((PARAMS / "head.safetensors").read_bytes()).hexdigest(),
            DIMENSIONS,
            head_reads,
            head,
            fitted_on=(EMBEDDED_CAUSAL_LM,),
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
"""Probabilities of the 14 dimensions for an argument (text) under an issue (pair)."""


def reads(argument: rewards.Argument) -> tuple[ClassProbabilities, ClassProbabilities]:
    """The dimensions of the argument before and after its accepted edits."""
    issue = argument.issue
    return (
        ClassProbabilities(argument.before, CLASSIFIER, issue),
        ClassProbabilities(argument.after, CLASSIFIER, issue),
    )


@rewards.reward(
    level="global",
    range=(0, 1),
    reads=reads,
    threshold=rewards.Threshold(0.5, "the argument counts as appropriate below P(Inappropriateness) = .5"),
    models=(CLASSIFIER, CAUSAL_LM),
    card=PARAMS / "card.json",
)
def appropriateness(arguments: Sequence[rewards.Argument], before: Any, after: Any) -> list[rewards.Score]:
    """1 − P(Inappropriateness) of the argument after its accepted edits.

    Probabilities (N, 14) before and after give (N,) in [0, 1]; both sets of 14 go to the record's details.
    """
    return [
        rewards.Score(1.0 - float(now[0]), details={"before": _named(was), "after": _named(now)})
        for was, now in zip(before, after, strict=True)
    ]


def _named(probabilities: Any) -> dict[str, float]:
    return {name: float(p) for name, p in zip(DIMENSIONS, probabilities, strict=True)}


@rewards.hookimpl
def register_rewards(register: Callable[[rewards.Reward], None]) -> None:
    """Register the reward."""
    register(appropriateness)
