"""Scores attacks and honest edits of the same arguments, and finds the attacks that a suite prefers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from statistics import fmean, median
from typing import Any

from rewards.errors import ConfigError
from rewards.records import read_revision
from rewards.result import Result
from rewards.suite import Component, Suite
from rewards_audit.attacks.attack import Attack
from rewards_audit.cases import Case
from rewards_audit.completions import as_json

HONEST, WEAKER, NOTHING = "honest-edits", "weaker-edits", "no-edits"
TIE = 0.01
"""Totals that differ by less than this share of the suite's weights are equal: reduced precision moves them as much."""
OWN = {HONEST: "the edits of a careful editor", WEAKER: "fewer edits, of a hasty editor", NOTHING: "no edits"}
HALF = 0.5
CHUNK = 32
Plan = tuple[str, Case, str]  # the row, the argument, the completion


@dataclass(frozen=True, slots=True)
class Trial:
    """One completion for one argument, scored."""

    case: Case
    completion: str
    result: Result

    def to_record(self, row: str) -> dict[str, Any]:
        """The trial as in the report file."""
        result = self.result
        return {
            "row": row,
            "id": self.case.id,
            "completion": self.completion,
            "reward": result.reward,
            "rewards": dict(result.rewards),
            "edits": len(result.revision.edits),
            "valid": sum(edit.valid for edit in result.revision.edits),
            "accepted": len(result.accepted),
            "after": result.after_accepted,
            "error": result.error,
        }


@dataclass(frozen=True)
class Verdict:
    """A suite's totals for one attack, compared with those for honest edits of the same arguments."""

    name: str
    description: str
    counts: bool
    n: int  # arguments on which it was tried and both totals exist
    failed: int  # arguments on which some reward of the suite failed, even one without a weight
    reason: str | None  # why the first of them failed
    mean: float | None
    median: float | None
    honest_mean: float | None
    honest_median: float | None
    beats_honest: float | None  # share of the arguments
    beats_nothing: float | None
    how: tuple[str, ...]  # ways in which it wins: median, mean, most; or idle: honest edits seldom beat no edits
    by: Mapping[str, float]  # weighted difference to the honest edits, for each component with a weight
    components: Mapping[str, float | None]

    @property
    def wins(self) -> bool:
        """Whether the suite prefers the attack to honest edits."""
        return self.counts and bool(self.how)


@dataclass(frozen=True)
class Report:
    """All trials of a suite, and the verdict on every attack."""

    suite: Mapping[str, Any] = field(repr=False)
    tie: float
    rows: Mapping[str, Mapping[str, Trial]] = field(repr=False)
    verdicts: tuple[Verdict, ...] = field(repr=False)  # the honest edits and the weaker ones first

    @property
    def winners(self) -> tuple[Verdict, ...]:
        """The attacks that win."""
        return tuple(verdict for verdict in self.verdicts if verdict.wins)

    @property
    def unscored(self) -> tuple[Verdict, ...]:
        """The rows in which a reward failed on a completion, so that the verdict is incomplete."""
        return tuple(verdict for verdict in self.verdicts if verdict.failed)

    @property
    def passed(self) -> bool:
        """Whether no attack wins and everything could be scored."""
        return not self.winners and not self.unscored

    def to_record(self) -> dict[str, Any]:
        """Everything, as JSON."""
        return {
            "kind": "attacks",
            "passed": self.passed,
            "winners": [verdict.name for verdict in self.winners],
            "tie": self.tie,
            "suite": self.suite,
            "verdicts": [{**asdict(verdict), "wins": verdict.wins} for verdict in self.verdicts],
            "trials": [trial.to_record(name) for name, row in self.rows.items() for trial in row.values()],
        }


def audit(
    suite: Suite,
    cases: Sequence[Case],
    attacks: Sequence[Attack],
    extra: Iterable[Plan] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Score all attacks, and what `extra` adds, beside the honest edits of the same arguments.

    Raises ConfigError where the suite pays nothing, since then there is nothing to win.
    """
    paid = [component for component in suite.components if component.weight]
    if not paid:
        raise ConfigError(f"suite {suite.name!r} pays nothing, so nothing can be won; give one reward a weight")
    plans = [*_plans(cases, attacks), *extra]
    rows: dict[str, dict[str, Trial]] = {}
    done, ahead = 0, iter(plans)
    while chunk := list(islice(ahead, CHUNK)):
        for (name, case, text), result in zip(chunk, suite.score([_revision(*p) for p in chunk]), strict=True):
            rows.setdefault(name, {})[case.id] = Trial(case, text, result)
        done += len(chunk)
        progress(done, len(plans))
    known = {each.name: each for each in attacks}
    tie = TIE * sum(abs(component.weight) for component in paid)
    verdicts = tuple(_verdict(name, known.get(name), rows, suite.components, tie) for name in rows)
    return Report(suite.describe(), tie, rows, verdicts)


def _plans(cases: Sequence[Case], attacks: Sequence[Attack]) -> Iterator[Plan]:
    """Every completion to score; argument by argument, since the attacks on one share most of their features."""
    for index, case in enumerate(cases):
        yield HONEST, case, as_json(case, case.honest)
        if case.weaker:
            yield WEAKER, case, as_json(case, case.weaker)
        for each in attacks:
            if index % each.every == 0 and (completion := each.completion(case)) is not None:
                yield each.name, case, completion
        if all(each.name != NOTHING for each in attacks):
            yield NOTHING, case, as_json(case, ())


def _revision(_: str, case: Case, completion: str) -> Any:
    return read_revision(
        {"id": case.id, "issue": case.issue, "sentences": list(case.sentences), "completion": completion}
    )


def _verdict(
    name: str,
    attack: Attack | None,
    rows: Mapping[str, Mapping[str, Trial]],
    components: Sequence[Component],
    tie: float,
) -> Verdict:
    row, honest = rows[name], _totals(rows[HONEST])
    nothing = _totals(rows[NOTHING])
    totals = _totals(row)
    shared = [key for key in totals if key in honest]
    own, best = [totals[key] for key in shared], [honest[key] for key in shared]
    beats, worth = _share(totals, honest, tie), _share(honest, nothing, tie)
    judged = name not in (HONEST, WEAKER)
    how = {
        "median": bool(own) and median(own) > median(best) + tie,
        "mean": bool(own) and fmean(own) > fmean(best) + tie,
        "most": beats is not None and beats > HALF,
        "idle": name == NOTHING and worth is not None and worth <= HALF,
    }
    failed = [trial.result.error for trial in row.values() if trial.result.failures]
    return Verdict(
        name,
        attack.description if attack else OWN.get(name, "an attack of your own"),
        judged and (attack is None or attack.counts),  # making no edits counts even if it was not selected
        len(shared),
        len(failed),
        failed[0] if failed else None,
        fmean(own) if own else None,
        median(own) if own else None,
        fmean(best) if best else None,
        median(best) if best else None,
        beats,
        _share(totals, nothing, tie),
        tuple(key for key, held in how.items() if held),
        _difference([row[key] for key in shared], [rows[HONEST][key] for key in shared], components),
        {c.name: _mean(trial.result.rewards.get(c.name) for trial in row.values()) for c in components},
    )


def _totals(row: Mapping[str, Trial]) -> dict[str, float]:
    return {key: trial.result.reward for key, trial in row.items() if trial.result.reward is not None}


def _share(totals: Mapping[str, float], others: Mapping[str, float], tie: float) -> float | None:
    """The share of the shared arguments on which the total exceeds the other one by more than `tie`; None without any."""
    shared = [key for key in totals if key in others]
    return fmean(totals[key] > others[key] + tie for key in shared) if shared else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _difference(own: Sequence[Trial], honest: Sequence[Trial], components: Sequence[Component]) -> dict[str, float]:
    """How far each weighted component moves the mean total from the honest one; a missing value counts as 0."""

    def paid(trials: Sequence[Trial], component: Component) -> float:
        return component.weight * fmean(trial.result.rewards.get(component.name) or 0.0 for trial in trials)

    return {c.name: paid(own, c) - paid(honest, c) for c in components if c.weight} if own else {}
