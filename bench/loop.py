"""The way the reference scores: one call per edit and model, batch size 1, float32, nothing shared or remembered.

Same weights, same adapters, same thresholds as the suite `default`; the scores agree with the engine's within rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModelForCausalLM, AutoTokenizer

import rewards_appropriateness
import rewards_fluency
import rewards_pattern_conformity
from rewards.models import store
from rewards.models.adapted import evidence, layout, line_break, merge, read_adapter
from rewards.models.catalog import MINILM, SMOLLM2
from rewards.types import Revision
from rewards_format import plain_text
from rewards_pattern_conformity.model import PatternModel
from rewards_pattern_conformity.operations import operations


class Classifier:
    """A language model with an adapter, one text at a time."""

    def __init__(self, folder: Path, adapter: Path) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).base_model
        depth, scaling, self.head = read_adapter(adapter)
        model.layers, model.norm = model.layers[:depth], torch.nn.Identity()
        merge(model, self.head, scaling)
        self.model = model.eval()

    @torch.inference_mode()
    def logits(self, text: str, pair: str) -> Any:
        """(C,)"""
        first, second = self.tokenizer([pair, text], add_special_tokens=False)["input_ids"]
        tokens, start = layout(first[:512], second[: 1022 - len(first[:512])], line_break(self.tokenizer))
        hidden = self.model(input_ids=torch.tensor([tokens])).last_hidden_state[:, start:]
        return evidence(hidden, torch.ones(1, hidden.shape[1]), self.head)[0]


class Loop:
    """The models, loaded once, and one method per reward."""

    def __init__(self) -> None:
        folder = store.ensure(SMOLLM2)
        self.judge = Classifier(folder, rewards_fluency.PARAMS / rewards_fluency.ADAPTER)
        self.critic = Classifier(folder, rewards_appropriateness.PARAMS / rewards_appropriateness.ADAPTER)
        self.patterns = PatternModel.load(rewards_pattern_conformity.PARAMS / rewards_pattern_conformity.FILE)
        self.encoder = SentenceTransformer(str(store.ensure(MINILM)), device="cpu")

    def tokens(self, text: str) -> Any:
        """(T, D) of unit length."""
        found = self.encoder.encode(text, output_value="token_embeddings", convert_to_tensor=True)[1:-1]
        return torch.nn.functional.normalize(found, dim=-1)

    def similarity(self, before: str, after: str) -> float:
        """How well the tokens of two sentences match."""
        old, new = self.tokens(before), self.tokens(after)
        if not len(old) or not len(new):
            return 0.0
        matches = old @ new.T
        recall, precision = float(matches.max(1).values.mean()), float(matches.max(0).values.mean())
        return 2 * precision * recall / (precision + recall)

    def fluency(self, before: str, after: str) -> float:
        """P(fluent) of one edited sentence."""
        return float(torch.softmax(self.judge.logits(after, before), -1)[1]) if after.strip() else 0.0

    def appropriateness(self, issue: str, argument: str) -> float:
        """1 − P(Inappropriateness) of one argument."""
        return 1.0 - float(torch.sigmoid(self.critic.logits(argument, issue))[0])

    def lost(self, before: str, after: str) -> float:
        """1 − BERTScore recall of one argument."""
        old, new = self.tokens(before), self.tokens(after)
        return 1.0 - float((old @ new.T).max(1).values.mean()) if len(new) else 1.0

    def score(self, revision: Revision, thresholds: dict[str, float]) -> dict[str, Any]:
        """Scores of every valid edit, and appropriateness before and after the accepted ones."""
        edits: dict[int, dict[str, float]] = {}
        accepted: list[int] = []
        for sentence in revision.edited_sentences():
            whole = float(self.patterns.perplexity([operations(sentence.before, sentence.after)])[0])
            for index, edit in enumerate(revision.edits):
                if not edit.valid or edit.sentence_id != sentence.sentence_id:
                    continue
                scores = {
                    "fluency": self.fluency(edit.sentence_before, edit.sentence_after),
                    "pattern_conformity": float(
                        self.patterns.perplexity([operations(edit.sentence_before, edit.sentence_after)])[0]
                    ),
                }
                if edit.changes:
                    scores["token_similarity"] = self.similarity(edit.sentence_before, edit.sentence_after)
                edits[index] = scores
                if (
                    scores.get("token_similarity", -1) >= thresholds["token_similarity"]
                    and scores["fluency"] >= thresholds["fluency"]
                    and plain_text([edit])[0] >= thresholds["plain_text"]
                    and whole <= thresholds["sentence_pattern_conformity"]
                ):
                    accepted.append(index)
        text = revision.apply(accepted)
        before = self.appropriateness(revision.issue, revision.argument)
        after = self.appropriateness(revision.issue, text)
        lost = self.lost(revision.argument, text)
        return {"edits": edits, "accepted": sorted(accepted), "before": before, "after": after, "lost": lost}


def run(revisions: Sequence[Revision], loop: Loop, thresholds: dict[str, float]) -> list[dict[str, Any]]:
    """Score one revision after another."""
    return [loop.score(revision, thresholds) for revision in revisions]
