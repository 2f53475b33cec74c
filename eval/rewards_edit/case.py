"""One argument on its way through the rounds: what stands of it, what is proposed, and what the gates make of that."""

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
"""By sentence number: the changes of the original that were accepted so far, in order."""


@dataclass(slots=True)
class Case:
    """An argument and what the rounds have come to so far. `sample` counts from 1."""

    original: Revision
    sample: int
    standing: Standing = field(default_factory=dict)
    rounds: list[dict[str, Any]] = field(default_factory=list)
    stopped: str | None = None  # why there are no more rounds
    failed: str | None = None  # why one of them could not be finished
    unread: bool = False  # whether the last completion could not be read at all, so that scoring must not try

    def sentences(self) -> list[tuple[int, str]]:
        """Number and present text of the sentences that a model is shown: at first all, later those that are left."""
        texts = (text_of(sentence, self.standing.get(n, ())) for n, sentence in enumerate(self.original.sentences, 1))
        shown = list(enumerate(texts, 1))
        return [(number, text) for number, text in shown if text.strip()] if self.rounds else shown

    def text(self) -> str:
        """The argument as it stands."""
        edits = tuple(self.edits())
        return _revision(self.original, edits, "", None).apply(range(len(edits)))

    def edits(self) -> Iterator[Edit]:
        """What stands, as edits of the original."""
        for number in sorted(self.standing):
            for change in self.standing[number]:
                yield change.edit(number, self.original.sentences[number - 1])

    def to_edits(self) -> list[dict[str, Any]]:
        """What stands, as `rewards score` reads edits."""
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
    """What stands and what is proposed, as a revision of the original; `changes` says what its valid edits are made of."""

    revision: Revision
    changes: Mapping[int, tuple[int, StandingChange]]  # index of the edit -> number of its sentence, the change


@dataclass(slots=True)
class Proposal:
    """One completion for a case. `down` holds the stated edits that were turned down, `why` the gates that they failed."""

    case: Case
    answer: Answer
    stated: Revision  # edits of the text that the model was shown
    shown: Sequence[tuple[int, str]]
    draft: DraftRevision = field(init=False)
    result: Result | None = None  # of all that was proposed: what best-of-K goes by
    down: set[int] = field(default_factory=set)
    why: dict[int, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.draft = self._draft()

    @property
    def number(self) -> int:
        """Which round this is."""
        return len(self.case.rounds) + 1

    @property
    def reward(self) -> float:
        """The suite's total; lowest where there is none."""
        return -float("inf") if self.result is None or self.result.reward is None else self.result.reward

    def judge(self, result: Result) -> bool:
        """Take in what the suite says of the draft; whether that turned down edits that were not before."""
        self.result = self.result or result
        failing = {
            place
            for place, (number, change) in self.draft.changes.items()
            if place not in result.accepted or self._undoes(number, change)
        }
        # Where something that stood fails now, this round is at fault: what it did to that sentence goes.
        spoilt = {self.draft.changes[place][0] for place in failing if not self.draft.changes[place][1].new}
        fresh: set[int] = set()
        for place, (number, change) in self.draft.changes.items():
            if place in failing or number in spoilt:
                fresh.update(change.new)
                for index in change.new:
                    self.why[index] = list(result.failed_gates[place])
        grown = bool(fresh - self.down)
        self.down |= fresh
        return grown

    def redraft(self) -> None:
        """Draft again, without what was turned down."""
        self.draft = self._draft()

    def standing(self) -> Standing:
        """What stands once this round is over: changes that were turned down give way to what they met."""
        found: dict[int, list[StandingChange]] = {}
        for number, change in self.draft.changes.values():
            kept = change.old if self.down & set(change.new) else (change.settled(),)
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
                "accepted": edit.valid and index not in self.down,
                "failed_gates": self.why.get(index, []),
            }
            for index, edit in enumerate(self.stated.edits)
        ]

    def _draft(self) -> DraftRevision:
        original = self.case.original
        if not self.case.rounds and not self.down:  # the completion as `rewards score` would read it
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
            if edit.valid and index not in self.down:
                new.setdefault(self.shown[edit.sentence_id - 1][0], {})[index] = edit
        for number, sentence in enumerate(self.case.original.sentences, 1):
            for change in compose(sentence, self.case.standing.get(number, ()), new.get(number, {}), self.number):
                yield number, change

    def _moved(self, edit: Edit) -> Edit:
        """An edit that cannot be applied, as one of the original."""
        number = self.shown[edit.sentence_id - 1][0] if edit.sentence_id else 0
        sentence = self.case.original.sentences[number - 1] if number else ""
        return Edit(number, edit.before, edit.after, edit.reason, sentence, invalid_reason=edit.invalid_reason)

    def _undoes(self, number: int, change: StandingChange) -> bool:
        """Whether the change leaves the original as it was, and so takes back what an earlier round did."""
        sentence = self.case.original.sentences[number - 1]
        return bool(change.old) and sentence[change.start : change.end] == change.after


def _revision(original: Revision, edits: tuple[Edit, ...], format: str, problem: str | None) -> Revision:
    return Revision(original.id, original.issue, original.sentences, original.gaps, edits, format, problem)


def _change(index: int, edit: Edit) -> StandingChange:
    return StandingChange(edit.start, edit.end, edit.after, edit.reason, (1,), (index,))
