"""A teacher: a larger encoder, fitted to the same labels, labels more texts, and the classifier is fitted to its labels too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from rewards.fitting import measures
from rewards.fitting.adapters import AdapterRecipe, Example, fit_teacher
from rewards.text.segment import split
from rewards_appropriateness.variants import FIRST, UNKNOWN, Labelled

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from rewards.fitting import Job


def mixtures(arguments: Sequence[Labelled], rng: Random, share: float) -> list[Labelled]:
    """Texts without labels, about `share` per argument: some sentences of it, and some of another one on its issue, if any.

    They resemble arguments after edits, which remove sentences and add others.
    """
    by_issue: dict[str, list[Labelled]] = {}
    for one in arguments:
        by_issue.setdefault(one.issue, []).append(one)
    found = []
    for one in arguments:
        others = [other for other in by_issue[one.issue] if other.text != one.text] if one.issue else []
        for _ in range(int(share) + (rng.random() < share % 1)):
            parts = [_some(one, rng, 0.6), _some(rng.choice(others), rng, 0.4) if others else ""]
            rng.shuffle(parts)
            if text := " ".join(filter(None, parts)):
                found.append(Labelled(one.issue, text, dict.fromkeys(one.labels, UNKNOWN)))
    return found


def _some(one: Labelled, rng: Random, chance: float) -> str:
    return " ".join(sentence for sentence in split(one.text)[0] if rng.random() < chance)


def taught(
    job: Job,
    teacher: Path,
    recipe: AdapterRecipe,
    labelled: Sequence[Example],
    more: Sequence[Example],
    valid: Sequence[Example],
    shares: Sequence[float],
) -> list[Example]:
    """All examples, labelled with the mean of their label and the teacher's; where they have none, with the teacher's.

    The teacher is the encoder in the folder `teacher`, fitted on `labelled` and calibrated on `valid`; `shares` (C,) are the
    shares of all labelled texts that fall short.
    """
    every = [*labelled, *more]
    found = fit_teacher(teacher, labelled, [*more, *valid], len(shares), recipe, job.seed, job.say)
    known = found[len(every) :]
    labels = np.array([one.label for one in valid])
    job.say(f"ROC-AUC of the teacher on split valid, {FIRST}: {measures.roc_auc(labels[:, 0], known[:, 0]):.3f}")
    scale, bias = calibration(known, labels, shares)
    predicted = 1 / (1 + np.exp(-(found[: len(every)] * scale + bias)))
    stated = np.array([one.label for one in every], dtype=np.float64)
    both = np.where(stated == UNKNOWN, predicted, (stated + predicted) / 2)
    return [replace(one, label=tuple(map(float, row))) for one, row in zip(every, both, strict=True)]


def described(teacher: str, digest: str, epochs: int) -> str:
    """The card's description of the teacher."""
    return (
        f"{teacher} ({digest}; the upper half of its blocks with low-rank changes, {epochs} epochs on "
        "the same labels): its label is half of the target on labelled texts, and all of it on the others"
    )


def calibration(
    found: NDArray[np.float64], labels: NDArray[np.float64], shares: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(C,) and (C,): the factor and the shift that calibrate logits (N, C) by Platt's method, with base rates of `shares`."""
    scale, bias = np.ones(len(shares)), np.zeros(len(shares))
    for column, share in enumerate(shares):
        kept = labels[:, column] != UNKNOWN
        known = labels[kept, column]
        if 0 < known.sum() < len(known):  # Platt's method needs both classes
            scale[column], bias[column] = measures.platt(found[kept, column], known)
            own = float(known.mean())
            bias[column] += np.log(share / (1 - share)) - np.log(own / (1 - own))
    return scale, bias
