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

from bench.__main__ import machine
from rewards.records import read_revision
from rewards.suite import Suite, load_suite
from rewards.types import Revision
from rewards_train import data
from rewards_train.recipe import EXAMPLES, Data

GROUP = 8


def main() -> None:
    found = share(Path(sys.argv[1])) if len(sys.argv) > 1 else group()
    print(json.dumps({"machine": machine(), **found}, indent=2))


def group(arguments: int = 12) -> dict[str, Any]:
    """Seconds for 8 different completions of one argument, and for one of them, each from an empty cache."""
    suite = load_suite()
    items = data.load(Data(train=EXAMPLES), "compact").train.items[:arguments]
    groups = [completions(item, random.Random(number)) for number, item in enumerate(items)]
    suite.score(groups[0])  # loads the models
    ratios, ones, eights = [], [], []
    for revisions in groups:
        one, eight = seconds(suite, revisions[:1]), seconds(suite, revisions)
        again = seconds(suite, revisions[:1])  # what the machine does besides hits both
        ones.append((one + again) / 2)
        eights.append(eight)
        ratios.append(eight / ones[-1])
    return {
        "arguments": len(groups),
        "seconds_one": round(statistics.median(ones), 3),
        "seconds_group_of_8": round(statistics.median(eights), 3),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_of_sums": round(sum(eights) / sum(ones), 2),
    }


def completions(item: data.Item, draw: random.Random) -> list[Revision]:
    """Eight completions as a policy samples them: one to three edits each, drawn from a few that recur."""
    known = []
    for number, sentence in enumerate(item.sentences, 1):
        words = sentence.split()
        for _ in range(3):
            start = draw.randrange(len(words))
            part = " ".join(words[start : start + draw.randint(1, 3)])
            known.append(f"{number} | {part} | {draw.choice(('', 'people', 'some of it', 'may be'))}".rstrip())
    texts = ["\n".join(draw.sample(known, min(len(known), draw.randint(1, 3)))) for _ in range(GROUP)]
    carried = {"id": item.id, "issue": item.issue, "sentences": list(item.sentences)}
    return [read_revision({**carried, "completion": text}, format="compact") for text in texts]


def seconds(suite: Suite, revisions: list[Revision]) -> float:
    suite.engine.cache.clear()
    began = time.perf_counter()
    suite.score(revisions)
    return time.perf_counter() - began


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
