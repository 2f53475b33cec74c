"""Does an edit replace blame by praise that the author never gave?"""

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
"""The encoder of single words: MiniLM in every profile, since the head was fitted to its vectors."""


def fit(
    job: Job,
    *,
    penalty: Annotated[float, Gt(0)] = 4.0,
    percentile: Annotated[float, Gt(0), Lt(100)] = 0.25,
) -> Mapping[str, Any]:
    """Fit the classifier of blame and praise, and choose the threshold that `percentile` percent of human revisions fail."""
    from rewards_valence.fit import fit

    return fit(job, penalty, percentile)


def classifier(params: Path) -> Model:
    """The model that classifies single words, out of context, as blame, praise or neither."""
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
    from safetensors.numpy import load  # imports numpy, which commands that score nothing do without

    return load(data)


def kept(gone: Sequence[Any], come: Sequence[Any]) -> float:
    """1 − the smaller of two changes, but at most 1: the fall of the largest P(blame), the rise of the largest P(praise).

    `gone` and `come` are the probabilities (3,) of the removed and of the added words; 1 where there are none of one kind.
    """
    if not len(gone) or not len(come):
        return 1.0
    (blame, _, praise), (blame_after, _, praise_after) = (map(max, zip(*words, strict=True)) for words in (gone, come))
    return 1.0 - max(0.0, float(min(blame - blame_after, praise_after - praise)))


def load(params: Path) -> rewards.Reward:
    """The reward with the parameters in this folder."""
    card, model = params / "card.json", classifier(params)

    def reads(edit: rewards.Edit) -> tuple[ClassProbabilities, ...]:
        """The exchanged words, each out of context: among insults, even "saints" is classified as one."""
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
