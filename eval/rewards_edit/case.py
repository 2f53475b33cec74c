"""The state of one argument through the rounds: accepted changes, proposed edits, and the gates' verdicts on these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rewards.result import Result
from rewards.types import Edit, Revision
from rewards_edit.compose import StandingChange, compose, text_of
from rewards_edit.policy import Answer

UNDOES = "takes back an earlier edit"
Standing = Mapping[int, tuple[StandingChange, ...]]
"""By sentence number, the changes of the original that are accepted so far ("stand"), in order."""


@dataclass(slots=True)
class Case:
    """An argument with the results of its rounds so far. `sample` counts from 1."""

    original: Revision
    sample: int
    standing: Standing = field(default_factory=dict)
    rounds: list[dict[str, Any]] = field(default_factory=list)
    stopped: str | None = None  # why there are no more rounds
    failed: str | None = None  # why one of them could not be finished
    unread: bool = False  # whether the last completion could not be read at all, so that scoring must not try

    def sentences(self) -> list[tuple[int, str]]:
        """(number, current text) of the sentences that the model is shown: all at first, later those that are not empty."""
        texts = (text_of(sentence, self.standing.get(n, ())) for n, sentence in enumerate(self.original.sentences, 1))
        shown = list(enumerate(texts, 1))
        return [(number, text) for number, text in shown if text.strip()] if self.rounds else shown

    def text(self) -> str:
        """The argument after the standing changes."""
        edits = tuple(self.edits())
        return _revision(self.original, edits, "", None).apply(range(len(edits)))

    def edits(self) -> Iterator[Edit]:
        """The standing changes as edits of the original."""
        for number in sorted(self.standing):
            for change in self.standing[number]:
                yield change.edit(number, self.original.sentences[number - 1])

    def to_edits(self) -> list[dict[str, Any]]:
        """The standing changes in the form in which `rewards score` reads edits."""
        changes = [change for number in sorted(self.standing) for change in self.standing[number]]
        return [
            {
                "sentence_id": edit.sentence_id,
                "start": edit.start,
                "before": edit.before,
                "after": edit.after,
                "reason": edit.reason,
                "rounds": list(change.rounds),
            }
            for change, edit in zip(changes, self.edits(), strict=True)
        ]


@dataclass(frozen=True, slots=True)
class DraftRevision:
    """Standing changes and proposed edits, as a revision of the original; `changes` holds the change of each valid edit."""

    revision: Revision
    changes: Mapping[int, tuple[int, StandingChange]]  # index of the edit -> number of its sentence, the change


@dataclass(slots=True)
class Proposal:
    """One completion for a case. `rejected` holds indices of stated edits, `failed_gates` the gates that each one failed."""

    case: Case
    answer: Answer
    stated: Revision  # edits of the text that the model was shown
    shown: Sequence[tuple[int, str]]
    draft: DraftRevision = field(init=False)
    result: Result | None = None  # of the first draft, with all proposed edits: best-of-K ranks by it
    rejected: set[int] = field(default_factory=set)
    failed_gates: dict[int, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.draft = self._draft()

    @property
    def number(self) -> int:
        """The number of this round, from 1."""
        return len(self.case.rounds) + 1

    @property
    def reward(self) -> float:
        """The suite's total; minus infinity where there is none."""
        return -float("inf") if self.result is None or self.result.reward is None else self.result.reward

    def judge(self, result: Result) -> bool:
        """Apply the suite's verdicts on the draft, and return whether they reject edits that were not rejected before."""
        self.result = self.result or result
        failing = {
            place
            for place, (number, change) in self.draft.changes.items()
            if place not in result.accepted or self._undoes(number, change)
        }
        # Where a standing change fails now, this round caused it: all its edits of that sentence are rejected.
        spoilt = {self.draft.changes[place][0] for place in failing if not self.draft.changes[place][1].new}
        fresh: set[int] = set()
        for place, (number, change) in self.draft.changes.items():
            if place in failing or number in spoilt:
                fresh.update(change.new)
                for index in change.new:
                    self.failed_gates[index] = list(result.failed_gates[place])
        grown = bool(fresh - self.rejected)
        self.rejected |= fresh
        return grown

    def redraft(self) -> None:
        """Draft again, without the rejected edits."""
        self.draft = self._draft()

    def standing(self) -> Standing:
        """The changes that stand after this round: a rejected one gives way to the standing changes that it replaced."""
        found: dict[int, list[StandingChange]] = {}
        for number, change in self.draft.changes.values():
            kept = change.old if self.rejected & set(change.new) else (change.settled(),)
            sentence = self.case.original.sentences[number - 1]
            found.setdefault(number, []).extend(c for c in kept if sentence[c.start : c.end] != c.after)
        return {n: tuple(sorted(kept, key=lambda c: (c.start, c.end))) for n, kept in found.items() if kept}

    def verdicts(self) -> list[dict[str, Any]]:
        """Every stated edit, in order, with whether it was accepted, and why not."""
        undone = {i for n, change in self.draft.changes.values() if self._undoes(n, change) for i in change.new}
        return [
            {
                **edit.to_record(),
                "invalid_reason": UNDOES if index in undone else edit.invalid_reason,
                "accepted": edit.valid and index not in self.rejected,
                "failed_gates": self.failed_gates.get(index, []),
            }
            for index, edit in enumerate(self.stated.edits)
        ]

    def _draft(self) -> DraftRevision:
        original = self.case.original
        if not self.case.rounds and not self.rejected:  # the completion as `rewards score` would read it
            edits = enumerate(self.stated.edits)
            return DraftRevision(
                self.stated, {i: (edit.sentence_id, _change(i, edit)) for i, edit in edits if edit.valid}
            )
        changes = dict(enumerate(self._changes()))
        placed = [change.edit(number, original.sentences[number - 1]) for number, change in changes.values()]
        invalid = [self._moved(edit) for edit in self.stated.edits if not edit.valid]
        return DraftRevision(_revision(original, (*placed, *invalid), self.stated.format, self.stated.problem), changes)

    def _changes(self) -> Iterator[tuple[int, StandingChange]]:
        new: dict[int, dict[int, Edit]] = {}
        for index, edit in enumerate(self.stated.edits):
            if edit.valid and index not in self.rejected:
                new.setdefault(self.shown[edit.sentence_id - 1][0], {})[index] = edit
        for number, sentence in enumerate(self.case.original.sentences, 1):
            for change in compose(sentence, self.case.standing.get(number, ()), new.get(number, {}), self.number):
                yield number, change

    def _moved(self, edit: Edit) -> Edit:
        """An invalid edit, with the number and text of its sentence in the original."""
        number = self.shown[edit.sentence_id - 1][0] if edit.sentence_id else 0
        sentence = self.case.original.sentences[number - 1] if number else ""
        return Edit(number, edit.before, edit.after, edit.reason, sentence, invalid_reason=edit.invalid_reason)

    def _undoes(self, number: int, change: StandingChange) -> bool:
        """Whether the change restores the original text, and so undoes an earlier round."""
        sentence = self.case.original.sentences[number - 1]
        return bool(change.old) and sentence[change.start : change.end] == change.after


def _revision(original: Revision, edits: tuple[Edit, ...], format: str, problem: str | None) -> Revision:
    return Revision(original.id, original.issue, original.sentences, original.gaps, edits, format, problem)


def _change(index: int, edit: Edit) -> StandingChange:
    return StandingChange(edit.start, edit.end, edit.after, edit.reason, (1,), (index,))
