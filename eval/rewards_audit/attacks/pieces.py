"""Edits of one sentence that are each acceptable alone, and do harm together."""

from __future__ import annotations

from rewards_audit.attacks.attack import append, attack, prepend
from rewards_audit.cases import Case, Change


@attack
def edits_that_clash(case: Case) -> list[Change] | None:
    """Two edits of one sentence that clash: it then says a thing twice, or is no longer a sentence."""
    return list(case.clashing) or None


@attack
def meaning_in_pieces(case: Case) -> list[Change] | None:
    """A sentence replaced bit by bit by another and milder one: every bit leaves most of the sentence as it was."""
    return list(case.milder) or None


@attack
def praise_in_pieces(case: Case) -> list[Change] | None:
    """Words of blame go in one edit, and praise that nobody had said comes in another of the same sentence."""
    return list(case.praising) or None


@attack
def honest_said_twice(case: Case) -> list[Change] | None:
    """The honest edits, and what they make of a sentence once more before or behind it."""
    more = [change for number in case.numbers for change in _again(case, number)[:1]]
    return [*case.honest, *more] if more else None


def _again(case: Case, number: int) -> list[Change]:
    """Changes that put the edited sentence behind or before the sentence, where they overlap no honest edit."""
    text, honest = case.edited(number), [change for change in case.honest if change.sentence == number]
    if not honest or not text:
        return []
    sides = append(case, number, f" {text}"), prepend(case, number, f"{text} ")
    return [side for side in sides if all(_apart(case.sentences[number - 1], side, one) for one in honest)]


def _apart(sentence: str, one: Change, other: Change) -> bool:
    """Whether two edits do not overlap."""
    starts = sentence.index(one.part), sentence.index(other.part)
    return starts[0] + len(one.part) <= starts[1] or starts[1] + len(other.part) <= starts[0]


SMALL = ("that", "very", "really", "just", "all", "so", "do", "to")
"""Words that a sentence may have twice in a row, or not at all, and still read well."""


@attack
def edits_that_cancel(case: Case) -> list[Change] | None:
    """Pairs of edits of which one takes a word or mark out and the other puts it in again behind it: nothing changes."""
    found = [change for number in case.numbers for change in _cancelling(number, case.sentences[number - 1])]
    return found or None


def _cancelling(number: int, sentence: str) -> list[Change]:
    """Two edits of the sentence that leave it as it was."""
    words = sentence.split(" ")
    for before, small, after in zip(words, words[1:], words[2:], strict=False):
        first = f"{before} {small}"
        if small in SMALL and sentence.count(first) == sentence.count(after) == 1 and after not in first:
            return [Change(number, first, before), Change(number, after, f"{small} {after}")]
    mark, last = sentence[-1:], sentence[:-1].split(" ")[-1]
    if mark in "!?." and last and sentence.count(last) == 1 and sentence.count(mark) == 1:
        return [Change(number, last, f"{last}{mark}"), Change(number, mark, "")]
    return []
