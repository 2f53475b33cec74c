"""What an edit does to each token, one letter per token: the alphabet that the pattern model reads and was fitted on."""

from __future__ import annotations

import functools

from rewards.text.diff import equal_blocks, tokens

KEEP, KEEP_IN_EDIT, DELETE, ADD, REPLACE = ALPHABET = "KkDAR"
GAP = 2  # at most so many kept tokens lie between two changes of one edit


@functools.lru_cache(maxsize=1 << 14)
def operations(before: str, after: str) -> str:
    """The operations that turn `before` into `after`, one letter of `ALPHABET` per token; "" when both are empty.

    Where n tokens are replaced by m others, min(n, m) are replacements; the rest are deletions or additions. One or two kept
    tokens between changes belong to the same edit. Fitting and scoring both use this function, so that they agree.
    """
    old, new = _words(before), _words(after)
    pieces: list[str] = []
    start = start_after = 0  # the end of the last kept block in each text
    for block in equal_blocks(old, new):
        pieces += (_change(block.before - start, block.after - start_after), KEEP * block.size)
        start, start_after = block.before + block.size, block.after + block.size
    pieces.append(_change(len(old) - start, len(new) - start_after))  # pieces alternate: change, keep, …, change
    for position in range(1, len(pieces) - 1, 2):
        if pieces[position - 1] and pieces[position + 1] and len(pieces[position]) <= GAP:
            pieces[position] = KEEP_IN_EDIT * len(pieces[position])
    return "".join(pieces)


def _change(deleted: int, added: int) -> str:
    both = min(deleted, added)
    return REPLACE * both + DELETE * (deleted - both) + ADD * (added - both)


def _words(text: str) -> list[str]:
    return [text[start:end] for start, end in tokens(text)]
