"""Engine, peers and ceiling on the same work, part by part in one process, so that what else the machine does hits all."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from bench import ceiling
from bench.exported import available, exported
from bench.machine import spread
from bench.models import Models
from bench.peers import Careful, Loop, Peer, Trl, score
from bench.watch import Watch, watching
from rewards.result import Result
from rewards.suite import Suite
from rewards.types import Revision


def peers(models: Models) -> dict[str, Peer]:
    """The peers by name; the careful user's on other backends too, where they are installed."""
    plain: dict[str, Peer] = {"loop": Loop(models), "TRL": Trl(models), "careful": Careful(models)}
    if models.device != "cpu":
        return plain
    return plain | {f"careful, {name}": Careful(exported(models, name)) for name in available()}


def thresholds_of(suite: Suite) -> dict[str, float]:
    """Of the rewards that gate."""
    return {c.name: c.threshold.value for c in suite.components if c.gate and c.threshold}


def compare(
    suite: Suite, works: Mapping[str, tuple[Sequence[Sequence[Revision]], Sequence[str]]], everyone: Mapping[str, Peer]
) -> dict[str, Any]:
    """For each work, its parts through the engine and the peers named for it: medians over parts, and what differs."""
    thresholds = thresholds_of(suite)
    warm = next(iter(works.values()))[0][0][:2]
    suite.score(warm)
    for peer in everyone.values():
        score(warm, peer, thresholds)
    with watching() as watch:
        return {
            name: _work(suite, parts, {one: everyone[one] for one in named}, thresholds, watch)
            for name, (parts, named) in works.items()
        }


def _work(
    suite: Suite,
    parts: Sequence[Sequence[Revision]],
    named: Mapping[str, Peer],
    thresholds: Mapping[str, float],
    watch: Watch,
) -> dict[str, Any]:
    seconds: dict[str, list[float]] = defaultdict(list)
    off: dict[str, dict[str, Any]] = {name: {"largest_difference": 0.0, "decisions": 0} for name in named}
    tokens = padded = requested = distinct = 0
    flops = 0.0
    phases: dict[str, float] = defaultdict(float)
    for part in parts:
        suite.engine.cache.clear()
        watch.clear()
        counts = suite.engine.counts
        asked, different = counts.requested, counts.computed
        found = timed(seconds["engine"], partial(suite.score, part))
        readings = list(watch.readings.values())
        for phase, spent in watch.seconds.items():
            phases[phase] += spent
        requested += counts.requested - asked
        distinct += counts.computed - different
        tokens += sum(one.tokens for one in readings)
        padded += sum(one.padded for one in readings)
        flops += ceiling.flops(readings)
        timed(seconds["warm"], partial(suite.score, part))
        seconds["ceiling"].append(ceiling.seconds(readings))
        for name, peer in named.items():
            other = timed(seconds[name], partial(score, part, peer, thresholds))
            differences(found, other, off[name])
    engine = seconds.pop("engine")
    total = sum(engine)
    edits = sum(len(one.edits) for part in parts for one in part)
    return {
        "records": sum(map(len, parts)),
        "edits": edits,
        "parts": len(parts),
        "seconds": round(total, 2),
        "edits_per_second": round(edits / total, 1),
        "tokens": tokens,
        "tokens_per_second": round(tokens / total),
        "padding": round(1 - tokens / padded, 4),
        "shared_or_seen": round(1 - distinct / requested, 4),
        "gflops": round(flops / total / 1e9, 1),
        "phases": {name: round(spent / total, 4) for name, spent in phases.items()},
        # how many times as long as the engine; of the ceiling the inverse
        "ratio": {
            name: spread([(b / a if name != "ceiling" else a / b) for a, b in zip(engine, values, strict=True)])
            for name, values in seconds.items()
            if name != "warm"
        },
        "warm_ratio": spread([a / b for a, b in zip(engine, seconds["warm"], strict=True)]),
        "differences": off,
    }


def timed(into: list[float], work: Callable[[], Any]) -> Any:
    """What `work` gives; its seconds go into the list."""
    began = time.perf_counter()
    found = work()
    into.append(time.perf_counter() - began)
    return found


def differences(found: Sequence[Result], other: Sequence[dict[str, Any]], off: dict[str, Any]) -> None:
    """The largest difference of any score, and how many edits one accepts and the other does not."""
    for one, plain in zip(found, other, strict=True):
        off["decisions"] += len(set(one.accepted) ^ set(plain["accepted"]))
        gaps = [
            abs((one.edits[index][name].value or 0.0) - value)
            for index, scores in plain["edits"].items()
            for name, value in scores.items()
        ]
        gaps.append(abs(one.details["appropriateness"]["before"]["Inappropriateness"] - (1 - plain["before"])))
        if set(one.accepted) == set(plain["accepted"]):
            gaps.append(abs(one.details["appropriateness"]["after"]["Inappropriateness"] - (1 - plain["after"])))
            gaps.append(abs((one.rewards["lost_content"] or 0.0) - plain["lost"]))
        off["largest_difference"] = max(off["largest_difference"], *gaps)
