"""Anchor proposed edits to spans of their original sentences, so that any subset can be applied in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rewards.types import Edit, ProposedEdit

NOT_FOUND = "its part does not occur in its sentence"
NO_PLACE = "an insertion without a place"
NOTHING = "neither a part nor a replacement"
Span = tuple[int, int]


def anchor(sentences: Sequence[str], proposed: Sequence[ProposedEdit]) -> tuple[Edit, ...]:
    """One Edit for every proposed edit, in the same order; those that cannot be applied carry an `invalid_reason`.

    A part that occurs once takes its place first, so that a short part listed earlier ("is") does not settle inside it;
    a part that occurs several times takes the first free place, whole words before parts of words. Of two edits that
    overlap, the one placed first stays.
    """
    spans: dict[int, Span] = {}
    reasons: dict[int, str] = {}
    taken: dict[int, list[tuple[int, int, int]]] = {}
    candidates: dict[int, list[Span]] = {}
    for index, edit in enumerate(proposed):
        found = _candidates(sentences, edit)
        if isinstance(found, str):
            reasons[index] = found
        else:
            candidates[index] = found
    for index in sorted(candidates, key=lambda i: (len(candidates[i]) > 1, i)):
        sentence_id = proposed[index].sentence_id
        occupied = taken.setdefault(sentence_id or 0, [])
        rival = -1
        for start, end in candidates[index]:
            rival = next((i for s, e, i in occupied if _overlap(start, end, s, e)), -1)
            if rival < 0:
                spans[index] = (start, end)
                occupied.append((start, end, index))
                break
        else:
            reasons[index] = f"overlaps edit {rival + 1}"
    return tuple(_edit(sentences, edit, spans.get(i), reasons.get(i)) for i, edit in enumerate(proposed))


def _candidates(sentences: Sequence[str], edit: ProposedEdit) -> list[Span] | str:
    """The places where the edit could lie, best first, or why there is none."""
    number = edit.sentence_id
    if number is None:
        return edit.problem or "no sentence id"
    if not 1 <= number <= len(sentences):
        return f"sentence id {number} is outside 1–{len(sentences)}"
    if edit.problem is not None:
        return edit.problem
    sentence = sentences[number - 1]
    if edit.start is not None and edit.end is not None and sentence[edit.start : edit.end] == edit.before:
        if not 0 <= edit.start <= edit.end <= len(sentence):
            return NOT_FOUND
        return NOTHING if not edit.before and not edit.after else [(edit.start, edit.end)]
    if not edit.before:
        return NO_PLACE if edit.after else NOTHING
    places = list(_occurrences(sentence, edit.before))
    if len(places) > 1:
        places.sort(key=lambda span: not _whole_words(sentence, *span))
    return places or NOT_FOUND


def _occurrences(sentence: str, part: str) -> Iterator[Span]:
    start = sentence.find(part)
    while start >= 0:
        yield start, start + len(part)
        start = sentence.find(part, start + 1)


def _whole_words(sentence: str, start: int, end: int) -> bool:
    before = start == 0 or not (sentence[start - 1].isalnum() and sentence[start].isalnum())
    after = end == len(sentence) or not (sentence[end - 1].isalnum() and sentence[end].isalnum())
    return before and after


def _overlap(start: int, end: int, other_start: int, other_end: int) -> bool:
    # Edits that only touch do not overlap; an insertion overlaps a span that it lies inside of.
    return start < other_end and other_start < end


def _edit(sentences: Sequence[str], edit: ProposedEdit, span: Span | None, reason: str | None) -> Edit:
    number = edit.sentence_id if edit.sentence_id and 1 <= edit.sentence_id <= len(sentences) else 0
    sentence = sentences[number - 1] if number else ""
    if span is None:
        return Edit(number, edit.before, edit.after, edit.reason, sentence, sentence, -1, -1, reason)
    start, end = span
    after = sentence[:start] + edit.after + sentence[end:]
    return Edit(number, edit.before, edit.after, edit.reason, sentence, after, start, end)
