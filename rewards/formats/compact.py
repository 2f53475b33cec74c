"""Edits as lines: `number | old words | new words`, a format that a small model can learn."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rewards.text.anchor import MAX_EDITS, MAX_LOOKS
from rewards.text.words import are_whole
from rewards.types import NO_PLACE, Parsed, ProposedEdit

NAME = "compact"
PROMPT = (
    "Make this argument on the issue below respectful, sincere and clear. Keep its meaning and most of its words.\n\n"
    "Issue: {issue}\n{sentences}\n\n"
    "For each change write one line, copying the old words exactly:\n"
    "sentence number | old words | new words"
)  # short on purpose: a small policy reads it thousands of times
_LINE = re.compile(
    r"[\s>|]{0,9}(?:[-*\u2022+]\s{1,9})?[`\"'*\[(#]{0,3}(?:sentence|s)?\s{0,3}#?(\d{1,9})[`\"'*\])\s.:]{0,9}\|",
    re.IGNORECASE,
)
_SEEN = re.compile(rf"^{_LINE.pattern}", re.IGNORECASE | re.MULTILINE)
_PIPE = re.compile(r"(?<!\\)\|")
CHANCE = 4  # characters: shorter words occur in some sentence by chance
_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019"}


def detect(completion: str) -> bool:
    """Whether a line of the completion looks like a compact change."""
    return "|" in completion and bool(_SEEN.search(completion))


def parse(completion: str, sentences: Sequence[str]) -> Parsed:
    """One edit for every line of the form, in order; other lines are ignored."""
    edits = list[ProposedEdit]()
    looks = iter(range(MAX_LOOKS))
    for line in completion.split("\n"):  # not splitlines: U+2028 and the like may stand inside of a part
        line = line.removesuffix("\r")
        if "|" in line and (match := _LINE.match(line)):
            searched = sentences if len(edits) < MAX_EDITS else ()  # edits beyond it are never applied
            edits.append(_edit(int(match[1]), line[match.end() :], line[: match.start(1)], searched, looks))
    return Parsed(tuple(edits), None if edits else "no line of the form `number | old words | new words`")


def _edit(number: int, rest: str, lead: str, sentences: Sequence[str], looks: Iterator[int]) -> ProposedEdit:
    wrapping = lead.strip()[-1:]
    if wrapping in _QUOTES and rest.rstrip().endswith(_QUOTES[wrapping]) and rest.count(wrapping) == 1:
        rest = rest.rstrip()[:-1]  # the whole line was quoted
    parts = [part.strip().replace("\\|", "|") for part in _PIPE.split(rest)]
    if len(parts) > 2 and not parts[-1]:
        parts.pop()  # a row of a table ends with a pipe
    sentence = sentences[number - 1] if 1 <= number <= len(sentences) else ""
    # Quotes that the sentence itself has belong to the words.
    keep = len(parts[0]) > 1 and parts[0] in sentence
    before, *others = parts if keep else [_unquoted(part) for part in parts]
    problem = None if len(parts) == 2 else "no replacement" if len(parts) == 1 else "more than two parts"
    if not problem and not before and others[0]:
        problem = NO_PLACE
    after = others[0] if others else ""
    if not problem and before not in sentence:
        number, before, after = _located(number, before, after, sentences, looks)
    return ProposedEdit(number, before, after, problem=problem)


def _located(
    number: int, before: str, after: str, sentences: Sequence[str], looks: Iterator[int]
) -> tuple[int, str, str]:
    """The change, corrected if possible, where the stated sentence does not contain the old words as they are written.

    Either they occur there once in another case (a capital at the start is then given to the new words too), or they have
    at least CHANCE characters and occur in exactly one other sentence, whose number is taken.
    """
    sentence = sentences[number - 1] if 1 <= number <= len(sentences) else ""
    lower = sentence.lower()
    places = _whole(before.lower(), lower, looks) if len(lower) == len(sentence) else []
    if len(places) == 1:
        found = sentence[places[0] : places[0] + len(before.lower())]
        capital = found[:1].isupper() and before[:1].islower()
        return number, found, after[:1].upper() + after[1:] if capital else after
    if len(before) < CHANCE:
        return number, before, after
    having = [place for place, other in enumerate(sentences, 1) if _whole(before, other, looks)]
    return having[0] if len(having) == 1 else number, before, after


def _whole(words: str, text: str, looks: Iterator[int]) -> list[int]:
    """Up to two positions at which `words` occur as whole words. Each occurrence that is examined uses one of `looks`."""
    places = list[int]()
    start = text.find(words)
    while start >= 0 and len(places) < 2 and next(looks, None) is not None:
        end = start + len(words)
        whole = are_whole(text, start, end)
        if whole:
            places.append(start)
        start = text.find(words, end if whole else start + 1)
    return places


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] else text
