"""Does an edit do nothing but turn a claim around?"""

from __future__ import annotations

import itertools
import re

MARKS = ".,;:!?"
WORD = re.compile(rf"\w+(?:['’]\w+)?|[{MARKS}]")
CONTRACTED = re.compile(
    r"(?P<verb>\w+)n['’]t$|(?P<bare>ca|wo|sha|ai|is|are|was|were|do|does|did|has|have|had|could|would|should|must|might)nt$"
)
"""Also as it is often written, without the apostrophe."""
VERBS = {"ca": "can", "wo": "will", "sha": "shall", "ai": "is"}
ATTACHED = re.compile(r"(?P<word>\w+)['’](?P<verb>s|re|m|ve|ll|d)$")
WHOLE = {"s": "is", "re": "are", "m": "am", "ve": "have", "ll": "will", "d": "would"}
"""What is short for what; an owner's "s" is read so too, before and after alike."""
NEGATIONS = frozenset(
    ["not", "never", "no", "none", "nobody", "nothing", "neither", "nor", "hardly", "barely", "scarcely"]
)
SUPPORT = frozenset(["do", "does", "did"])
"""What "not" brings with it where there is no other auxiliary."""
SAME = {
    "has": "have", "had": "have", "any": "some", "anything": "something", "anybody": "somebody", "anyone": "someone",
}  # fmt: skip
ENDING = re.compile(r"(?<=..)(?:es|ed|e|s|d)$")


def only_negates(before: str, after: str) -> bool:
    """Whether two sentences differ in negation alone: one has an odd number of "not" and the like, the other an even one.

    What has to change with it may differ too: "does" and "did", "some" and "any", endings, marks, small and capital letters. A
    "no" that answers ("No, …") negates nothing, and one said twice in a row is one.
    """
    (rest, count), (rest_after, count_after) = _taken_apart(before), _taken_apart(after)
    return rest == rest_after and count % 2 != count_after % 2


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
    for word in WORD.findall(sentence.lower()):
        if contracted := CONTRACTED.match(word):
            verb = contracted["verb"] or contracted["bare"]
            found += [VERBS.get(verb, verb), "not"]
        elif attached := ATTACHED.match(word):
            found += [attached["word"], WHOLE[attached["verb"]]]
        else:
            found += ["can", "not"] if word == "cannot" else [word]
    return found
