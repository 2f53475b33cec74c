"""Does an edit do nothing but turn a claim around?"""

from __future__ import annotations

import functools
import itertools
import re

from rewards.text.words import straight

MARKS = ".,;:!?"
NO_WORD = re.compile(r"[\W_]*")
WORD = re.compile(rf"\w+(?:'\w+)?|[{MARKS}]")
CONTRACTED = re.compile(
    r"(?P<verb>\w+)n't$|(?P<bare>ca|wo|sha|ai|is|are|was|were|do|does|did|has|have|had|could|would|should|must|might)nt$"
)
"""Also as it is often written, without the apostrophe."""
VERBS = {"ca": "can", "wo": "will", "sha": "shall", "ai": "is"}
ATTACHED = re.compile(r"(?P<word>\w+)'(?P<verb>s|re|m|ve|ll|d)$")
WHOLE = {"s": "is", "re": "are", "m": "am", "ve": "have", "ll": "will", "d": "would"}
"""What is short for what; an owner's "s" is read so too, before and after alike."""
NEGATIONS = frozenset([
    "not", "never", "no", "none", "nobody", "nothing", "neither", "nor", "hardly", "barely", "scarcely", "rarely", "seldom",
])  # fmt: skip
PHRASES = re.compile(r"\b(?:far from|by no means|in no way|anything but|not at all|nowhere near)\b")
"""What says "not" in several words."""
NOT_ONLY = re.compile(r"\bnot only\b")
"""What adds to a claim and denies nothing of it."""
SUPPORT = frozenset(["do", "does", "did"])
"""What "not" brings with it where there is no other auxiliary."""
SAME = {
    "has": "have", "had": "have", "any": "some", "anything": "something", "anybody": "somebody", "anyone": "someone",
}  # fmt: skip
ENDING = re.compile(r"(?<=..)(?:es|ed|e|s|d)$")


def _stems(words: str) -> frozenset[str]:
    return frozenset(ENDING.sub("", word) for word in words.split())


FRAME = _stems(
    """i we you he she it they one me us this that these those there which who what a the is are was were be been being have
    will would can could should shall must may might do to of in by for with as so at all if whether even just really
    actually simply quite ever still also think believe suppose feel find say claim argue hold know mean see agree accept admit
    concede support share opinion view belief idea statement point mind true right correct fact case truth way reason sense
    evidence grounds likely possible obvious clear my our your their"""
)
"""What may stand around a whole claim without saying anything of its own: "I … believe that", "it is … the case that".

Not "an", which is also what is left of "and": that joins another claim.
"""
DENIALS = _stems(
    "deny denies denied doubt disagree dispute reject refute false wrong untrue incorrect mistaken lie myth"
)
"""What negates a whole claim that it stands around."""
OPENING = _stems(
    "that if whether think believe suppose feel find say claim argue hold know mean accept admit concede deny doubt"
)
"""What a claim may follow: without one of these before it, it is no clause of its own."""
AROUND = FRAME | DENIALS
CLAIM, MOST = 3, 24
"""Words that make a claim, at least (fewer are in some longer sentence anyway), and that stand around it, at most."""


@functools.lru_cache(maxsize=4096)  # the completions of a group often share edits
def only_negates(before: str, after: str) -> bool:
    """Whether an edit turns a claim around and does nothing else: one sentence has an odd number of "not", the other an even one.

    What has to change with it may differ too: "does" and "did", "some" and "any", endings, marks, small and capital letters;
    and one word more, as in "not really". A "no" that answers ("No, …") negates nothing, and one said twice in a row is one.
    Around the whole of a claim, words may stand that say nothing of their own ("I do not believe that …", "…, which is
    false"); there, verbs that deny count as a "not" does. A question makes no claim, and where one of several negations goes
    it mostly was said twice ("ain't no").
    """
    if _asks(before):
        return False
    (rest, count), (rest_after, count_after) = _taken_apart(before), _taken_apart(after)
    if count > count_after > 0:
        return False
    inner, outer = sorted((rest, rest_after), key=len)
    denials = 0 if _one_more(inner, outer) else _denials(inner, outer)
    return denials is not None and (count + count_after + denials) % 2 == 1


def _asks(text: str) -> bool:
    """Whether a mark of question stands after the last word. A question makes no claim that could be turned around.

    "Do we need that?" says "We do not need that".
    """
    end = NO_WORD.match(text[::-1])  # from the end: a pattern for it would try every place of a long run of marks
    return end is not None and "?" in end[0]


def _one_more(inner: list[str], outer: list[str]) -> bool:
    """Whether `outer` is `inner` with one word put in, as "really" is beside a "not"."""
    if len(inner) < CLAIM or len(outer) != len(inner) + 1:
        return False
    same = next((place for place, word in enumerate(inner) if word != outer[place]), len(inner))
    return inner[same:] == outer[same + 1 :]


def _denials(inner: list[str], outer: list[str]) -> int | None:
    """How often the words that `outer` has around `inner` deny; None where it does not hold `inner` as a whole, so framed."""
    if inner == outer:
        return 0
    if len(inner) < CLAIM or len(outer) - len(inner) > MOST:
        return None
    for start in range(len(outer) - len(inner) + 1):
        if start and outer[start - 1] not in AROUND:
            return None  # what stands before a claim says something of its own
        behind = outer[start + len(inner) :]
        opened = not start or outer[start - 1] in OPENING
        framed = not behind or (behind[0] in FRAME and all(word in AROUND for word in behind))
        if opened and framed and outer[start : start + len(inner)] == inner:
            return sum(word in DENIALS for word in outer[:start] + behind)
    return None


def _taken_apart(sentence: str) -> tuple[list[str], int]:
    """The words besides negations, without what changes with these, and how many negations there are."""
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
    """Words and marks in small letters; contractions and "cannot" as two words."""
    found = []
    text = straight(sentence).lower().replace("_", " ")  # it marks what is stressed
    for word in WORD.findall(PHRASES.sub("not", NOT_ONLY.sub("", text))):
        if contracted := CONTRACTED.match(word):
            verb = contracted["verb"] or contracted["bare"]
            found += [VERBS.get(verb, verb), "not"]
        elif attached := ATTACHED.match(word):
            found += [attached["word"], WHOLE[attached["verb"]]]
        else:
            found += ["can", "not"] if word == "cannot" else [word]
    return found
