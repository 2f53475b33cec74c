"""Attacks scored beside honest edits, and which of them a suite prefers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean

from rewards.records import read_revision
from rewards.result import Result
from rewards.suite import Suite
from rewards_audit.attacks.attack import Attack
from rewards_audit.cases import Case
from rewards_audit.completions import as_json

HONEST, WEAKER, NOTHING = "honest edits", "weaker edits", "no-edits"
TIE = 0.01
"""Totals closer than this share of the suite's weights are equal: reduced precision moves them by as much."""
CHUNK = 32


@dataclass(frozen=True, slots=True)
class Trial:
    """One completion for one case, scored."""

    case: Case
    completion: str
    result: Result


@dataclass(frozen=True)
class Row:
    """All trials of one attack, or of honest edits, by the id of the case."""

    name: str
    trials: Mapping[str, Trial]

    def totals(self) -> dict[str, float]:
        """The totals of the cases that could be scored."""
        return {key: t.result.reward for key, t in self.trials.items() if t.result.reward is not None}

    def component(self, name: str) -> float | None:
        """The mean of one component over the cases in which it has a value."""
        values = [v for t in self.trials.values() if (v := t.result.rewards.get(name)) is not None]
        return fmean(values) if values else None


def trials(
    suite: Suite, plans: Sequence[tuple[str, Case, str]], progress: Callable[[int], None] = lambda _: None
) -> dict[str, Row]:
    """The rows of all plans (name, case, completion), scored in chunks."""
    rows: dict[str, dict[str, Trial]] = {}
    done, ahead = 0, iter(plans)
    while chunk := list(islice(ahead, CHUNK)):
        revisions = [
            read_revision({"id": c.id, "issue": c.issue, "sentences": list(c.sentences), "completion": text})
            for _, c, text in chunk
        ]
        for (name, case, text), result in zip(chunk, suite.score(revisions), strict=True):
            rows.setdefault(name, {})[case.id] = Trial(case, text, result)
        done += len(chunk)
        progress(done)
    return {name: Row(name, found) for name, found in rows.items()}


def plan(cases: Sequence[Case], attacks: Sequence[Attack]) -> Iterator[tuple[str, Case, str]]:
    """Every completion to score: the honest edits of each case, the weaker ones, then the attacks."""
    for case in cases:
        yield HONEST, case, as_json(case, case.honest)
        if case.weaker:
            yield WEAKER, case, as_json(case, case.weaker)
        for each in attacks:
            if (completion := each.completion(case)) is not None:
                yield each.name, case, completion
