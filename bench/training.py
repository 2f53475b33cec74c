"""`python -m bench.training [RUN]`: what rewards cost in training.

Without RUN: how much longer a group of 8 completions takes to score than one of them, with the suite `default`. With the
output folder of a run: the share of its time that went into rewards.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from bench.machine import machine
from rewards.records import read_revision
from rewards.suite import Suite, load_suite
from rewards.types import Revision
from rewards_train import data, pairs
from rewards_train.recipe import EXAMPLES

GROUP = 8


def main() -> None:
    found = share(Path(sys.argv[1])) if len(sys.argv) > 1 else group()
    print(json.dumps({"machine": machine(), **found}, indent=2))


def group(arguments: int = 12) -> dict[str, Any]:
    """CPU seconds to score 8 different completions of one argument, and one of them, from an empty cache."""
    suite = load_suite()
    records = list(data.records(EXAMPLES, "train"))[:arguments]
    groups = [completions(record, random.Random(number)) for number, record in enumerate(records)]
    suite.score(groups[0])  # loads the models
    ratios, ones, eights, accepted = [], [], [], 0
    for revisions in groups:
        one, eight = seconds(suite, revisions[:1]), seconds(suite, revisions)
        again = seconds(suite, revisions[:1])
        ones.append((one + again) / 2)
        eights.append(eight)
        ratios.append(eight / ones[-1])
        accepted += len({result.after_accepted for result in suite.score(revisions)})
    return {
        "arguments": len(groups),
        "cpu_seconds_one": round(statistics.median(ones), 3),
        "cpu_seconds_group_of_8": round(statistics.median(eights), 3),
        "distinct_outcomes_per_group": round(accepted / len(groups), 1),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_of_sums": round(sum(eights) / sum(ones), 2),
    }


def completions(record: dict[str, Any], draw: random.Random) -> list[Revision]:
    """Eight completions as a policy samples them, as revisions."""
    return [read_revision(one, format="compact") for one in records_of(record, draw)]


def records_of(record: dict[str, Any], draw: random.Random) -> list[dict[str, Any]]:
    """The records of eight completions as a policy samples them."""
    carried = {"id": record["id"], "issue": record["issue"], "argument": record["argument"]}
    return [{**carried, "completion": text} for text in sampled(record, draw)]


def sampled(record: dict[str, Any], draw: random.Random) -> list[str]:
    """Eight completions of one to three edits each, drawn from a person's edits and random ones."""
    person = read_revision(record)
    known = pairs.completion(person, "compact").split("\n")
    for number, sentence in enumerate(person.sentences, 1):
        words = sentence.split()
        for _ in range(2):
            start = draw.randrange(len(words))
            part = " ".join(words[start : start + draw.randint(1, 3)])
            known.append(f"{number} | {part} | {draw.choice(('', 'people', 'some of it', 'may be'))}".rstrip())
    return ["\n".join(draw.sample(known, min(len(known), draw.randint(1, 3)))) for _ in range(GROUP)]


def seconds(suite: Suite, revisions: list[Revision]) -> float:
    """CPU seconds, so that other load on the machine does not affect the ratio."""
    suite.engine.cache.clear()
    began = time.process_time()
    suite.score(revisions)
    return time.process_time() - began


def share(run: Path) -> dict[str, Any]:
    """Mean and largest share of a step's time that rewards took, from the log of a run."""
    entries = [json.loads(line) for line in (run / "log.jsonl").open(encoding="utf-8")]
    shares = [entry["suite/share_of_time"] for entry in entries if entry.get("suite/share_of_time") is not None]
    cached = [entry["suite/features_cached"] for entry in entries if entry.get("suite/features_cached") is not None]
    return {
        "steps": len(shares),
        "mean_share": round(statistics.mean(shares), 4),
        "largest_share": round(max(shares), 4),
        "features_shared_or_cached": round(statistics.mean(cached), 3),
    }


if __name__ == "__main__":
    main()
