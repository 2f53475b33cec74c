"""Detects edits that only negate a claim, or only remove its negation."""

from __future__ import annotations

import functools
import itertools
import re

from rewards.text.words import straight

MARKS = ".,;:!?"
NON_WORD = re.compile(r"[\W_]*")
WORD = re.compile(rf"\w+(?:'\w+)?|[{MARKS}]")
CONTRACTED = re.compile(
    r"(?P<verb>\w+)n't$|(?P<bare>ca|wo|sha|ai|is|are|was|were|do|does|did|has|have|had|could|would|should|must|might)nt$"
)
"""Contracted negations: "don't", and "dont" as people often write it."""
VERBS = {"ca": "can", "wo": "will", "sha": "shall", "ai": "is"}
"""The full verbs of irregular contractions: the "wo" of "won't" is "will"."""
ATTACHED = re.compile(r"(?P<word>\w+)'(?P<verb>s|re|m|ve|ll|d)$")
WHOLE = {"s": "is", "re": "are", "m": "am", "ve": "have", "ll": "will", "d": "would"}
"""The full forms of contracted verbs. A possessive "s" also becomes "is", in both sentences alike, so that nothing differs."""
NEGATIONS = frozenset([
    "not", "never", "no", "none", "nobody", "nothing", "neither", "nor", "hardly", "barely", "scarcely", "rarely", "seldom",
])  # fmt: skip
PHRASES = re.compile(r"\b(?:far from|by no means|in no way|anything but|not at all|nowhere near)\b")
"""Phrases that mean "not"."""
NOT_ONLY = re.compile(r"\bnot only\b")
"""A "not" that denies nothing, and so does not count: "not only …" adds to a claim."""
SUPPORT = frozenset(["do", "does", "did"])
"""Forms of "do", which "not" requires where there is no other auxiliary. They are ignored."""
SAME = {
    "has": "have", "had": "have", "any": "some", "anything": "something", "anybody": "somebody", "anyone": "someone",
}  # fmt: skip
"""Words that may change together with a negation, as one form for both."""
ENDING = re.compile(r"(?<=..)(?:es|ed|e|s|d)$")
"""Endings that may change together with a negation ("does not need", "needs"). They are ignored."""


def _stems(words: str) -> frozenset[str]:
    return frozenset(ENDING.sub("", word) for word in words.split())


FRAME = _stems(
    """i we you he she it they one me us this that these those there which who what a the is are was were be been being have
    will would can could should shall must may might do to of in by for with as so at all if whether even just really
    actually simply quite ever still also think believe suppose feel find say claim argue hold know mean see agree accept admit
    concede support share opinion view belief idea statement point mind true right correct fact case truth way reason sense
    evidence grounds likely possible obvious clear my our your their"""
)
"""Stems of words that add nothing to a claim around which they stand: "I … believe that", "it is … the case that".

"an" is missing because it is also the stem of "and", which joins another claim.
"""
DENIALS = _stems(
    "deny denies denied doubt disagree dispute reject refute false wrong untrue incorrect mistaken lie myth"
)
"""Stems of words that negate a claim around which they stand."""
OPENING = _stems(
    "that if whether think believe suppose feel find say claim argue hold know mean accept admit concede deny doubt"
)
"""Stems of words that can introduce a claim: after any other word it would not be a clause of its own."""
AROUND = FRAME | DENIALS
CLAIM_WORDS, MOST_AROUND = 3, 24
"""The fewest words of a claim (fewer occur in some longer sentence by chance), and the most words around it."""


@functools.lru_cache(maxsize=4096)  # the completions of a group often share edits
def only_negates(before: str, after: str) -> bool:
    """Whether an edit only negates a claim or removes its negation: the number of "not" changes between odd and even.

    Differences that come with a negation are ignored: forms of "do", "some" and "any", endings, punctuation, case, and one
    word more, as in "not really". A "no" before a mark or at the end ("No, …") is an answer, and a negation repeated at once
    counts once. One sentence may put words around the whole claim of the other that add nothing ("I do not believe that …",
    "…, which is false"); among them a denying word counts like a "not". False for a question, which makes no claim, and
    where only some of several negations are removed, because those were mostly doubled ("ain't no").
    """
    if _is_question(before):
        return False
    (rest, count), (rest_after, count_after) = _stems_and_negations(before), _stems_and_negations(after)
    if count > count_after > 0:
        return False
    inner, outer = sorted((rest, rest_after), key=len)
    denials = 0 if _one_more(inner, outer) else _denials(inner, outer)
    return denials is not None and (count + count_after + denials) % 2 == 1


def _is_question(text: str) -> bool:
    """Whether a question mark follows the last word. A question makes no claim that an edit could reverse.

    "Do we need that?" suggests "We do not need that" already.
    """
    end = NON_WORD.match(text[::-1])  # reversed: a pattern for the end would be slow on a long run of marks
    return end is not None and "?" in end[0]


def _one_more(inner: list[str], outer: list[str]) -> bool:
    """Whether `outer` is `inner`, a whole claim, with one word inserted, such as the "really" of "not really"."""
    if len(inner) < CLAIM_WORDS or len(outer) != len(inner) + 1:
        return False
    first_difference = next((k for k, word in enumerate(inner) if word != outer[k]), len(inner))
    return inner[first_difference:] == outer[first_difference + 1 :]


def _denials(inner: list[str], outer: list[str]) -> int | None:
    """The number of denying words in the frame that `outer` puts around `inner`; None where it is not `inner` in a frame."""
    if inner == outer:
        return 0
    if len(inner) < CLAIM_WORDS or len(outer) - len(inner) > MOST_AROUND:
        return None
    for start in range(len(outer) - len(inner) + 1):
        if start and outer[start - 1] not in AROUND:
            return None  # this word adds something, and stands before the claim for every later start too
        behind = outer[start + len(inner) :]
        opened = not start or outer[start - 1] in OPENING
        framed = not behind or (behind[0] in FRAME and all(word in AROUND for word in behind))
        if opened and framed and outer[start : start + len(inner)] == inner:
            return sum(word in DENIALS for word in outer[:start] + behind)
    return None


def _stems_and_negations(sentence: str) -> tuple[list[str], int]:
    """The stems of all words but negations, forms of "do" and punctuation; and the number of negations."""
    words = _words(sentence)
    rest, count, last = [], 0, ""
    for word, following in itertools.pairwise([*words, ""]):
        if word in NEGATIONS and not (word == "no" and following in (*MARKS, "")):
            count += word != last
        elif word not in MARKS and word not in SUPPORT:
            rest.append(ENDING.sub("", SAME.get(word, word)))
        last = word
    return rest, count


def _words(sentence: str) -> list[str]:
    """Words and punctuation in lower case; contractions and "cannot" as two words, negating phrases as "not"."""
    found = []
    text = straight(sentence).lower().replace("_", " ")  # as in _not_, for emphasis
    for word in WORD.findall(PHRASES.sub("not", NOT_ONLY.sub("", text))):
        if contracted := CONTRACTED.match(word):
            verb = contracted["verb"] or contracted["bare"]
            found += [VERBS.get(verb, verb), "not"]
        elif attached := ATTACHED.match(word):
            found += [attached["word"], WHOLE[attached["verb"]]]
        else:
            found += ["can", "not"] if word == "cannot" else [word]
    return found
