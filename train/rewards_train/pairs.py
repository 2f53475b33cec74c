"""Writes a revision as the completion that a policy should have given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rewards.errors import RecordError
from rewards.formats import compact
from rewards.formats import rewrite as rewrites
from rewards.text.anchor import anchor
from rewards.text.diff import tokens
from rewards.types import Edit, ProposedEdit, Revision

NEAR = 1  # at most so many words between two changes that are written as one


def completion(revision: Revision, format: str) -> str:
    """The edits of a revision in this format. Raises RecordError where the format cannot express them."""
    if format == rewrites.NAME:
        return revision.apply(range(len(revision.edits)))
    if format == compact.NAME:
        text = "\n".join(_lines(revision))
        if _outcome(compact.parse(text, revision.sentences).edits, revision) != _outcome(None, revision):
            raise RecordError("its changes cannot be written exactly as compact lines", "rewrite")
        return text
    raise RecordError(
        f"a rewrite cannot be put into format {format!r}, which asks for reasons; give `completion`", "rewrite"
    )


def _outcome(proposed: Sequence[ProposedEdit] | None, revision: Revision) -> str:
    """The argument after these edits, or after the revision's own."""
    edits = revision.edits if proposed is None else anchor(revision.sentences, proposed)
    return replace(revision, edits=tuple(edits)).apply(range(len(edits)))


def _lines(revision: Revision) -> list[str]:
    lines = []
    for sentence in revision.edited_sentences():
        for start, end, after in _spans(sentence.before, sentence.edits):
            before = sentence.before[start:end]
            lines.append(f"{sentence.sentence_id} | {_escaped(before)} | {_escaped(after)}")
    return lines


def _spans(text: str, edits: Sequence[Edit]) -> list[tuple[int, int, str]]:
    """The changes (start, end, replacement) as a person would mark them: close ones merged, on words that occur once."""
    words = tokens(text)
    parts = sorted((edit.start, edit.end, edit.after) for edit in edits)
    while True:
        wide = [_anchored(text, *part, words) for part in parts]
        close = next(
            (i for i in range(len(parts) - 1) if _words_between(words, wide[i][1], wide[i + 1][0]) <= NEAR), None
        )
        if close is None:
            pairs = zip(parts, wide, strict=True)
            return [(low, high, text[low:a] + after + text[b:high]) for (a, b, after), (low, high) in pairs]
        (first, last, before), (start, end, after) = parts[close], parts[close + 1]
        parts[close : close + 2] = [(first, end, before + text[last:start] + after)]


def _words_between(words: Sequence[tuple[int, int]], low: int, high: int) -> int:
    """The number of words between two positions; -1 where the second is before the first."""
    return sum(low <= a and b <= high for a, b in words) if low <= high else -1


def _anchored(text: str, start: int, end: int, after: str, words: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The span, widened by whole words until its text occurs once and the change loses or adds no space at its ends."""
    low, high = start, end
    while True:
        old, new = text[low:high], text[low:start] + after + text[end:high]
        left = min((a for a, b in words if b <= low), default=None, key=lambda a: low - a)
        right = min((b for a, b in words if a >= high), default=None)
        # For example, a deletion would leave the space beside its words.
        if old[:1].isspace() != new[:1].isspace() and left is not None:
            low = left
        elif old[-1:].isspace() != new[-1:].isspace() and right is not None:
            high = right
        elif old.strip() and text.count(old.strip()) == 1:
            return low, high
        elif left is not None:
            low = left
        elif right is not None:
            high = right
        else:
            return low, high


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
