"""Chooses the similarity threshold from human revisions, and says what it rejects; the same data gives the same card."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from rewards.features import Embedding
from rewards.fitting.calibrate import threshold_of
from rewards.fitting.rows import need, read_rows
from rewards.models.catalog import ENCODER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rewards.fitting import Job

LEAST = 50  # revisions: of fewer, a low percentile is two or three
PERCENTILES = (1, 2, 5, 10, 25, 50)


def fit(job: Job, *, percentile: float = 5.0) -> dict[str, Any]:
    """The card. Rows are `{before, after}`, sentences that people have changed, and `{text}`, texts on other topics."""
    revised, strangers = [], []
    for row in read_rows(job.files):
        if "before" in row.record or "after" in row.record:
            before, after = (row.text(name) if row.record.get(name) else "" for name in ("before", "after"))
            if before and after and before != after:
                revised.append((before, after))
        else:
            strangers.append(row.text("text"))
    need(len(revised), LEAST, "revised sentences (columns before and after)")
    rng = Random(job.seed)  # noqa: S311  (a seeded sample, nothing secret)
    first = _embed(job, [old for old, _ in revised])
    human = (first * _embed(job, [new for _, new in revised])).sum(-1)
    others = {"same_topic": (first * _embed(job, [rng.choice(revised)[1] for _ in revised])).sum(-1)}
    if strangers:
        others["other_topic"] = (first * _embed(job, rng.choices(strangers, k=len(revised)))).sum(-1)
    cuts = {each: round(float(np.percentile(human, each)), 4) for each in PERCENTILES}
    return {
        "measures": "Cosine of the embeddings of a sentence before and after an edit.",
        "threshold": threshold_of(human, percentile, True, job.seed, "human revisions"),
        "percentiles": {
            f"p{each}": {
                "cosine": cut,
                "kept_human": round(float((human >= cut).mean()), 4),
                **{f"rejected_{name}": round(float((cosine < cut).mean()), 4) for name, cosine in others.items()},
            }
            for each, cut in cuts.items()
        },
        "controls": "same topic: the sentence replaced by a random sentence of another revision; other topic: by a text of "
        "the rows that have no before and after",
        "rows": {"revised sentences": len(revised), "texts on other topics": len(strangers)},
    }


def _embed(job: Job, texts: Sequence[str]) -> NDArray[np.float32]:
    requests = [Embedding(text, ENCODER) for text in texts]
    found = job.engine.compute(requests)
    return np.stack([np.asarray(found[request]) for request in requests])
