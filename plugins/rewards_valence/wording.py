"""The words that an edit removes from a sentence, and those that it adds."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Sequence

from rapidfuzz import process
from rapidfuzz.distance import OSA

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
OPPOSITE = frozenset(["un", "in", "im", "il", "ir", "dis", "mis", "non", "non-"])
"""Prefixes that turn a word into its opposite."""
NO_DOUBT = re.compile(
    r"\b(?:(?:no|nothing|not) (?:less|doubt|question|other|only|merely)(?: than)?|nothing (?:but|short of)|none other"
    r"|no-\w+)\b",
    re.IGNORECASE,
)
"""Phrases that contain a negation and deny nothing. They are not counted."""
NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|hardly|cannot"
    r"|(?:is|are|was|were|do|does|did|has|have|had|ca|wo|could|would|should)nt)\b|n['’]t\b",
    re.IGNORECASE,
)
ALIKE = 0.76
"""Words of at least this similarity count as forms of one word; three of four equal letters are too few."""


@functools.lru_cache(maxsize=4096)  # `reads` and the reward both call it for every edit
def exchanged(before: str, after: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The distinct words that an edit removes, and those that it adds, in lower case.

    An added word that is spelled much like a removed one is left out as its correction, unless the removed one is its
    opposite by a prefix ("unfair" becomes "fair"). Both are empty where either would be, and where the number of negations
    changes: "is wise" for "is no fool" reverses no judgement.
    """
    if _negations(before) != _negations(after):
        return (), ()
    old, new = (Counter(word.lower() for word in WORD.findall(text)) for text in (before, after))
    gone = tuple(old - new)
    come = tuple(word for word in new - old if not _corrects(word, gone))
    return (gone, come) if gone and come else ((), ())


def _negations(text: str) -> int:
    return len(NEGATION.findall(NO_DOUBT.sub("", text)))


def _corrects(word: str, gone: Sequence[str]) -> bool:
    alike = process.extract_iter(word, gone, scorer=OSA.normalized_similarity, score_cutoff=ALIKE)
    return any(not (other.endswith(word) and other.removesuffix(word) in OPPOSITE) for other, _, _ in alike)
