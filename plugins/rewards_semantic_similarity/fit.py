"""Chooses the similarity threshold from human revisions, and measures what it rejects; the same data gives the same card."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from rewards.features import Embedding, TokenEmbeddings
from rewards.fitting.calibrate import threshold_of
from rewards.fitting.measures import interval
from rewards.fitting.rows import need, revised, say_left_out, text_beside
from rewards.models.catalog import ENCODER
from rewards.text.matching import match_f1

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from rewards.fitting import Job

LEAST = 50  # revisions: of fewer, a low percentile is only two or three
PERCENTILES = (1, 2, 5, 10, 25, 50)


def fit(job: Job, percentile: float, *, tokens: bool) -> dict[str, Any]:
    """The card of the reward on sentence vectors or, with `tokens`, on token vectors.

    Rows are `{before, after}`, sentences that people have changed, and `{text}`, texts on other topics.
    """
    pairs, owners, strangers, left_out = [], [], [], Counter[str]()
    for row in job.rows():
        if (text := text_beside(row)) is not None:
            strangers.append(text)
        elif pair := revised(row, left_out):
            pairs.append(pair)
            owners.append(row.owner(pair[0]))
    say_left_out(job.say, left_out)
    need(len(pairs), LEAST, "revised sentences (columns before and after)")
    rng = Random(job.seed)  # noqa: S311  (a seeded sample, nothing secret)
    compare = token_similarities if tokens else cosine
    human = compare(job, pairs)
    others = {"same_topic": compare(job, [(old, rng.choice(pairs)[1]) for old, _ in pairs])}
    if strangers:
        others["other_topic"] = compare(job, [(old, rng.choice(strangers)) for old, _ in pairs])
    cuts = {each: round(float(np.percentile(human, each)), 4) for each in PERCENTILES}
    return {
        "measures": "F1 of matching the tokens of a sentence before and after an edit by their contextual vectors."
        if tokens
        else "Cosine of the embeddings of a sentence before and after an edit.",
        "model": f"{', '.join(job.engine.describe()['models'])}, used as is",
        "threshold": threshold_of(human, percentile, True, job.seed, "revisions of whole sentences by people", owners),
        "percentiles": {
            f"p{each}": {
                "similarity": cut,
                "kept_human": round(float((human >= cut).mean()), 4),
                **_rejected(others, cut, job.seed, owners),
            }
            for each, cut in cuts.items()
        },
        "controls": "same topic: the sentence replaced by a random sentence of another revision; other topic: by a text of "
        "the rows that have no before and after",
        "rows": {"revised sentences": len(pairs), "texts on other topics": len(strangers)},
    }


def _rejected(
    others: Mapping[str, NDArray[np.float64]], cut: float, seed: int, owners: Sequence[str]
) -> dict[str, Any]:
    """For each kind of replacement, the share below the threshold, with its 95 % interval from a bootstrap over owners."""
    found: dict[str, Any] = {}
    for name, values in others.items():
        below = (values < cut).astype(float)
        found[f"rejected_{name}"] = round(float(below.mean()), 4)
        if 0 < below.mean() < 1:  # a share of 0 or 1 is the same in all resamples and has no interval
            found[f"rejected_{name}_95"] = interval(lambda each: float(each.mean()), below, seed=seed, owners=owners)
    return found


def cosine(job: Job, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
    """(N,) cosines of the sentence vectors of each pair."""
    # the same roles as in scoring
    requests = [(Embedding(old, ENCODER, "query"), Embedding(new, ENCODER, "document")) for old, new in pairs]
    found = job.features([request for pair in requests for request in pair])
    return np.array([float(old @ new) for old, new in zip(found[::2], found[1::2], strict=True)])


def token_similarities(job: Job, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
    """(N,) F1 of matching the token vectors of each pair."""
    values = []
    for start in range(0, len(pairs), 256):  # in parts: token vectors are large
        part = pairs[start : start + 256]
        found = job.features([TokenEmbeddings(text, ENCODER) for pair in part for text in pair])
        values += [match_f1(old, new) for old, new in zip(found[::2], found[1::2], strict=True)]
    return np.array(values)
