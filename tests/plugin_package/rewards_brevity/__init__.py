"""A reward for edits that make their sentence shorter, and one that uses a model."""

from __future__ import annotations

from typing import Any

import rewards
from rewards.features import Embedding
from rewards.models.catalog import ENCODER


@rewards.reward(level="edit", range=(0, 1), threshold=0.5)
def brevity(edits: list[rewards.Edit], *, factor: float = 1.0) -> list[float]:
    """1 where the edit leaves less than `factor` of its sentence's length."""
    return [float(len(e.sentence_after) < factor * len(e.sentence_before)) for e in edits]


@rewards.reward(
    level="edit",
    range=(-1, 1),
    reads=lambda edit: (Embedding(edit.before, ENCODER), Embedding(edit.after, ENCODER)),
    models=(ENCODER,),
)
def part_similarity(edits: list[rewards.Edit], before: Any, after: Any) -> Any:
    """Cosine similarity of the replaced part and its replacement."""
    return (before * after).sum(-1)


@rewards.hookimpl
def register_rewards(register: Any) -> None:
    """Register both rewards."""
    register(brevity)
    register(part_similarity)
