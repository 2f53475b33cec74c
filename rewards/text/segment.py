"""Splits a text into sentences and the gaps around them, which together are the whole text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import accumulate, chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# The segmenter cannot encode surrogates and fails on whitespace of more than one byte. Every replacement
# is one character for one, so that lengths measured on the replaced text hold for the text itself.
_WIDE_SPACES = dict.fromkeys((0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000), " ")
_SURROGATE = re.compile("[\ud800-\udfff]")


def split(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The sentences of `text`, none empty, and the gaps around: `gaps[0] + sentences[0] + gaps[1] + …` is `text`."""
    sentences: list[str] = []
    gaps: list[str] = []
    position = 0  # the end of the last sentence found
    for start, end in _pieces(text):
        sentence = text[start:end].strip()
        if sentence:
            found = text.index(sentence, start)
            gaps.append(text[position:found])
            sentences.append(sentence)
            position = found + len(sentence)
    gaps.append(text[position:])
    return tuple(sentences), tuple(gaps)


def locate(text: str, sentences: Sequence[str]) -> tuple[str, ...] | None:
    """The gaps of `sentences` in `text`, or None where the text is not these sentences with only whitespace between."""
    gaps = join_gaps(sentences)
    if " ".join(sentences) == text:  # how most records are written
        return gaps
    found: list[str] = []
    position = 0
    for sentence in sentences:
        start = text.find(sentence, position)
        gap = text[position:start]
        if start < 0 or (gap and not gap.isspace()):
            return None
        found.append(gap)
        position = start + len(sentence)
    rest = text[position:]
    return None if rest and not rest.isspace() else (*found, rest)


def join_gaps(sentences: Sequence[str]) -> tuple[str, ...]:
    """The gaps for sentences that came without their text: single spaces between, nothing around."""
    return ("", *(" ",) * (len(sentences) - 1), "") if sentences else ("",)


def spans(sentences: Sequence[str], gaps: Sequence[str]) -> list[tuple[int, int]]:
    """The character span of each sentence in the text that sentences and gaps make up together."""
    edges = list(accumulate(map(len, chain.from_iterable(zip(gaps[:-1], sentences, strict=True)))))
    return list(zip(edges[::2], edges[1::2], strict=True))


def _pieces(text: str) -> list[tuple[int, int]]:
    """Consecutive spans that cover the text, each a sentence with the whitespace around it."""
    plain = text if text.isascii() else _SURROGATE.sub("\ufffd", text).translate(_WIDE_SPACES)
    starts = [0]
    position = 0
    for piece in _segmenter()("en", plain):
        # Searched rather than summed: the segmenter leaves out some runs of line breaks.
        start = plain.find(piece, position)
        if start > position:
            starts.append(start)
        if start >= 0:
            position = start + len(piece)
            starts.append(position)
    return list(zip(starts, [*starts[1:], len(text)], strict=True))


@cache
def _segmenter() -> Callable[[str, str], list[str]]:
    """The segmenting function, imported on first use."""
    import sentencex  # compiled: its one function is not visible to type checkers

    segment: Callable[[str, str], list[str]] = getattr(sentencex, "segment")  # noqa: B009  (as above)
    return segment
