"""Calibrates a threshold for any reward: a percentile of its values on edits that people made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Lt

from rewards.errors import ConfigError, RecordError
from rewards.fitting import Job
from rewards.fitting.measures import interval
from rewards.fitting.rows import need
from rewards.plugins import registry
from rewards.records import read_revision
from rewards.suite import suite_of

LEAST = 20  # values: with fewer, a percentile in the tail reflects one person's habit


def threshold_fit(name: str) -> Callable[..., dict[str, Any]]:
    """The `fit` for a reward that has none of its own: it only calibrates the threshold."""

    def fit(job: Job, *, percentile: Annotated[float, Gt(0), Lt(100)] = 5.0) -> dict[str, Any]:
        return {"threshold": calibrate(name, job, percentile)}

    return fit


def calibrate(name: str, job: Job, percentile: float) -> dict[str, Any]:
    """The threshold that the worst `percentile` percent of the edits in the files fail, in the form of `threshold_of`.

    The files may have any shape that `rewards score` reads. Raises ConfigError for a global reward, a row that cannot be
    read, a failure of the reward, and fewer than LEAST values.
    """
    reward, _ = registry().reward(name)
    if reward.level == "global":
        raise ConfigError(f"reward {name!r} is global: it is never a gate, so there is no threshold to calibrate")
    revisions, writers = [], []
    for row in job.rows():
        try:
            revision = read_revision(row.raw, number=row.number)
        except RecordError as error:
            raise row.wrong(str(error)) from error
        revisions.append(revision)
        writers.append(row.owner(revision.argument))
    suite = suite_of([name], engine=job.engine, profile=job.engine.profile)
    values, owners = list[float](), list[str]()
    for start in range(0, len(revisions), 256):
        results = suite.score(revisions[start : start + 256])
        for result, writer in zip(results, writers[start : start + 256], strict=True):
            judged = result.edits if reward.level == "edit" else tuple(said for _, said in result.sentences)
            for one in judged:
                if name in one and one[name].failed is not None:
                    raise ConfigError(f"{name} failed on revision {result.revision.id!r}: {one[name].failed}")
                if name in one and (value := one[name].value) is not None:
                    values.append(value)
                    owners.append(writer)
        job.say(f"{min(start + 256, len(revisions)):,} of {len(revisions):,} revisions, {len(values):,} values")
    need(len(values), LEAST, f"{reward.level}s of which {name} says anything")
    of = f"{reward.level}s people made"
    return threshold_of(np.array(values), percentile, reward.higher_is_better, job.seed, of, owners)


def threshold_of(
    values: Any, percentile: float, higher_is_better: bool, seed: int, of: str = "human edits", owners: Any = None
) -> dict[str, Any]:
    """The threshold that `percentile` percent of `values` (N,) fail, as a card states it; `owners` as in `interval`."""
    if not 0 < percentile < 100:
        raise ConfigError(f"percentile is {percentile:g}; expected a number between 0 and 100")
    rank = percentile if higher_is_better else 100 - percentile

    def cut(some: Any) -> float:
        return float(np.percentile(some, rank))

    return {
        "value": cut(values),  # not rounded: all values that are equal to it might fail then
        "source": f"{rank:g}th percentile of {len(values):,} {of}",
        "percentile": rank,
        "n": len(values),
        "interval_95": interval(cut, values, seed=seed, owners=owners),
    }
