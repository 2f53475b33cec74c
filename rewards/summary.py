"""Counts and means over output records, for the closing table and the header of a result file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rewards.drafts import NOTHING, joint_gate


@dataclass(slots=True)
class Mean:
    """A running mean and its n."""

    total: float = 0.0
    n: int = 0

    def add(self, value: float | None) -> None:
        """Count a value; None is left out, and shows as a smaller n."""
        if value is not None:
            self.total += value
            self.n += 1

    @property
    def mean(self) -> float | None:
        """The mean so far; None where n is 0."""
        return self.total / self.n if self.n else None

    def to_record(self) -> dict[str, Any]:
        """`{mean, n}`."""
        return {"mean": self.mean, "n": self.n}


@dataclass(slots=True)
class Summary:
    """Counts of a file, taken from its output records, so that a resumed run gives the same as an uninterrupted one."""

    records: int = 0
    failed: int = 0
    rejected: int = 0
    unread: int = 0  # completions that could not be read in full
    formats: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # what completions were read as
    edits: int = 0
    valid: int = 0
    accepted: int = 0
    down_together: int = 0  # edits that pass every gate alone, but not together with others of their sentence
    reward: Mean = field(default_factory=Mean)
    rewards: dict[str, Mean] = field(default_factory=lambda: defaultdict(Mean))
    passed: dict[str, Mean] = field(default_factory=lambda: defaultdict(Mean))
    invalid: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    errors: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    rejections: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def reject(self, reason: str) -> None:
        """Count a line that cannot be read."""
        self.rejected += 1
        count_reason(self.rejections, reason[:200])

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one output record."""
        self.records += 1
        self.unread += record["problem"] is not None
        self.formats[record["format"]] += 1
        if record["status"] != "scored":
            self.failed += 1
            count_reason(self.errors, str(record["error"])[:200])
        self.reward.add(record["reward"])
        for name, value in record["rewards"].items():
            self.rewards[name].add(value)  # None where it failed: the n beside the mean shows it
        for edit in record["edits"]:
            self.edits += 1
            self.valid += edit["valid"]
            self.accepted += edit["accepted"]
            self.down_together += any(name == NOTHING or joint_gate(name) for name in edit.get("failed_gates") or ())
            if not edit["valid"]:
                count_reason(self.invalid, _cause(edit["invalid_reason"]))
            self._passes(edit["scores"])
        for sentence in record["sentences"]:
            self._passes(sentence["scores"])

    def to_record(self) -> dict[str, Any]:
        """The counts for the header of a result file."""
        return {
            "records": self.records,
            "scored": self.records - self.failed,
            "failed": self.failed,
            "rejected": self.rejected,
            "completions_not_read_in_full": self.unread,
            "formats": dict(self.formats),
            "edits": self.edits,
            "valid_edits": self.valid,
            "accepted_edits": self.accepted,
            "turned_down_together": self.down_together,
            "reward": self.reward.to_record(),
            "rewards": {name: mean.to_record() for name, mean in self.rewards.items()},
            "pass_rates": {name: mean.to_record() for name, mean in self.passed.items()},
            "invalid_edits": dict(self.invalid),
            "errors": dict(self.errors),
            "rejections": dict(self.rejections),
        }

    def _passes(self, scores: Mapping[str, Mapping[str, Any]]) -> None:
        for name, score in scores.items():
            if score["passed"] is not None:
                self.passed[name].add(float(score["passed"]))


def count_reason(counts: dict[str, int], reason: str) -> None:
    """Count a reason; beyond a hundred different ones, others are counted together, so that memory stays bounded."""
    counts[reason if reason in counts or len(counts) < 100 else "other reasons"] += 1


def _cause(reason: str) -> str:
    """The reason without its particulars, so that reasons of one kind are counted together."""
    if reason.startswith("overlaps edit"):
        return "overlaps another edit"
    if reason.startswith("sentence id 0 "):
        return "sentence id 0 (sentences count from 1)"
    if reason.startswith("sentence id"):
        return "its sentence does not exist"
    return reason
