"""Does an edit turn blame into praise, which nobody had said?"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Gt, Lt

import rewards
from rewards.features import ClassProbabilities, Embedding
from rewards.fitting import Fitter, Job
from rewards.models.catalog import EMBEDDED_ENCODER
from rewards.models.specs import Derived, Model
from rewards_valence.wording import exchanged

PARAMS = Path(__file__).parent / "params"
HEAD = "head.safetensors"
LABELS = BLAME, NEITHER, PRAISE = ("blame", "neither", "praise")
WORDS = Model("valence_encoder", {"embedded": EMBEDDED_ENCODER, "full": EMBEDDED_ENCODER})
"""The head was fitted to MiniLM's vectors, and reads these in every profile."""


def fit(
    job: Job,
    *,
    penalty: Annotated[float, Gt(0)] = 4.0,
    percentile: Annotated[float, Gt(0), Lt(100)] = 0.25,
) -> Mapping[str, Any]:
    """Fit what tells words of blame from words of praise; it turns down `percentile` percent of human revisions."""
    from rewards_valence.fit import fit

    return fit(job, penalty, percentile)


def classifier(params: Path) -> Model:
    """Whether a word, by itself, blames, praises or does neither."""
    data = (params / HEAD).read_bytes()

    def reads(request: ClassProbabilities) -> tuple[Embedding]:
        return (Embedding(request.text, WORDS),)

    def compute(vectors: Any) -> Any:
        head = _head(data)
        return shares(vectors, head["weight"], head["bias"])

    digest = hashlib.sha256(data).hexdigest()
    made = Derived("valence head", digest, LABELS, reads, compute, fitted_on=(EMBEDDED_ENCODER,))
    return Model("valence", {"embedded": made, "full": made})


def shares(vectors: Any, weight: Any, bias: Any) -> Any:
    """(N, 3): the probabilities of the labels for words (N, D), by a logistic regression (3, D) and (3,)."""
    import numpy as np

    logits = vectors @ weight.T + bias
    found = np.exp(logits - logits.max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)


@functools.cache
def _head(data: bytes) -> Mapping[str, Any]:
    from safetensors.numpy import load  # numpy: not for commands that score nothing

    return load(data)


def kept(gone: Sequence[Any], come: Sequence[Any]) -> float:
    """1 − as much as the strongest word of blame loses or the strongest word of praise gains, whichever is less.

    Takes the probabilities (3,) of the words that go and of those that come; 1 where there is none of either.
    """
    if not len(gone) or not len(come):
        return 1.0
    (blame, _, praise), (blame_after, _, praise_after) = (map(max, zip(*words, strict=True)) for words in (gone, come))
    return 1.0 - max(0.0, float(min(blame - blame_after, praise_after - praise)))


def load(params: Path) -> rewards.Reward:
    """The reward with the parameters in this folder."""
    card, model = params / "card.json", classifier(params)

    def reads(edit: rewards.Edit) -> tuple[ClassProbabilities, ...]:
        """Each exchanged word by itself: among insults, "saints" looks like one."""
        gone, come = exchanged(edit.sentence_before, edit.sentence_after)
        return tuple(ClassProbabilities(word, model) for word in (*gone, *come))

    @rewards.reward(
        level="edit",
        range=(0, 1),
        reads=reads,
        threshold=rewards.Threshold.from_card(card),
        models=(model, WORDS),
        card=card,
        fitter=Fitter(fit, load),
    )
    def no_praise_for_blame(edits: Sequence[rewards.Edit], *words: Any) -> list[float]:
        """1 − the certainty that the edit replaces a word of blame by a word of praise ("idiots" become "geniuses").

        Such an edit reverses a judgement of the author, and looks appropriate because nothing insults any more. 1 if no word
        is removed or none is added, or if a negation is removed or added. English only.
        """
        # words: the probabilities (N, 3) of each exchanged word
        found = []
        for place, edit in enumerate(edits):
            gone, _ = exchanged(edit.sentence_before, edit.sentence_after)
            each = [probabilities[place] for probabilities in words]
            found.append(kept(each[: len(gone)], each[len(gone) :]))
        return found

    return no_praise_for_blame


no_praise_for_blame = load(PARAMS)


@rewards.hookimpl
def register_rewards(register: Callable[[rewards.Reward], None]) -> None:
    """Register the reward."""
    register(no_praise_for_blame)
