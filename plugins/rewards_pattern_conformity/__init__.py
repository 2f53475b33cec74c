"""Do the edits follow the patterns of human editing: what is kept, deleted, added and replaced, in which order?"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Gt, Lt

import rewards
from rewards.fitting import Fitter, Job
from rewards.paths import file_digest

PARAMS = Path(__file__).parent / "params"
FILE = "model.safetensors"


def fit(job: Job, *, percentile: Annotated[float, Gt(0), Lt(100)] = 1.0) -> Mapping[str, Any]:
    """Fit the model of operations and the thresholds of both levels to sentences that people have changed."""
    from rewards_pattern_conformity.fit import fit

    return fit(job, percentile=percentile)


def load_edit(params: Path) -> rewards.Reward:
    """The reward of single edits with the parameters in this folder."""
    perplexity = functools.partial(_perplexity, params / FILE, file_digest(params / FILE))

    @rewards.reward(
        level="edit",
        range=(1, float("inf")),
        higher_is_better=False,
        threshold=rewards.Threshold.from_card(params / "card.json", "threshold_edit"),
        card=params / "card.json",
        fitter=Fitter(fit, load_edit),
    )
    def pattern_conformity(edits: Sequence[rewards.Edit], *, changes_only: bool = False) -> Any:
        """Perplexity of the edit's token operations under a causal model of human revisions.

        The operations (keep, keep inside the edit, delete, add, replace) come from a word diff of the sentence before and
        after this edit alone. At least 1, where the operations are perfectly predictable; lower is better. For an edit that
        changes nothing it only reflects the length of the sentence; with `changes_only` it does not apply to such an edit
        (None), and as a gate rejects it.
        """
        found = perplexity([(edit.sentence_before, edit.sentence_after) for edit in edits])
        if not changes_only:
            return found
        return [value if edit.changes else None for edit, value in zip(edits, found.tolist(), strict=True)]

    return pattern_conformity


def load_sentence(params: Path) -> rewards.Reward:
    """The reward of whole sentences with the parameters in this folder."""
    perplexity = functools.partial(_perplexity, params / FILE, file_digest(params / FILE))

    @rewards.reward(
        level="sentence",
        range=(1, float("inf")),
        higher_is_better=False,
        threshold=rewards.Threshold.from_card(params / "card.json", "threshold_sentence"),
        card=params / "card.json",
        fitter=Fitter(fit, load_sentence),
    )
    def sentence_pattern_conformity(sentences: Sequence[rewards.Sentence]) -> Any:
        """Perplexity of the operations of all valid edits of a sentence together, under the same causal model.

        The operations of a whole sentence separate people from language models better than those of single edits, as long as
        length and extent are not controlled for.
        """
        return perplexity([(sentence.before, sentence.after) for sentence in sentences])

    return sentence_pattern_conformity


def _perplexity(file: Path, digest: str, pairs: Sequence[tuple[str, str]]) -> Any:
    from rewards_pattern_conformity.operations import operations

    return _model(file, digest).perplexity([operations(before, after) for before, after in pairs])


@functools.cache
def _model(file: Path, digest: str) -> Any:
    from rewards_pattern_conformity.model import PatternModel

    return PatternModel.load(file)


pattern_conformity = load_edit(PARAMS)
sentence_pattern_conformity = load_sentence(PARAMS)


@rewards.hookimpl
def register_rewards(register: Callable[[rewards.Reward], None]) -> None:
    """Register both levels."""
    register(pattern_conformity)
    register(sentence_pattern_conformity)
