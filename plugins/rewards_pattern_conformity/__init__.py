"""Do the edits follow the patterns of human editing: what is kept, deleted, added and replaced, in which order?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rewards

CARD = Path(__file__).parent / "params" / "card.json"


@rewards.reward(
    level="edit",
    range=(1, float("inf")),
    higher_is_better=False,
    threshold=rewards.Threshold.from_card(CARD, "threshold_edit"),
    card=CARD,
)
def pattern_conformity(edits: Sequence[rewards.Edit]) -> Any:
    """Perplexity of the edit's token operations under a causal model of human revisions.

    The operations (keep, keep inside the edit, delete, add, replace) come from a word diff of the sentence before and
    after this edit alone. At least 1; 1 is perfectly expected, and lower is better.
    """
    return _perplexity([(edit.sentence_before, edit.sentence_after) for edit in edits])


@rewards.reward(
    level="sentence",
    range=(1, float("inf")),
    higher_is_better=False,
    threshold=rewards.Threshold.from_card(CARD, "threshold_sentence"),
    card=CARD,
)
def sentence_pattern_conformity(sentences: Sequence[rewards.Sentence]) -> Any:
    """Perplexity of the operations of all valid edits of a sentence together, under the same causal model.

    Single edits of people and of language models hardly differ in their patterns; what a whole sentence undergoes does.
    """
    return _perplexity([(sentence.before, sentence.after) for sentence in sentences])


def _perplexity(pairs: Sequence[tuple[str, str]]) -> Any:
    from rewards_pattern_conformity.model import perplexity
    from rewards_pattern_conformity.operations import operations

    return perplexity([operations(before, after) for before, after in pairs])


@rewards.hookimpl
def register_rewards(register: Callable[[rewards.Reward], None]) -> None:
    """Register both levels."""
    register(pattern_conformity)
    register(sentence_pattern_conformity)
