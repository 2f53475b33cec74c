"""Does the edited sentence read well, compared with the sentence it replaces?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt

import rewards
from rewards.features import ClassProbabilities
from rewards.fitting import Fitter, Job
from rewards.models.catalog import SMOLLM2
from rewards.models.specs import Adapter, Checkpoint, Model

PARAMS = Path(__file__).parent / "params"
ADAPTER = "adapter.safetensors"
LABELS = ("disfluent", "fluent")


def classifier(params: Path) -> Model:
    """The model that judges a sentence (text) against the one it replaces (pair)."""
    return Model(
        "fluency",
        {
            "embedded": Checkpoint(SMOLLM2, "adapted-classifier", labels=LABELS, adapter=Adapter.of(params / ADAPTER)),
            "full": Checkpoint(None, "classifier", labels=LABELS),  # the reference's ModernBERT-large is not published
        },
    )


def fit(
    job: Job,
    *,
    examples: Annotated[int, Ge(100)] = 40000,
    depth: Annotated[int, Ge(5), Le(30)] = 20,
    learning_rate: Annotated[float, Gt(0)] = 1e-3,
    rank: Annotated[int, Ge(1)] = 8,
    fold: str = "fold0.0",
    percentile: Annotated[float, Gt(0), Lt(100)] | None = None,
) -> Mapping[str, Any]:
    """Fit the classifier; `rewards_fluency.pairs` documents the rows that it takes.

    The threshold is .5, or with `percentile` the value that so many percent of the human edits in valid fail.
    """
    from rewards_fluency.fit import Options, fit

    return fit(job, Options(examples, depth, learning_rate, rank, fold, percentile))


def load(params: Path) -> rewards.Reward:
    """The reward with the parameters in this folder."""
    card, model = params / "card.json", classifier(params)

    def reads(edit: rewards.Edit) -> tuple[ClassProbabilities]:
        """The class probabilities of the sentence after the edit, judged beside the one before."""
        return (ClassProbabilities(edit.sentence_after, model, edit.sentence_before),)

    @rewards.reward(
        level="edit",
        range=(0, 1),
        reads=reads,
        threshold={
            "embedded": rewards.Threshold.from_card(card),
            "full": rewards.Threshold(0.5, "the reference takes the likelier of two classes"),
        },
        models=(model,),
        card=card,
        fitter=Fitter(fit, load),
    )
    def fluency(edits: Sequence[rewards.Edit], probabilities: Any) -> list[float]:
        """Probability that the sentence after the edit is fluent, judged beside the sentence before it.

        0 where nothing is left of the sentence.
        """
        # probabilities: (N, 2)
        fluent = probabilities[:, LABELS.index("fluent")]
        return [float(p) if edit.sentence_after.strip() else 0.0 for edit, p in zip(edits, fluent, strict=True)]

    return fluency


fluency = load(PARAMS)


@rewards.hookimpl
def register_rewards(register: Callable[[rewards.Reward], None]) -> None:
    """Register the reward."""
    register(fluency)
