"""Does the edited sentence still mean what it meant?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Gt, Lt

import rewards
from rewards.features import Embedding, TokenEmbeddings
from rewards.fitting import Fitter, Job
from rewards.fitting.params import thresholds_of
from rewards.models.catalog import ENCODER
from rewards.models.specs import Profile
from rewards.text.matching import match_f1

PARAMS = Path(__file__).parent / "params"
TOKENS = PARAMS / "tokens"
GEMMA = rewards.Threshold(0.6144470572471619, "the reference's threshold for EmbeddingGemma (arXiv 2604.12770)")
UNCALIBRATED = "found with the embedded model: set one of your own for this"


def reads(edit: rewards.Edit) -> tuple[Embedding, Embedding] | None:
    """The sentence before as query, after as document; None for an edit that changes nothing."""
    if not edit.changes:
        return None
    return Embedding(edit.sentence_before, ENCODER, "query"), Embedding(edit.sentence_after, ENCODER, "document")


def reads_tokens(edit: rewards.Edit) -> tuple[TokenEmbeddings, TokenEmbeddings] | None:
    """The tokens before and after; None for an edit that changes nothing."""
    if not edit.changes:
        return None
    return TokenEmbeddings(edit.sentence_before, ENCODER), TokenEmbeddings(edit.sentence_after, ENCODER)


def fit(job: Job, *, percentile: Annotated[float, Gt(0), Lt(100)] = 5.0) -> Mapping[str, Any]:
    """Choose the threshold from human revisions, so that `percentile` percent of them fail."""
    from rewards_semantic_similarity.fit import fit

    return fit(job, percentile, tokens=False)


def fit_tokens(job: Job, *, percentile: Annotated[float, Gt(0), Lt(100)] = 5.0) -> Mapping[str, Any]:
    """Choose the threshold from human revisions, so that `percentile` percent of them fail."""
    from rewards_semantic_similarity.fit import fit

    return fit(job, percentile, tokens=True)


def load(params: Path) -> rewards.Reward:
    """The reward with the threshold in this folder."""
    card = params / "card.json"

    @rewards.reward(
        level="edit",
        range=(-1, 1),
        reads=reads,
        threshold=thresholds_of(params, {"embedded": rewards.Threshold.from_card(PARAMS / "card.json"), "full": GEMMA}),
        models=(ENCODER,),
        card=card,
        fitter=Fitter(fit, load, any_models=True),
    )
    def semantic_similarity(edits: Sequence[rewards.Edit], before: Any, after: Any) -> Any:
        """Cosine similarity of the sentence before and after the edit.

        Not applicable to an edit that changes nothing, so that such an edit does not pass this gate.
        """
        # (N, D) of unit length
        return (before * after).sum(-1)

    return semantic_similarity


def load_tokens(params: Path) -> rewards.Reward:
    """The reward on tokens with the threshold in this folder."""
    card = params / "card.json"
    stated = rewards.Threshold.from_card(card)
    others: dict[Profile, rewards.Threshold] = {
        "embedded": rewards.Threshold.from_card(TOKENS / "card.json"),
        "full": rewards.Threshold(stated.value, f"{stated.source}; {UNCALIBRATED}"),
    }

    @rewards.reward(
        level="edit",
        range=(-1, 1),
        reads=reads_tokens,
        threshold=thresholds_of(params, others),
        models=(ENCODER,),
        card=card,
        fitter=Fitter(fit_tokens, load_tokens, any_models=True),
    )
    def token_similarity(edits: Sequence[rewards.Edit], before: Any, after: Any) -> list[float]:
        """How well the tokens of the sentence before and after the edit match in meaning, in both directions.

        The harmonic mean of precision and recall of a greedy matching of token vectors (T, D) of unit length, in [-1, 1]
        (BERTScore, Zhang et al., ICLR 2020, without weights); 0 where nothing is left. Not applicable to an edit that
        changes nothing. Closer to the reference's judgement than the cosine of MiniLM's sentence vectors.
        """
        return [match_f1(a, b) for a, b in zip(before, after, strict=True)]

    return token_similarity


semantic_similarity = load(PARAMS)
token_similarity = load_tokens(TOKENS)


@rewards.hookimpl
def register_rewards(register: Callable[[rewards.Reward], None]) -> None:
    """Register both ways to compare."""
    register(semantic_similarity)
    register(token_similarity)
