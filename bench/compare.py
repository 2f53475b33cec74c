"""Engine, peers and ceiling on the same work, part by part in one process, so that other load on the machine hits all."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
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
    """The thresholds of the gates, by reward."""
    return {c.name: c.threshold.value for c in suite.components if c.gate and c.threshold}


def compare(
    suite: Suite,
    works: Mapping[str, tuple[Sequence[Sequence[Revision]], Mapping[str, int]]],
    everyone: Mapping[str, Peer],
    lower: Suite | None = None,
) -> dict[str, Any]:
    """Time the engine on all parts of each work, and each peer on the stated number of them: medians, and differences.

    `suite` computes in float32, as the peers do; `lower` is the same suite in the dtype that the device is faster in.
    """
    thresholds = thresholds_of(suite)
    warm = next(iter(works.values()))[0][0][:2]
    for one in filter(None, (suite, lower)):
        one.score(warm)
    for peer in everyone.values():
        score(warm, peer, thresholds)
    with watching() as watch:
        return {
            name: _work(
                suite, lower, parts, {one: (everyone[one], times) for one, times in named.items()}, thresholds, watch
            )
            for name, (parts, named) in works.items()
        }


@dataclass(slots=True)
class Pass:
    """The measurements of one suite on all parts of a work."""

    suite: Suite
    seconds: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    ceiling: list[float] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    requested: int = 0
    computed: int = 0
    tokens: int = 0
    padded: int = 0
    flops: float = 0.0

    def score(self, part: Sequence[Revision], watch: Watch, bare_one_in: int = 1) -> list[Result]:
        """Score a part from an empty cache, then from a full one, and run one in `bare_one_in` tokens by the bare models."""
        self.suite.engine.cache.clear()
        watch.clear()
        counts = self.suite.engine.counts
        requested, computed = counts.requested, counts.computed
        found: list[Result] = timed(self.seconds, partial(self.suite.score, part))
        readings = list(watch.readings.values())
        for phase, spent in watch.seconds.items():
            self.phases[phase] += spent
        self.requested += counts.requested - requested
        self.computed += counts.computed - computed
        self.tokens += watch.tokens()
        self.padded += sum(one.padded for one in readings)
        self.flops += ceiling.flops(readings)
        timed(self.warm, partial(self.suite.score, part))
        self.ceiling.append(ceiling.seconds(readings, bare_one_in))
        return found

    def described(self, edits: int) -> dict[str, Any]:
        total = sum(self.seconds)
        return {
            "seconds": round(total, 2),
            "edits_per_second": round(edits / total, 1),
            "tokens": self.tokens,
            "tokens_per_second": round(self.tokens / total),
            "padding": round(1 - self.tokens / self.padded, 4),
            "shared_or_seen": round(1 - self.computed / self.requested, 4),
            "gflops": round(self.flops / total / 1e9, 1),
            "phases": {name: round(spent / total, 4) for name, spent in self.phases.items()},
            "warm_ratio": ratios(self.seconds, self.warm),
        }


def _work(
    suite: Suite,
    lower: Suite | None,
    parts: Sequence[Sequence[Revision]],
    named: Mapping[str, tuple[Peer, int]],
    thresholds: Mapping[str, float],
    watch: Watch,
) -> dict[str, Any]:
    peers: dict[str, list[float]] = {name: [] for name in named}
    off: dict[str, dict[str, Any]] = {name: {"largest_difference": 0.0, "decisions": 0} for name in named}
    engine, faster = Pass(suite), Pass(lower) if lower and named else None  # only to compare with peers
    gap = {"largest_difference": 0.0, "decisions": 0}
    for number, part in enumerate(parts):
        found = engine.score(part, watch, 1 if named else 4)  # works without peers are large
        for name, (peer, times) in named.items():
            if number < times:
                differences(found, timed(peers[name], partial(score, part, peer, thresholds)), off[name])
        if faster:
            differences(found, [_plainly(one) for one in faster.score(part, watch)], gap)
    edits = sum(len(one.edits) for part in parts for one in part)

    def beside(one: Pass) -> dict[str, Any]:
        """The engine's time in multiples of the ceiling's, and the time of each peer in multiples of the engine's."""
        return {"ceiling": ratios(one.seconds, one.ceiling)} | {
            name: ratios(seconds, one.seconds) for name, seconds in peers.items()
        }

    return {
        "records": sum(map(len, parts)),
        "edits": edits,
        "parts": len(parts),
        **engine.described(edits),
        "ratio": beside(engine),
        "differences": off,
        "lower": faster
        and {
            **faster.described(edits),
            "ratio": {"float32": ratios(engine.seconds, faster.seconds), **beside(faster)},
            "differences": gap,
        },
    }


def ratios(above: Sequence[float], below: Sequence[float]) -> dict[str, float]:
    """Median and extremes of the ratios, over the parts that both have."""
    return spread([a / b for a, b in zip(above, below, strict=False)])


def _plainly(result: Result) -> dict[str, Any]:
    """The result in the form of `peers.score`, for `differences`."""
    before, after = (result.details["appropriateness"][when]["Inappropriateness"] for when in ("before", "after"))
    return {
        "edits": {
            index: {name: score.value for name, score in scores.items() if score.value is not None}
            for index, scores in enumerate(result.edits)
        },
        "accepted": result.accepted,
        "before": 1 - before,
        "after": 1 - after,
        "lost": result.rewards["lost_content"] or 0.0,
    }


def timed(into: list[float], work: Callable[[], Any]) -> Any:
    """What `work` returns; its seconds are appended to `into`."""
    began = time.perf_counter()
    found = work()
    into.append(time.perf_counter() - began)
    return found


def differences(found: Sequence[Result], other: Sequence[dict[str, Any]], off: dict[str, Any]) -> None:
    """Add to `off` the largest difference of a score (infinite where one is missing) and the edits that only one accepts."""
    for one, plain in zip(found, other, strict=True):
        off["decisions"] += len(set(one.accepted) ^ set(plain["accepted"]))
        gaps = [
            inf if (mine := one.edits[index][name].value) is None else abs(mine - value)
            for index, scores in plain["edits"].items()
            for name, value in scores.items()
        ]
        gaps.append(abs(one.details["appropriateness"]["before"]["Inappropriateness"] - (1 - plain["before"])))
        if set(one.accepted) == set(plain["accepted"]):
            gaps.append(abs(one.details["appropriateness"]["after"]["Inappropriateness"] - (1 - plain["after"])))
            gaps.append(abs((one.rewards["lost_content"] or 0.0) - plain["lost"]))
        off["largest_difference"] = max(off["largest_difference"], *gaps)
