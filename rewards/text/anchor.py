"""Anchor proposed edits to spans of their original sentences, so that any subset can be applied in any order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rewards.text.composing import normalised
from rewards.text.words import are_whole
from rewards.types import NO_PLACE, Edit, ProposedEdit

NOT_FOUND = "its part does not occur in its sentence"
NOTHING = "neither a part nor a replacement"
TOO_MANY = "too many edits"
# Per record. Real records have up to tens of edits; more come from a model that repeats itself, and each costs searches
# and model calls.
MAX_EDITS = 1_000
# Occurrences examined per record, which take a fraction of a second; beyond it, whole words are no longer preferred.
MAX_LOOKS = 250_000
Span = tuple[int, int]


def anchor(sentences: Sequence[str], proposed: Sequence[ProposedEdit]) -> tuple[Edit, ...]:
    """One Edit for every proposed edit, in the same order; those that cannot be applied carry an `invalid_reason`.

    A part that occurs once takes its place first, so that a short part listed earlier ("is") does not settle inside it;
    a part that occurs several times takes the first free place, whole words before parts of words. Of two edits that
    overlap, the one placed first stays.
    """
    looks = iter(range(MAX_LOOKS))
    known: dict[int, _Sentence] = {}
    found: dict[int, Span | str] = {}
    several: list[tuple[int, _Sentence, _Part]] = []
    for index, edit in enumerate(proposed[:MAX_EDITS]):
        reason = _problem(sentences, edit)
        if reason is not None:
            found[index] = reason
            continue
        number = edit.sentence_id or 0
        sentence = known.get(number) or known.setdefault(number, _Sentence(sentences[number - 1]))
        place = _place(sentence, edit)
        if isinstance(place, _Part):
            several.append((index, sentence, place))
        else:
            found[index] = sentence.take(*place, index) if isinstance(place, tuple) else place
    for index, sentence, part in several:
        found[index] = sentence.take_free(part, index, looks)
    return tuple(_edit(sentences, edit, found.get(index, TOO_MANY)) for index, edit in enumerate(proposed))


@dataclass(slots=True)
class _Part:
    """A part that occurs more than once in its sentence. Taken spans stay taken: a search continues where the last ended."""

    text: str
    word_from: int = 0  # no free whole word begins before
    any_from: int = 0  # no free occurrence begins before
    last: Span | None = None  # the occurrence that is tried last


class _Sentence:
    """One sentence and its taken spans. They do not overlap, so that starts and ends are both in order."""

    __slots__ = ("ends", "owners", "parts", "starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.owners: list[tuple[int, int]] = []  # when the span was taken, and by which edit
        self.parts: dict[str, _Part | Span | None] = {}

    def find(self, part: str) -> _Part | Span | None:
        """The only place of a part, or None; a _Part where there are several."""
        if part not in self.parts:
            found = ((form, self.text.find(form)) for form in _forms(part))
            written, start = next((one for one in found if one[1] >= 0), (part, -1))
            span = (start, start + len(written)) if start >= 0 else None
            self.parts[part] = _Part(written) if span and self.text.find(written, start + 1) >= 0 else span
        return self.parts[part]

    def take(self, start: int, end: int, index: int) -> Span | str:
        """Take the span for the edit and return it; the reason instead where it overlaps an edit that was placed earlier."""
        met = self._met(start, end)
        if met:
            return f"overlaps edit {min(self.owners[met.start : met.stop])[1] + 1}"
        at = bisect_right(self.ends, start)
        self.owners.insert(at, (len(self.owners), index))
        self.starts.insert(at, start)
        self.ends.insert(at, end)
        return start, end

    def take_free(self, part: _Part, index: int, looks: Iterator[int]) -> Span | str:
        """Take the first free place of a part, whole words before others, and return it; without one, the reason."""
        start = self._free_word(part, looks)
        if start < 0:
            start = part.any_from = self._free(part.text, part.any_from)
        if start >= 0:
            return self.take(start, start + len(part.text), index)
        if part.last is None:
            part.last = self._last(part.text, looks)
        return self.take(*part.last, index)

    def _free_word(self, part: _Part, looks: Iterator[int]) -> int:
        start = self._free(part.text, part.word_from)
        while start >= 0 and not are_whole(self.text, start, start + len(part.text)):
            start = -1 if next(looks, None) is None else self._free(part.text, start + 1)
        part.word_from = start
        return start

    def _free(self, part: str, position: int) -> int:
        """Where the first free occurrence from `position` on begins; -1 where there is none, or `position` is -1."""
        while position >= 0 and (position := self.text.find(part, position)) >= 0:
            met = self._met(position, position + len(part))
            if not met:
                break
            position = self.ends[met.stop - 1]  # what begins before that ends overlaps it too
        return position

    def _last(self, part: str, looks: Iterator[int]) -> Span:
        """The last occurrence in the order in which they are tried: whole words first, then others."""
        last = last_inside = -1
        position = self.text.find(part)
        while position >= 0:
            last = position
            if not are_whole(self.text, position, position + len(part)):
                last_inside = position
            if next(looks, None) is None:
                break
            position = self.text.find(part, position + 1)
        start = last if last_inside < 0 else last_inside
        return start, start + len(part)

    def _met(self, start: int, end: int) -> range:
        # The taken spans that overlap. Spans that only touch do not; an insertion overlaps a span that it lies inside of.
        return range(bisect_right(self.ends, start), bisect_left(self.starts, end))


def _forms(part: str) -> Iterator[str]:
    """The part as stated, then in the composed (NFC) and decomposed (NFD) spelling of accented letters."""
    yield part
    if not part.isascii():
        yield normalised("NFC", part)
        yield normalised("NFD", part)


def _problem(sentences: Sequence[str], edit: ProposedEdit) -> str | None:
    """Why the edit cannot be used, whatever the text of its sentence; None without such a reason."""
    number = edit.sentence_id
    if number is None:
        return edit.problem or "no sentence id"
    if not 1 <= number <= len(sentences):
        return f"sentence id {number} is outside 1–{len(sentences)}{': they count from 1' if number == 0 else ''}"
    return edit.problem


def _place(sentence: _Sentence, edit: ProposedEdit) -> _Part | Span | str:
    """The only possible span of the edit, or its part where that occurs more than once, or why there is neither."""
    start, end, text = edit.start, edit.end, sentence.text
    if start is not None and end is not None and text[start:end] == edit.before:
        if not 0 <= start <= end <= len(text):
            return NOT_FOUND
        return (start, end) if edit.before or edit.after else NOTHING
    if not edit.before:
        return NO_PLACE if edit.after else NOTHING
    return sentence.find(edit.before) or NOT_FOUND


def _edit(sentences: Sequence[str], edit: ProposedEdit, found: Span | str) -> Edit:
    number = edit.sentence_id if edit.sentence_id and 1 <= edit.sentence_id <= len(sentences) else 0
    sentence = sentences[number - 1] if number else ""
    if isinstance(found, str):
        return Edit(number, edit.before, edit.after, edit.reason, sentence, invalid_reason=found)
    return Edit(number, sentence[slice(*found)], edit.after, edit.reason, sentence, *found)
