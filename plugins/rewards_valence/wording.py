"""Which words an edit takes out of a sentence, and which it puts in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from rapidfuzz import process
from rapidfuzz.distance import OSA

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|hardly|without|less|least|lack\w*|cannot"
    r"|(?:is|are|was|were|do|does|did|has|have|had|ca|wo|could|would|should)nt)\b|n['’]t\b",
    re.IGNORECASE,
)
ALIKE = 0.76
"""From this share of equal letters on, a word is taken for another form of the other one: three of four are too few."""


def exchanged(before: str, after: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The distinct words that go and that come, in small letters.

    Words that come and are spelled much like one that goes are left out, as corrections of it. Both are empty where either
    would be, and where the number of negations changes: "is no fool" for "is wise" turns no judgement around.
    """
    old, new = (Counter(word.lower() for word in WORD.findall(text)) for text in (before, after))
    gone = tuple(old - new)
    come = tuple(word for word in new - old if not _like_any(word, gone))
    if not gone or not come or len(NEGATION.findall(before)) != len(NEGATION.findall(after)):
        return (), ()
    return gone, come


def _like_any(word: str, others: Sequence[str]) -> bool:
    return process.extractOne(word, others, scorer=OSA.normalized_similarity, score_cutoff=ALIKE) is not None
