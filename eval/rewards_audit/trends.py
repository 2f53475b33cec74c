"""Statistics of a file's columns: spread, dominance, groups without spread, drift, and correlations of held-out rewards."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewards_audit.observations import ACCEPTED, BEHAVIOUR, EDITS, KEPT, LENGTH, TOTAL, Observations

Floats = NDArray[np.float64]
NO_SPREAD = 1e-6
ROUNDING = 1e-9  # relative tolerance: smaller differences are rounding errors
DOMINANT = 0.8  # share of the total's variance
STALE = 0.2  # share of groups without spread
COPIES = 0.3  # share of arguments that are left as they were
LONGER = 0.1  # change of length after / before
MORE_EDITS = 0.25  # relative change of the number of edits
FAILING = 0.01  # share of the records
AGAINST = 0.1  # below minus this, a rank correlation or share of variance counts as negative


@dataclass(frozen=True, slots=True)
class ColumnStats:
    """One reward, the total, or one kind of behaviour, over all records."""

    name: str
    weight: float | None  # None where it is not a reward, or unknown
    gate: bool
    n: int
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    share: float | None  # of the total's variance, for a reward that is paid; the shares sum to 1
    share_within: float | None  # the same within groups, which is what GRPO learns from
    first: float | None  # mean over the first third
    last: float | None
    change: float | None
    interval: tuple[float, float] | None  # 95 % of the change; groups are the units


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The correlation of a held-out reward with the total; its sign is turned where lower is better."""

    name: str
    n: int
    pearson: float | None
    spearman: float | None
    within: float | None  # Pearson within groups
    first: float | None  # Spearman in the first third
    last: float | None


@dataclass(frozen=True)
class FileReport:
    """The statistics of one file, and the warnings."""

    source: str
    records: int
    steps: int | None
    groups: int  # with two completions or more
    stale: int  # of those, without spread of the total
    failed: int
    failures: dict[str, int]
    unread: int
    known_suite: bool
    columns: tuple[ColumnStats, ...]
    held_out: tuple[HeldOut, ...]
    warnings: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything was scored and could be read."""
        return not (self.failed or self.unread)

    def to_record(self) -> dict[str, Any]:
        """Everything, as JSON."""
        return {"kind": "file", "passed": self.passed, **asdict(self)}


def examine(seen: Observations) -> FileReport:
    """The report on a file."""
    first, last = thirds(seen)
    shares, within = _shares(seen), _shares(seen, within=True)
    columns = tuple(
        _column(seen, name, shares.get(name), within.get(name), first, last)
        for name in (TOTAL, *seen.rewards, *BEHAVIOUR)
    )
    held_out = tuple(_held_out(seen, name, first, last) for name in seen.held_out)
    groups, stale = _groups(seen.columns[TOTAL], seen.group)
    report = FileReport(
        seen.source,
        len(seen.inputs),
        None if seen.step is None else len(np.unique(seen.step)),
        groups,
        stale,
        seen.failed,
        dict(seen.failures.most_common()),
        seen.unread,
        seen.settings is not None,
        columns,
        held_out,
        (),
    )
    return replace(report, warnings=tuple(warnings(report, seen)))


def thirds(seen: Observations) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which rows lie in the first and in the last third: of the steps, or of the records of a file without steps."""
    order = np.arange(len(seen.inputs)) if seen.step is None else np.unique(seen.step, return_inverse=True)[1]
    size = int(order.max()) + 1
    part = max(1, size // 3) if size > 1 else 0
    return order < part, order >= size - part if part else order < 0


def _column(
    seen: Observations,
    name: str,
    share: float | None,
    within: float | None,
    first: NDArray[np.bool_],
    last: NDArray[np.bool_],
) -> ColumnStats:
    values = seen.columns[name]
    known = values[~np.isnan(values)]
    settings = (seen.settings or {}).get(name, {})
    begins, ends = _group_means(values, seen.group, first), _group_means(values, seen.group, last)
    change = interval = None
    if len(begins) and len(ends):
        change = float(differences(ends.mean(), begins.mean()))
        interval = welch_interval(ends, begins)
    some = len(known) > 0
    return ColumnStats(
        name,
        settings.get("weight"),
        bool(settings.get("gate")),
        len(known),
        float(known.mean()) if some else None,
        float(known.std()) if some else None,
        float(known.min()) if some else None,
        float(known.max()) if some else None,
        share,
        within,
        float(begins.mean()) if len(begins) else None,
        float(ends.mean()) if len(ends) else None,
        change,
        interval,
    )


def mean_interval(values: Floats) -> tuple[float, float] | None:
    """Student's 95 % interval of the mean of (n,); None for fewer than two values."""
    if len(values) < 2:
        return None
    return _student(float(values.mean()), float(values.var(ddof=1)) / len(values), len(values) - 1)


def welch_interval(ones: Floats, others: Floats) -> tuple[float, float] | None:
    """Welch's 95 % interval of the difference of two means; None where either side has fewer than two values."""
    if min(len(ones), len(others)) < 2:
        return None
    difference = float(differences(ones.mean(), others.mean()))
    parts = [(float(side.var(ddof=1)) / len(side), len(side) - 1) for side in (ones, others)]
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts) if variance else 1.0
    return _student(difference, variance, freedom)


def differences(ones: Floats, others: Floats) -> Floats:
    """`ones` - `others`, 0 where they differ by no more than rounding."""
    return np.where(np.abs(ones - others) <= ROUNDING * np.maximum(np.abs(ones), np.abs(others)), 0.0, ones - others)


def direction(interval: tuple[float, float] | None) -> int:
    """1 where the interval is above 0, -1 where it is below, 0 where it contains 0 or is None."""
    if interval is None or interval[0] <= 0 <= interval[1]:
        return 0
    return 1 if interval[0] > 0 else -1


def _student(mean: float, variance: float, freedom: float) -> tuple[float, float]:
    from scipy.stats import t

    error = float(t.ppf(0.975, freedom)) * math.sqrt(variance)
    return mean - error, mean + error


def _group_means(values: Floats, group: NDArray[np.int64], chosen: NDArray[np.bool_]) -> Floats:
    """The mean of each group among the chosen rows, over the values that exist: (G,)."""
    use = chosen & ~np.isnan(values)
    numbers, index = np.unique(group[use], return_inverse=True)
    sums = np.bincount(index, values[use], len(numbers)).astype(np.float64)
    means: Floats = sums / np.bincount(index, minlength=len(numbers))
    return means


def _shares(seen: Observations, *, within: bool = False) -> dict[str, float]:
    """Each paid reward's share of the total's variance (its covariance with the total), over all or within groups."""
    paid, total = seen.paid, seen.columns[TOTAL]
    use = ~np.isnan(total)
    if not paid or use.sum() < 2:
        return {}
    parts = {name: weight * np.nan_to_num(seen.columns[name][use]) for name, weight in paid.items()}
    whole = total[use]
    if within:
        whole = _centred(whole, seen.group[use])
        parts = {name: _centred(part, seen.group[use]) for name, part in parts.items()}
    variance = float(whole.var())
    if variance < NO_SPREAD**2:
        return {}
    return {n: float(((p - p.mean()) * (whole - whole.mean())).mean() / variance) for n, p in parts.items()}


def _centred(values: Floats, group: NDArray[np.int64]) -> Floats:
    _, index = np.unique(group, return_inverse=True)
    centred: Floats = values - (np.bincount(index, values) / np.bincount(index))[index]
    return centred


def _groups(total: Floats, group: NDArray[np.int64]) -> tuple[int, int]:
    """How many groups of two or more have totals, and in how many of those all are the same."""
    use = ~np.isnan(total)
    _, index, sizes = np.unique(group[use], return_inverse=True, return_counts=True)
    low, high = np.full(len(sizes), np.inf), np.full(len(sizes), -np.inf)
    np.minimum.at(low, index, total[use])
    np.maximum.at(high, index, total[use])
    several = sizes > 1
    return int(several.sum()), int((high - low <= NO_SPREAD)[several].sum())


def _held_out(seen: Observations, name: str, first: NDArray[np.bool_], last: NDArray[np.bool_]) -> HeldOut:
    total, values = seen.columns[TOTAL], seen.sign(name) * seen.columns[name]
    use = ~np.isnan(total) & ~np.isnan(values)
    a, b = total[use], values[use]
    several = seen.group[use]
    return HeldOut(
        name,
        int(use.sum()),
        correlation(a, b),
        correlation(_ranks(a), _ranks(b)),
        correlation(_centred(a, several), _centred(b, several)) if len(np.unique(several)) < len(several) else None,
        *(correlation(_ranks(total[use & part]), _ranks(values[use & part])) for part in (first, last)),
    )


def correlation(a: Floats, b: Floats) -> float | None:
    """Pearson's correlation; None where one of the two does not vary or there are fewer than three."""
    if len(a) < 3 or a.std() < NO_SPREAD or b.std() < NO_SPREAD:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: Floats) -> Floats:
    """Ranks from 0, ties sharing their mean."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Floats = (ends - (counts + 1) / 2)[index]
    return ranks


def warnings(report: FileReport, seen: Observations) -> list[str]:
    """The warnings about a file, one sentence each."""
    columns = {column.name: column for column in report.columns}
    paid = [column for column in report.columns if column.weight]
    found = []
    for column in paid:
        if len(paid) > 1 and (column.share or 0) > DOMINANT:
            against = any((one.share or 0) < -AGAINST for one in paid)
            others = "work against it" if against or (column.share or 0) > 1 else "hardly matter"
            found.append(f"{column.name} alone is {column.share:.0%} of the total's variance: the others {others}")
        if column.n > 1 and (column.sd or 0) < NO_SPREAD:
            found.append(f"{column.name} is paid and has the same value everywhere: nothing can be learned from it")
    if report.groups and report.stale > STALE * report.groups:
        found.append(
            f"{report.stale:,} of {report.groups:,} groups ({report.stale / report.groups:.0%}) have no spread of the total:"
            " GRPO learns nothing from them"
        )
    found += _drifts(columns, seen.step is not None)
    groups = len(np.unique(seen.group))  # including groups of one completion
    rises = seen.step is not None and direction(columns[TOTAL].interval) > 0  # a scored file is not in order of time
    for each in report.held_out:
        falls = seen.sign(each.name) * direction(columns[each.name].interval) < 0
        if rises and falls:
            found.append(f"the total rises while the held-out {each.name} gets worse: the reward is being gamed")
        elif (each.spearman or 0) < -max(AGAINST, 1.96 / math.sqrt(max(min(each.n, groups), 1))):
            found.append(f"the held-out {each.name} goes against the total (Spearman {each.spearman:.2f})")
    found += seen.dependence()
    if report.failed > FAILING * report.records:
        found.append(f"{report.failed:,} of {report.records:,} records failed ({report.failed / report.records:.1%})")
    if report.unread:
        found.append(f"{report.unread:,} lines could not be read")
    return found


def _drifts(columns: dict[str, ColumnStats], trained: bool) -> list[str]:
    found = []
    kept = columns[KEPT]
    share = kept.last if trained else kept.mean
    if share is not None and share > COPIES:
        found.append(f"{share:.0%} of the arguments are left as they were{' in the last third' if trained else ''}")
    if not trained:
        return found
    length, edits = columns[LENGTH], columns[EDITS]
    if direction(length.interval) and abs(length.change or 0) > LONGER:
        found.append(f"the length after / before drifts from {length.first:.2f} to {length.last:.2f}")
    for column in (edits, columns[ACCEPTED]):
        if direction(column.interval) and column.first and abs(column.change or 0) > MORE_EDITS * column.first:
            found.append(f"the number of {column.name} drifts from {column.first:.2f} to {column.last:.2f}")
    return found
