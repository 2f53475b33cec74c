"""What suites pay on the reference's completions: `python -m bench.suites DATA [--suite NAME …] [--groups 75]`.

Systems: the unedited originals and the reference's base and v11. Groups are what GRPO sees: 8 completions of one argument,
each a random half of the edits that both systems propose for it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import rewards
from bench.data import need
from bench.work import resampled
from rewards.engine.cache import DiskCache, MemoryCache
from rewards.engine.engine import Engine
from rewards.fitting.measures import interval
from rewards.records import read_revision
from rewards.suite import Suite, load_suite

SEED = 20261122
SIZE = 8  # completions of a group
FLAT = 1e-3  # a group with a lower standard deviation gives no learning signal
PEOPLE = {"v11": 2.36, "base": 2.65}
"""Mean rank that people gave to whole results (arXiv 2604.12770); lower is better."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.suites", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--suite", action="append")
    parser.add_argument("--groups", type=int, default=75)
    parser.add_argument("--cache", type=Path)
    given = parser.parse_args()
    need(given.data, (f"reference/{name}.generated.jsonl" for name in PEOPLE))
    engine = Engine(dtype="float32", cache=DiskCache(given.cache) if given.cache else MemoryCache())
    rows = {
        name: [json.loads(line) for line in (given.data / f"reference/{name}.generated.jsonl").open(encoding="utf-8")]
        for name in PEOPLE
    }
    systems = {name: [read_revision(row) for row in found] for name, found in rows.items()}
    systems["original"] = [read_revision({**row, "completion": None, "edits": []}) for row in rows["base"]]
    groups = make_groups(systems, given.groups)
    for name in given.suite or ("default", "grpo_edit_v11", "grpo_global_v3_sentence"):
        print(json.dumps(measure(load_suite(name, engine=engine), systems, groups), indent=2))


def make_groups(systems: dict[str, list[rewards.Revision]], count: int) -> list[list[rewards.Revision]]:
    """`count` groups of SIZE revisions of one argument."""
    pairs = list(zip(systems["base"], systems["v11"], strict=True))[:count]
    return [resampled(list(pair), SIZE, Random(f"{SEED} {pair[0].id}")) for pair in pairs]


def measure(
    suite: Suite, systems: dict[str, list[rewards.Revision]], groups: list[list[rewards.Revision]]
) -> dict[str, Any]:
    """Means of the systems, the interval of their difference, groups without spread, and each reward's share of the spread."""
    totals = {name: np.array([one.reward or 0.0 for one in suite.score(found)]) for name, found in systems.items()}
    difference = totals["v11"] - totals["base"]
    results = [suite.score(group) for group in groups]
    rewarded = np.array([[one.reward or 0.0 for one in group] for group in results])  # (G, SIZE)
    paid = [component for component in suite.components if component.weight]
    parts = {
        c.name: np.array([[c.weight * (one.rewards[c.name] or 0.0) for one in group] for group in results])
        for c in paid
    }
    centred = rewarded - rewarded.mean(1, keepdims=True)
    whole = float((centred**2).sum())
    return {
        "suite": suite.name,
        "mean": {name: round(float(found.mean()), 4) for name, found in totals.items()},
        "v11_minus_base": round(float(difference.mean()), 4),
        "v11_minus_base_95": interval(lambda d: float(d.mean()), difference, seed=SEED),
        "ranks_systems_as_people_do": bool(totals["v11"].mean() > totals["base"].mean()),
        "groups": len(groups),
        "groups_without_spread": round(float((rewarded.std(1) < FLAT).mean()), 4),
        "spread_within_groups": round(float(rewarded.std(1).mean()), 4),
        "share_of_the_spread": {
            name: round(float(((part - part.mean(1, keepdims=True)) * centred).sum()) / whole, 3)
            for name, part in parts.items()
        },
    }


if __name__ == "__main__":
    main()
