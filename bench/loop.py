"""The way the reference scores: one call per edit and model, batch size 1, float32, nothing shared or remembered.

Same weights, same heads, same thresholds as the suite `default`; the scores agree with the engine's within rounding. It
is written as people write it with transformers and sentence-transformers, so the language model runs all its layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModelForCausalLM, AutoTokenizer

from rewards.models import store
from rewards.models.catalog import MINILM, SMOLLM2
from rewards.types import Revision
from rewards_appropriateness import SKIP
from rewards_appropriateness import head as appropriateness_head
from rewards_appropriateness.head import text_of
from rewards_fluency import LAYER
from rewards_fluency import head as fluency_head
from rewards_pattern_conformity.model import perplexity
from rewards_pattern_conformity.operations import operations


class Loop:
    """The models, loaded once, and one method per reward."""

    def __init__(self) -> None:
        folder = store.ensure(SMOLLM2)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self.model = model.eval()
        self.encoder = SentenceTransformer(str(store.ensure(MINILM)), device="cpu")

    def similarity(self, before: str, after: str) -> float:
        """Cosine of two sentences."""
        first, second = (self.encoder.encode(text, normalize_embeddings=True) for text in (before, after))
        return float(first @ second)

    @torch.inference_mode()
    def state(self, text: str, skip: int = 0) -> Any:
        """(1, D): the mean hidden state of one text, all tokens but the first `skip`."""
        ids = self.tokenizer(text, add_special_tokens=False, return_tensors="pt", truncation=True, max_length=1024)
        if ids["input_ids"].shape[1] <= skip:
            return torch.zeros(1, self.model.config.hidden_size).numpy()
        return self.model(**ids, output_hidden_states=True).hidden_states[LAYER][0, skip:].mean(0, keepdim=True).numpy()

    def fluency(self, before: str, after: str) -> float:
        """P(fluent) of one edited sentence."""
        return float(fluency_head(self.state(before), self.state(after))[0, 1])

    def appropriateness(self, issue: str, argument: str) -> float:
        """1 − P(Inappropriateness) of one argument."""
        return 1.0 - float(appropriateness_head(self.state(text_of(issue, argument), SKIP))[0, 0])

    def score(self, revision: Revision, thresholds: dict[str, float]) -> dict[str, Any]:
        """Scores of every valid edit, and appropriateness before and after the accepted ones."""
        edits: dict[int, dict[str, float]] = {}
        accepted: list[int] = []
        for index, edit in enumerate(revision.edits):
            if not edit.valid:
                continue
            scores = {
                "fluency": self.fluency(edit.sentence_before, edit.sentence_after),
                "pattern_conformity": float(perplexity([operations(edit.sentence_before, edit.sentence_after)])[0]),
            }
            if edit.changes:
                scores["semantic_similarity"] = self.similarity(edit.sentence_before, edit.sentence_after)
            edits[index] = scores
            if (
                scores.get("semantic_similarity", -1) >= thresholds["semantic_similarity"]
                and scores["fluency"] >= thresholds["fluency"]
                and scores["pattern_conformity"] <= thresholds["pattern_conformity"]
            ):
                accepted.append(index)
        before = self.appropriateness(revision.issue, revision.argument)
        after = self.appropriateness(revision.issue, revision.apply(accepted))
        return {"edits": edits, "accepted": accepted, "before": before, "after": after}


def run(revisions: Sequence[Revision], loop: Loop, thresholds: dict[str, float]) -> list[dict[str, Any]]:
    """Score one revision after another."""
    return [loop.score(revision, thresholds) for revision in revisions]
