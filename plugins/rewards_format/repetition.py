"""How much of a sentence repeats its own words?"""

from __future__ import annotations

import functools
import re
from collections import Counter

from rewards.text.composing import normalised
from rewards.text.words import straight

WORD = re.compile(r"\w+(?:['-]\w+)*")
RUN = 3
"""The length of a repetition, in words: two in a row are often just a name ("self-driving cars", "New York")."""


@functools.lru_cache(maxsize=4096)  # the completions of a group often share edits
def repeated(before: str, after: str) -> float:
    """Share of the words of `after`, in [0, 1], in runs of three that occur more than once and more often than in `before`."""
    words = _words(after)
    counts, known = Counter(_runs(words)), Counter(_runs(_words(before)))
    found = {
        place
        for start, run in enumerate(_runs(words))
        if counts[run] > max(1, known[run])
        for place in range(start, start + RUN)
    }
    return len(found) / max(1, len(words))


def _words(text: str) -> list[str]:
    return WORD.findall(straight(normalised("NFC", text)).lower())


def _runs(words: list[str]) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + RUN]) for start in range(len(words) - RUN + 1)]
