"""Compares two files of the same inputs: did held-out rewards get worse while the total rose?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewards.errors import ConfigError
from rewards.scored import differing
from rewards_audit.observations import BEHAVIOUR, TOTAL, Observations
from rewards_audit.trends import differences, direction, mean_interval

Floats = NDArray[np.float64]
FEW = 10  # inputs; below, an interval says little


@dataclass(frozen=True, slots=True)
class ColumnShift:
    """One column before and after, over the n inputs that both files have a value for.

    `interval` is Student's of the paired differences, 95 %; None for one input.
    """

    name: str
    weight: float | None
    gate: bool
    held_out: bool
    n: int
    before: float | None
    after: float | None
    change: float | None
    interval: tuple[float, float] | None
    rose: float | None  # share of the inputs on which it rose
    worse: bool  # a reward that got worse, with an interval that excludes 0


@dataclass(frozen=True)
class Comparison:
    """Two files compared, AFTER against BEFORE."""

    after: str
    before: str
    inputs: int
    only_after: int
    only_before: int
    failed_after: int
    failed_before: int
    unread: int
    known_suite: bool
    changes: tuple[ColumnShift, ...]
    warnings: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the held-out rewards are known and none got worse, and every line could be read and was scored."""
        return (
            self.known_suite
            and not (self.unread or self.failed_after or self.failed_before)
            and not any(change.held_out and change.worse for change in self.changes)
        )

    def to_record(self) -> dict[str, Any]:
        """Everything, as JSON."""
        return {"kind": "comparison", "passed": self.passed, **asdict(self)}


def compare(after: Observations, before: Observations) -> Comparison:
    """What changed from `before` to `after`, input by input. Raises ConfigError where they share no input."""
    mine, theirs = _by_input(after), _by_input(before)
    shared = [key for key in mine if key in theirs]
    if not shared:
        raise ConfigError(f"{after.source} and {before.source} share no id, so they cannot be compared input by input")
    rows, others = np.array([mine[key] for key in shared]), np.array([theirs[key] for key in shared])
    changes = tuple(
        _change(name, _means(after, name)[rows], _means(before, name)[others], after)
        for name in (TOTAL, *after.rewards, *BEHAVIOUR)
        if name in before.columns
    )
    found = _warnings(changes, after, before, len(shared))
    return Comparison(
        after.source,
        before.source,
        len(shared),
        len(mine) - len(shared),
        len(theirs) - len(shared),
        after.failed,
        before.failed,
        after.unread + before.unread,
        after.settings is not None,
        changes,
        tuple(found),
    )


def _by_input(seen: Observations) -> dict[str, int]:
    """The ids of the inputs, numbered in the order in which they first occur."""
    numbers: dict[str, int] = {}
    for key in seen.inputs:
        numbers.setdefault(key, len(numbers))
    return numbers


def _means(seen: Observations, name: str) -> Floats:
    """The mean of a column for each input, NaN where it has no value: (I,)."""
    numbers = _by_input(seen)
    index = np.fromiter((numbers[key] for key in seen.inputs), np.int64, len(seen.inputs))
    values = seen.columns[name]
    use = ~np.isnan(values)
    counts = np.bincount(index[use], minlength=len(numbers))
    sums = np.bincount(index[use], values[use], len(numbers))
    means: Floats = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means


def _change(name: str, after: Floats, before: Floats, seen: Observations) -> ColumnShift:
    use = ~np.isnan(after) & ~np.isnan(before)
    settings = (seen.settings or {}).get(name, {})
    weight, gate = settings.get("weight"), bool(settings.get("gate"))
    held_out = name in seen.held_out
    if not use.any():
        return ColumnShift(name, weight, gate, held_out, 0, None, None, None, None, None, False)
    changes = differences(after[use], before[use])
    interval = mean_interval(changes)
    worse = name in (seen.settings or {}) and seen.sign(name) * direction(interval) < 0
    return ColumnShift(
        name,
        weight,
        gate,
        held_out,
        int(use.sum()),
        float(before[use].mean()),
        float(after[use].mean()),
        float(changes.mean()),
        interval,
        float((changes > 0).mean()),
        worse,
    )


def _warnings(changes: tuple[ColumnShift, ...], after: Observations, before: Observations, inputs: int) -> list[str]:
    found = []
    total = next((change for change in changes if change.name == TOTAL), None)
    rises = total is not None and direction(total.interval) > 0
    for change in changes:
        if change.held_out and change.worse:
            while_ = " while the total rose: the reward is being gamed" if rises else ""
            found.append(f"the held-out {change.name} got worse, {change.before:.3f} to {change.after:.3f}{while_}")
    lacking = [each for each in (after, before) if each.settings is None]
    found += [
        f"no header beside {each.source}: its weights, gates and held-out rewards are not known"
        + (", nor which way they get worse" if each is after else "")
        for each in lacking
    ]
    if after.settings is not None and not any(change.held_out for change in changes):
        found.append("no reward is held out (weight 0 and no gate): nothing independent of the reward was measured")
    found += [
        f"the held-out {name} is not in {other.source}: it is not compared"
        for one, other in ((after, before), (before, after))
        for name in one.held_out
        if name not in other.columns
    ]
    found += after.dependence()
    if after.failed or before.failed:
        found.append(
            f"records failed, {after.failed:,} after and {before.failed:,} before: what they lack is not compared"
        )
    found += [
        f"only {change.n:,} of {inputs:,} inputs have a value of {change.name} in both files"
        for change in changes
        if change.n < inputs and (change.held_out or change.name == TOTAL)
    ]
    if inputs < FEW:
        found.append(f"the files share {inputs} inputs only: the intervals say little")
    if not lacking and (settings := differing(after.settings or {}, before.settings or {})):
        found.append(
            f"the two files were scored with different suites ({', '.join(settings)}): their totals cannot be compared"
        )
    return found
