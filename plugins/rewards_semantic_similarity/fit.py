"""Chooses the similarity threshold from human revisions, and says what it rejects; the same data gives the same card."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from rewards.features import Embedding, TokenEmbeddings
from rewards.fitting.calibrate import threshold_of
from rewards.fitting.rows import need
from rewards.models.catalog import ENCODER
from rewards.text.matching import match_f1

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rewards.fitting import Job

LEAST = 50  # revisions: of fewer, a low percentile is two or three
PERCENTILES = (1, 2, 5, 10, 25, 50)


def fit(job: Job, percentile: float, *, tokens: bool) -> dict[str, Any]:
    """The card, of sentence vectors or of token vectors.

    Rows are `{before, after}`, sentences that people have changed, and `{text}`, texts on other topics.
    """
    revised, strangers = [], []
    for row in job.rows():
        if "before" in row.record or "after" in row.record:
            before, after = (row.text(name) if row.record.get(name) else "" for name in ("before", "after"))
            if before and after and before != after:
                revised.append((before, after))
        else:
            strangers.append(row.text("text"))
    need(len(revised), LEAST, "revised sentences (columns before and after)")
    rng = Random(job.seed)  # noqa: S311  (a seeded sample, nothing secret)
    compare = token_similarities if tokens else cosine
    human = compare(job, revised)
    others = {"same_topic": compare(job, [(old, rng.choice(revised)[1]) for old, _ in revised])}
    if strangers:
        others["other_topic"] = compare(job, [(old, rng.choice(strangers)) for old, _ in revised])
    cuts = {each: round(float(np.percentile(human, each)), 4) for each in PERCENTILES}
    return {
        "measures": "F1 of matching the tokens of a sentence before and after an edit by their contextual vectors."
        if tokens
        else "Cosine of the embeddings of a sentence before and after an edit.",
        "model": "all-MiniLM-L6-v2, as it is",
        "threshold": threshold_of(human, percentile, True, job.seed, "human revisions"),
        "percentiles": {
            f"p{each}": {
                "similarity": cut,
                "kept_human": round(float((human >= cut).mean()), 4),
                **{f"rejected_{name}": round(float((found < cut).mean()), 4) for name, found in others.items()},
            }
            for each, cut in cuts.items()
        },
        "controls": "same topic: the sentence replaced by a random sentence of another revision; other topic: by a text of "
        "the rows that have no before and after",
        "rows": {"revised sentences": len(revised), "texts on other topics": len(strangers)},
    }


def cosine(job: Job, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
    """(N,) cosines of two texts' vectors."""
    found = job.engine.compute([Embedding(text, ENCODER) for pair in pairs for text in pair])
    vectors = [[np.asarray(found[Embedding(text, ENCODER)]) for text in pair] for pair in pairs]
    return np.array([float(before @ after) for before, after in vectors])


def token_similarities(job: Job, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
    """(N,) similarities of two texts' tokens."""
    values = []
    for start in range(0, len(pairs), 256):  # token vectors are large
        part = pairs[start : start + 256]
        found = job.engine.compute([TokenEmbeddings(text, ENCODER) for pair in part for text in pair])
        values += [match_f1(*(np.asarray(found[TokenEmbeddings(text, ENCODER)]) for text in pair)) for pair in part]
    return np.array(values)
