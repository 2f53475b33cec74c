"""What an edit does to each token, one letter per token: the alphabet that the pattern model reads and was fitted on."""

from __future__ import annotations

from rapidfuzz.distance import Indel

from rewards.text.diff import tokens

KEEP, KEEP_IN_EDIT, DELETE, ADD, REPLACE = ALPHABET = "KkDAR"
GAP = 2  # kept tokens between two changes of one edit


def operations(before: str, after: str) -> str:
    """The operations that turn `before` into `after`, one letter of `ALPHABET` per token; "" when both are empty.

    Where n tokens give way to m others, min(n, m) are replacements; the rest are deletions or additions. One or two
    kept tokens between changes belong to the same edit. There is one such function: fit and score call it alike.
    """
    old, new = _words(before), _words(after)
    pieces: list[str] = []
    deleted = added = 0
    for step in Indel.opcodes(old, new):
        if step.tag == "equal":
            pieces += (_change(deleted, added), KEEP * (step.src_end - step.src_start))
            deleted = added = 0
        else:
            deleted += step.src_end - step.src_start
            added += step.dest_end - step.dest_start
    pieces.append(_change(deleted, added))  # pieces alternate: change, keep, change, …, change
    for position in range(1, len(pieces) - 1, 2):
        if pieces[position - 1] and pieces[position + 1] and len(pieces[position]) <= GAP:
            pieces[position] = KEEP_IN_EDIT * len(pieces[position])
    return "".join(pieces)


def _change(deleted: int, added: int) -> str:
    both = min(deleted, added)
    return REPLACE * both + DELETE * (deleted - both) + ADD * (added - both)


def _words(text: str) -> list[str]:
    return [text[start:end] for start, end in tokens(text)]
