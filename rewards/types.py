"""The values that all parts of the toolkit share: edits, the sentences and arguments they belong to, and scores."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rewards.text.composing import normalised

Level = Literal["edit", "sentence", "global"]
LEVELS: tuple[Level, ...] = ("edit", "sentence", "global")
NO_PLACE = "an insertion without a place"
"""The problem of an insertion whose position is unknown."""
FLOAT32 = 3.4028234e38
"""The largest magnitude of a reward or weight: beyond it, a number becomes infinite in the float32 tensors of trainers."""


@dataclass(frozen=True, slots=True)
class ProposedEdit:
    """One change as a completion states it, before it is anchored to its sentence.

    `start` and `end` are character offsets into the sentence where the format knows them (tracked changes,
    a word diff); otherwise `before` is searched. `problem` says why the change cannot be used as stated.
    """

    sentence_id: int | None  # numbered from 1
    before: str
    after: str
    reason: str | None = None
    start: int | None = None
    end: int | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a format read from a completion: the changes in the order stated, and why it could not read everything."""

    edits: tuple[ProposedEdit, ...]
    problem: str | None = None  # None: the whole completion was read


@dataclass(frozen=True, slots=True)
class Edit:
    """One change, anchored to characters `start:end` of its original sentence. The unit of edit-level rewards.

    `before` are the original characters that `after` replaces in `sentence_before`; `reason` is the one that the completion
    states. `invalid_reason` says why the edit cannot be applied; it then has no place, and `start` and `end` are -1.
    """

    sentence_id: int  # numbered from 1; 0 when the completion named no sentence that exists
    before: str  # the original characters that are replaced; "" for an insertion
    after: str  # what replaces them; "" for a deletion
    reason: str | None
    sentence_before: str = field(repr=False)  # the same for all edits of a sentence
    start: int = -1  # -1 where the edit has no place
    end: int = -1
    invalid_reason: str | None = None

    @property
    def valid(self) -> bool:
        """Whether the edit can be applied."""
        return self.invalid_reason is None

    @property
    def sentence_after(self) -> str:
        """The sentence with this edit alone applied. Not stored: thousands of edits of a long sentence would fill memory."""
        if self.start < 0:
            return self.sentence_before
        return self.sentence_before[: self.start] + self.after + self.sentence_before[self.end :]

    def to_record(self) -> dict[str, Any]:
        """The fields of an edit that all kinds of records have in common."""
        return {
            "sentence_id": self.sentence_id or None,
            "start": self.start if self.valid else None,
            "before": self.before,
            "after": self.after,
            "reason": self.reason,
            "valid": self.valid,
            "invalid_reason": self.invalid_reason,
        }

    @property
    def changes(self) -> bool:
        """Whether applying the edit alone changes what a reader sees of its sentence.

        False for a no-op such as `India -> India`, and where only spaces or invisible characters differ.
        """
        return self.start >= 0 and seen(self.sentence_before) != seen(self.sentence_after)


UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Invisible characters whose Unicode category does not say so."""


def seen(text: str) -> str:
    """The text as a reader sees it: without invisible characters, each run of spaces as one, letters composed."""
    if not (text.isascii() and text.isprintable()):
        # Composed last: what is invisible may stand between a letter and its accent.
        text = normalised("NFC", "".join(c for c in text if c.isspace() or not _invisible(c)))
    return " ".join(text.split())


def _invisible(character: str) -> bool:
    code = ord(character)
    selectors = 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF  # variation selectors
    return selectors or character in UNSEEN or unicodedata.category(character) in ("Cf", "Cc")


@dataclass(frozen=True, slots=True)
class Sentence:
    """All valid edits of one sentence, taken together. The unit of sentence-level rewards."""

    sentence_id: int
    before: str
    after: str  # the sentence with all its valid edits applied
    edits: tuple[Edit, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Revision:
    """One argument with the edits that somebody proposes for it.

    `gaps` holds the characters between the sentences, one more than there are sentences, so that
    `gaps[0] + sentences[0] + gaps[1] + …` is the original argument to the character.
    """

    id: str | int
    issue: str
    sentences: tuple[str, ...]
    gaps: tuple[str, ...]
    edits: tuple[Edit, ...]
    format: str
    problem: str | None = None  # why the completion could not be read in full

    def __repr__(self) -> str:
        """One line, whatever the argument's length."""
        return (
            f"<revision {self.id!r}: {len(self.sentences)} sentences, {len(self.edits)} edits, read as {self.format}>"
        )

    @property
    def argument(self) -> str:
        """The original argument, to the character."""
        return self._join(self.sentences)

    def apply(self, indices: Iterable[int]) -> str:
        """The argument after the edits of these indices; the same text for every order. Invalid edits change nothing."""
        spans: dict[int, list[Edit]] = {}
        for index in sorted(set(indices)):
            edit = self.edits[index]
            if edit.valid:
                spans.setdefault(edit.sentence_id, []).append(edit)
        if not spans:
            return self.argument
        return self._join(
            tuple(
                apply_spans(sentence, spans[number]) if number in spans else sentence
                for number, sentence in enumerate(self.sentences, 1)
            )
        )

    def edited_sentences(self) -> tuple[Sentence, ...]:
        """The sentences that have at least one valid edit, in order."""
        groups: dict[int, list[Edit]] = {}
        for edit in self.edits:
            if edit.valid:
                groups.setdefault(edit.sentence_id, []).append(edit)
        return tuple(
            Sentence(number, self.sentences[number - 1], apply_spans(self.sentences[number - 1], edits), tuple(edits))
            for number, edits in sorted(groups.items())
        )

    def _join(self, sentences: tuple[str, ...]) -> str:
        pieces = [self.gaps[0]]
        last = len(sentences) - 1
        for index, (sentence, original) in enumerate(zip(sentences, self.sentences, strict=True)):
            gap = self.gaps[index + 1]
            if sentence or not original:
                pieces += (sentence, gap)
            elif index == last or (len(pieces) > 1 and gap.count("\n") > pieces[-1].count("\n")):
                pieces[-1] = (
                    gap  # of the gaps around a deleted sentence, the one with more line breaks stays; at an edge, the outer one
                )
        return "".join(pieces)


def apply_spans(sentence: str, edits: Iterable[Edit]) -> str:
    """The sentence after edits whose spans do not overlap, whatever their order."""
    pieces: list[str] = []
    position = 0
    # The sort is stable: insertions at one place stay in the order in which they were listed.
    for edit in sorted(edits, key=lambda e: (e.start, e.end)):
        pieces += (sentence[position : edit.start], edit.after)
        position = edit.end
    pieces.append(sentence[position:])
    return "".join(pieces)


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument before and after its accepted edits. The unit of global rewards.

    `passes` holds, for every edit of the revision, whether it passed each gate, and a False for each joint check that it
    failed with others of its sentence; `accepted` holds the indices of the edits that passed all.
    """

    revision: Revision
    accepted: tuple[int, ...]
    after: str = field(repr=False)
    passes: tuple[Mapping[str, bool], ...] = field(repr=False)

    @property
    def issue(self) -> str:
        """The issue that the argument is about; "" when the record does not say."""
        return self.revision.issue

    @property
    def before(self) -> str:
        """The original argument."""
        return self.revision.argument


@dataclass(frozen=True, slots=True)
class Score:
    """One reward's verdict on one unit: a value, not applicable (no value, no failure), or failed.

    A failure is never a number; `details` goes to the output record as it is.
    """

    value: float | None
    failed: str | None = field(default=None, kw_only=True)
    details: Mapping[str, Any] = field(default_factory=dict, kw_only=True)


NOT_APPLICABLE = Score(None)
