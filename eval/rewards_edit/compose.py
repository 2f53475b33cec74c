"""Composes the edits of several rounds: edits of an edited sentence become changes of the original sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rewards.types import Edit, apply_spans


@dataclass(frozen=True, slots=True)
class StandingChange:
    """Characters `start:end` of an original sentence become `after`; `rounds` holds the rounds that contributed to it.

    `new` holds the indices of the current round's edits in it, `old` the standing changes that these edits touch, which
    stand again if the change is rejected.
    """

    start: int
    end: int
    after: str
    reason: str | None
    rounds: tuple[int, ...]
    new: tuple[int, ...] = ()
    old: tuple[StandingChange, ...] = field(default=(), repr=False)

    def settled(self) -> StandingChange:
        """The change as accepted, without `new` and `old`."""
        return StandingChange(self.start, self.end, self.after, self.reason, self.rounds)

    def edit(self, number: int, sentence: str) -> Edit:
        """The change as an edit of its sentence, which has this number."""
        before = sentence[self.start : self.end]
        return Edit(number, before, self.after, self.reason, sentence, self.start, self.end)


@dataclass(frozen=True, slots=True)
class _Item:
    """A change or an edit at characters `start:end` of the edited sentence."""

    start: int
    end: int
    change: StandingChange | None = None  # of an earlier round
    index: int = -1
    edit: Edit | None = None  # of this round

    @property
    def open(self) -> bool:
        """Whether it has no width in the original or in the edited sentence."""
        if self.change is not None:
            return self.start == self.end or self.change.start == self.change.end
        return self.start == self.end


def text_of(sentence: str, standing: Sequence[StandingChange]) -> str:
    """The sentence after the standing changes."""
    return apply_spans(sentence, [change.edit(1, sentence) for change in standing])


def compose(
    sentence: str, standing: Sequence[StandingChange], edits: Mapping[int, Edit], number: int
) -> list[StandingChange]:
    """The changes of the original sentence that have the effect of `standing` and then of `edits`, of round `number`.

    `standing` are the changes that made the edited sentence, in order; `edits`, by index, are edits of that sentence and do
    not overlap. An edit that overlaps standing changes (see `_joins`) becomes one change together with them, any other edit
    a change of its own. The changes come in order and do not overlap.
    """
    stood = list(_items(standing))
    new = [_Item(edit.start, edit.end, index=index, edit=edit) for index, edit in edits.items()]
    edited = text_of(sentence, standing)
    groups: list[list[_Item]] = []
    # Standing changes first, as the sort is stable: an edit at the same place was made to the text that has them.
    for item in sorted([*stood, *new], key=lambda item: (item.start, item.end)):
        if groups and _joins(groups[-1], item):
            groups[-1].append(item)
        else:
            groups.append([item])
    return [_change(group, stood, edited, number) for group in groups]


def _items(standing: Sequence[StandingChange]) -> Iterator[_Item]:
    shift = 0
    for change in standing:
        start = change.start + shift
        yield _Item(start, start + len(change.after), change)
        shift += _growth(change)


def _joins(group: Sequence[_Item], item: _Item) -> bool:
    """Whether the item overlaps the group, or an insertion of this round meets a standing change without width (`open`)."""
    end = max(one.end for one in group)
    if item.start < end:
        return True
    touching = [one for one in group if one.end == item.start == end and (one.edit is None) != (item.edit is None)]
    return any(one.open and item.open and _inserts(one, item) for one in touching)


def _inserts(one: _Item, other: _Item) -> bool:
    new = one if one.edit is not None else other
    return new.start == new.end


def _change(group: Sequence[_Item], stood: Sequence[_Item], edited: str, number: int) -> StandingChange:
    if len(group) == 1 and group[0].change is not None:
        return group[0].change
    low, high = min(item.start for item in group), max(item.end for item in group)
    new = [item for item in group if item.edit is not None]
    old = tuple(item.change for item in group if item.change is not None)
    # How much longer the edited sentence is than the original, up to the start and up to the end of the group.
    before = sum(_growth(item.change) for item in stood if item.change and item.end <= low and item not in group)
    behind = before + sum(map(_growth, old))
    after, position = "", low
    for item in new:
        after += edited[position : item.start] + (item.edit.after if item.edit else "")
        position = item.end
    reasons = [item.edit.reason for item in new if item.edit and item.edit.reason]
    reasons += [change.reason for change in old if change.reason]
    rounds = {number, *(one for change in old for one in change.rounds)}
    return StandingChange(
        low - before,
        high - behind,
        after + edited[position:high],
        reasons[0] if reasons else None,
        tuple(sorted(rounds)),
        tuple(item.index for item in new),
        old,
    )


def _growth(change: StandingChange) -> int:
    return len(change.after) - (change.end - change.start)
