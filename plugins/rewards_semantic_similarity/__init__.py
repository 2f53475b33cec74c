"""Does the edited sentence still mean what it meant?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import rewards
from rewards.features import Embedding
from rewards.fitting import Fitter, Job
from rewards.models.catalog import ENCODER

PARAMS = Path(__file__).parent / "params"


def reads(edit: rewards.Edit) -> tuple[Embedding, Embedding] | None:
    """The sentence before as query, after as document; nothing for an edit that changes nothing."""
    if not edit.changes:
        return None
    return Embedding(edit.sentence_before, ENCODER, "query"), Embedding(edit.sentence_after, ENCODER, "document")


def fit(job: Job, *, percentile: float = 5.0) -> Mapping[str, Any]:
    """Choose the threshold from human revisions; of `percentile` percent the meaning counts as lost."""
    from rewards_semantic_similarity.fit import fit

    return fit(job, percentile=percentile)


def load(params: Path) -> rewards.Reward:
    """The reward with the threshold in this folder."""
    card = params / "card.json"

    @rewards.reward(
        level="edit",
        range=(-1, 1),
        reads=reads,
        threshold={
            "embedded": rewards.Threshold.from_card(card),
            "full": rewards.Threshold(
                0.6144470572471619, "the reference's threshold for EmbeddingGemma (arXiv 2604.12770)"
            ),
        },
        models=(ENCODER,),
        card=card,
        fitter=Fitter(fit, load),
    )
    def semantic_similarity(edits: Sequence[rewards.Edit], before: Any, after: Any) -> Any:
        """Cosine similarity of the sentence before and after the edit.

        Embeddings (N, D) of unit length give (N,) in [-1, 1]. Not applicable to an edit that changes nothing, so that
        such an edit does not pass this gate.
        """
        return (before * after).sum(-1)

    return semantic_similarity


semantic_similarity = load(PARAMS)


@rewards.hookimpl
def register_rewards(register: Callable[[rewards.Reward], None]) -> None:
    """Register the reward."""
    register(semantic_similarity)
