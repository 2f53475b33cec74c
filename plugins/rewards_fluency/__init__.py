"""Does the edited sentence read well, beside the sentence it replaces?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rewards
from rewards.features import ClassProbabilities, HiddenState
from rewards.models.catalog import CAUSAL_LM, EMBEDDED_CAUSAL_LM
from rewards.models.specs import Checkpoint, Derived, Model

PARAMS = Path(__file__).parent / "params"
LAYER = 12
LABELS = ("disfluent", "fluent")


def head_reads(request: ClassProbabilities) -> tuple[HiddenState, HiddenState]:
    """The language model's view of the sentence before (the pair) and after the edit."""
    return HiddenState(request.pair or "", CAUSAL_LM, LAYER), HiddenState(request.text, CAUSAL_LM, LAYER)


def head(before: Any, after: Any) -> Any:
    """(N, D) hidden states before and after to (N, 2) probabilities of `LABELS`."""
    from rewards_fluency.head import probability

    return probability(before, after)


CLASSIFIER = Model(
    "fluency",
    {
        "embedded": Derived(
            "fluency head on SmolLM2 layer 12",
            hashlib.sha256((PARAMS / "head.safetensors").read_bytes()).hexdigest(),
            LABELS,
            head_reads,
            head,
            fitted_on=(EMBEDDED_CAUSAL_LM,),
        ),
        "full": Checkpoint(None, "classifier", labels=LABELS),  # the reference's ModernBERT-large is not published
    },
)
"""Judges a sentence (text) against the one it replaces (pair)."""


def reads(edit: rewards.Edit) -> tuple[ClassProbabilities]:
    """The classifier's view of the sentence after the edit, beside the one before."""
    return (ClassProbabilities(edit.sentence_after, CLASSIFIER, edit.sentence_before),)


@rewards.reward(
    level="edit",
    range=(0, 1),
    reads=reads,
    threshold={
        "embedded": rewards.Threshold.from_card(PARAMS / "card.json"),
        "full": rewards.Threshold(0.5, "the reference takes the likelier of two classes"),
    },
    models=(CLASSIFIER, CAUSAL_LM),
    card=PARAMS / "card.json",
)
def fluency(edits: Sequence[rewards.Edit], probabilities: Any) -> Any:
    """Probability that the sentence after the edit is fluent, judged beside the sentence before it.

    Class probabilities (N, 2) give (N,) in [0, 1]: of a head on a language model's hidden states of both sentences in
    the embedded profile, of a sequence-pair classifier in the full one.
    """
    return probabilities[:, LABELS.index("fluent")]


@rewards.hookimpl
def register_rewards(register: Callable[[rewards.Reward], None]) -> None:
    """Register the reward."""
    register(fluency)
