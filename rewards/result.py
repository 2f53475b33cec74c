"""The result of scoring one revision, and its output record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rewards.types import Revision, Sentence


@dataclass(frozen=True, slots=True)
class Judgement:
    """One reward's value for one edit or sentence, against its threshold.

    `value` None means not applicable, unless `failed` gives the reason of a failure. `passed` is None where the reward has
    no threshold or failed, and False where it has a threshold but is not applicable: passing takes a value. `margin` is
    the distance to the threshold, positive on the passing side.
    """

    value: float | None
    threshold: float | None
    passed: bool | None
    margin: float | None
    failed: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        """`{value, threshold, passed, margin, failed, details}`."""
        return {
            "value": self.value,
            "threshold": self.threshold,
            "passed": self.passed,
            "margin": self.margin,
            "failed": self.failed,
            "details": dict(self.details),
        }


@dataclass(frozen=True, slots=True)
class Result:
    """Everything known about one revision after scoring.

    `edits` has, for every edit of the revision, the judgements of the rewards at edit level, by the reward's name;
    `sentences` has every edited sentence with those of the rewards at sentence level. `accepted` are the indices of the
    valid edits that passed all gates, `failed_gates` the names of the gates that each edit did not pass (`NAME together`
    where it passed alone, but not together with others of its sentence). `after_accepted` is the argument with the
    accepted edits, which global rewards see, `after_all` the one with every valid edit. `details` are the details of
    global rewards' scores, by the reward's name.

    `reward` is the suite's weighted total, in which a reward without a value counts as 0; it is None where a gate or a reward
    with a weight failed, and where none has a weight.
    `rewards` has a number or None for every reward of the suite, always with the same keys. It is the mean over edits or
    sentences, or the value of a global reward (0 under `empty: zero` where no edit was accepted). None where there is
    nothing to score, and where the reward or, for a global one, a gate failed for the reason in `failures`. `together` has,
    by sentence number, the gates' judgements of the edits of a sentence that passed one by one, taken as one edit.
    """

    revision: Revision
    reward: float | None
    rewards: Mapping[str, float | None]
    edits: tuple[Mapping[str, Judgement], ...]  # one mapping per edit of the revision, invalid ones empty
    sentences: tuple[tuple[Sentence, Mapping[str, Judgement]], ...]
    accepted: tuple[int, ...]
    failed_gates: tuple[tuple[str, ...], ...]  # per edit; empty for an invalid one, which is not judged
    after_accepted: str
    after_all: str
    together: Mapping[int, Mapping[str, Judgement]] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """A summary in one line; `to_record` gives everything."""
        reward = "no reward" if self.reward is None else f"reward {self.reward:.4g}"
        edits = f"{len(self.accepted)} of {len(self.edits)} edits accepted"
        return f"<result {self.revision.id!r}: {self.status}, {reward}, {edits}>"

    @property
    def error(self) -> str | None:
        """All failures in one line; None where there is none."""
        return "; ".join(dict.fromkeys(self.failures.values())) or None

    @property
    def status(self) -> Literal["scored", "failed"]:
        """`scored`, or `failed` where any reward failed."""
        return "failed" if self.failures else "scored"

    def to_record(self) -> dict[str, Any]:
        """The output record: always the same keys, None where there is no value."""
        revision = self.revision
        accepted = set(self.accepted)
        edits = [
            {
                **edit.to_record(),
                "accepted": index in accepted,
                "failed_gates": list(self.failed_gates[index]),
                "scores": {name: judgement.to_record() for name, judgement in scores.items()},
            }
            for index, (edit, scores) in enumerate(zip(revision.edits, self.edits, strict=True))
        ]
        return {
            "id": revision.id,
            "status": self.status,
            "error": self.error,
            "failures": dict(self.failures),
            "reward": self.reward,
            "rewards": dict(self.rewards),
            "issue": revision.issue,
            "format": revision.format,
            "problem": revision.problem,
            "edits": edits,
            "sentences": self._sentences(),
            "argument": revision.argument,
            "argument_after_accepted": self.after_accepted,
            "argument_after_all": self.after_all,
            "details": dict(self.details),
        }

    def _sentences(self) -> list[dict[str, Any]]:
        edited = {sentence.sentence_id: (sentence, scores) for sentence, scores in self.sentences}
        records = []
        for number, text in enumerate(self.revision.sentences, 1):
            sentence, scores = edited.get(number, (None, {}))
            records.append(
                {
                    "sentence_id": number,
                    "before": text,
                    "after": sentence.after if sentence else text,
                    "scores": {name: judgement.to_record() for name, judgement in scores.items()},
                    "together": {name: one.to_record() for name, one in self.together.get(number, {}).items()},
                }
            )
        return records
