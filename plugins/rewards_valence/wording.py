"""Which words an edit takes out of a sentence, and which it puts in."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Sequence

from rapidfuzz import process
from rapidfuzz.distance import OSA

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
OPPOSITE = frozenset(["un", "in", "im", "il", "ir", "dis", "mis", "non", "non-"])
"""What turns a word into its opposite, in front of it."""
NO_DOUBT = re.compile(
    r"\b(?:(?:no|nothing|not) (?:less|doubt|question|other|only|merely)(?: than)?|nothing (?:but|short of)|none other"
    r"|no-\w+)\b",
    re.IGNORECASE,
)
"""What holds a negation and denies nothing."""
NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|hardly|cannot"
    r"|(?:is|are|was|were|do|does|did|has|have|had|ca|wo|could|would|should)nt)\b|n['’]t\b",
    re.IGNORECASE,
)
ALIKE = 0.76
"""From this share of equal letters on, a word is taken for another form of the other one: three of four are too few."""


@functools.lru_cache(maxsize=4096)  # it is asked for what to read, and for what that was
def exchanged(before: str, after: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The distinct words that go and that come, in small letters.

    Words that come and are spelled much like one that goes are left out, as corrections of it, but for opposites ("unfair",
    "fair"). Both are empty where either would be, and where the number of negations changes: "is no fool" for "is wise" turns
    no judgement around.
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
