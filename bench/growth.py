"""How time and memory grow: with the edits of a file, with the completions of a group, with one more reward."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import work
from bench.machine import REWARDS, timed
from bench.watch import watching
from rewards.engine.engine import Engine
from rewards.suite import Suite, suite_of
from rewards.types import Revision

EDITS = (1_000, 3_000, 10_000, 100_000)


def with_edits(sizes: tuple[int, ...] = EDITS, reward: str = "token_similarity") -> list[dict[str, Any]]:
    """Seconds (without those of starting) and memory of `rewards score` on files of these sizes, with one small model."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        start = 0.0
        for edits in (2, *sizes):
            source, out = Path(folder) / "in.jsonl", Path(folder) / f"{edits}.jsonl"
            work.synthetic(source, edits)
            seconds, memory = timed([*REWARDS, "score", str(source), "-o", str(out), "--reward", reward, "-q"])
            if edits == 2:
                start = seconds
                continue
            features = json.loads(Path(f"{out}.meta.json").read_text(encoding="utf-8"))["features"]
            distinct = {"requested": features["requested"], "computed": features["computed"]}
            rows.append(
                {"edits": edits, "seconds": round(seconds - start, 2), "peak_rss_mb": round(memory), **distinct}
            )
    return rows


def exponent(rows: list[dict[str, Any]]) -> float:
    """The slope of log seconds over log computed texts."""
    return float(np.polyfit(np.log([row["computed"] for row in rows]), np.log([row["seconds"] for row in rows]), 1)[0])


def with_group(
    systems: Sequence[list[Revision]], suite: Suite, sizes: tuple[int, ...] = (1, 2, 4, 8, 16), arguments: int = 6
) -> list[dict[str, Any]]:
    """Seconds for different numbers of completions of the same arguments, and their ratio to those for one completion."""
    everything = work.groups(systems, arguments, max(sizes))
    found = []
    suite.score(everything[:1])  # loads the models
    for size in sizes:
        chosen = [one for at, one in enumerate(everything) if at % max(sizes) < size]
        found.append({"completions": size, "seconds": round(seconds(suite, chosen), 3)})
    return [row | {"times_one": round(row["seconds"] / found[0]["seconds"], 2)} for row in found]


ADDED = (
    (("token_similarity", "fluency"), "semantic_similarity"),
    (("token_similarity", "appropriateness"), "appropriateness_gain"),
    (("token_similarity", "fluency"), "pattern_conformity"),
    (("fluency", "appropriateness"), "token_similarity"),
    (("token_similarity", "fluency"), "appropriateness"),
)


def with_rewards(revisions: list[Revision], engine: Engine) -> list[dict[str, Any]]:
    """By how much a third reward increases the time of two, and the tokens that models read."""
    rows = []
    for two, third in ADDED:
        before, after = suite_of(two, engine=engine), suite_of((*two, third), engine=engine)
        before.score(revisions[:1]), after.score(revisions[:1])
        with watching() as watch:
            first = seconds(before, revisions)
            fewer = watch.tokens()
            second = seconds(after, revisions)
            more = watch.tokens() - fewer
            again = seconds(before, revisions)
        added, tokens = 2 * second / (first + again) - 1, more / fewer - 1
        rows.append({"two": list(two), "third": third, "added": round(added, 4), "tokens": round(tokens, 4)})
    return rows


def seconds(suite: Suite, revisions: list[Revision]) -> float:
    """Seconds to score the revisions from an empty cache."""
    suite.engine.cache.clear()
    began = time.perf_counter()
    suite.score(revisions)
    return time.perf_counter() - began
