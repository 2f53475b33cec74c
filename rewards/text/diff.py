"""Word diffs between two texts, as character spans like those that a person would mark."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from operator import add, itemgetter
from typing import NamedTuple

from rapidfuzz.distance import Indel, Levenshtein

from rewards.text import segment
from rewards.text.words import marks
from rewards.types import ProposedEdit

_EXACT_CELLS = 2**28  # token pairs up to which the longest common subsequence is exact: a table of 32 MB


class SpanChange(NamedTuple):
    """Characters `start:end` of a text become `after`."""

    start: int
    end: int
    after: str


class Block(NamedTuple):
    """Equal tokens: `size` of them from `before` in the one text and from `after` in the other."""

    before: int
    after: int
    size: int


def tokens(text: str) -> list[tuple[int, int]]:
    """The spans of the words (apostrophes inside a word belong to it) and single punctuation marks of `text`."""
    offsets = _tokenised(text)[1]
    return list(zip(offsets[1::2], offsets[2::2], strict=False))


def changes(before: str, after: str) -> list[SpanChange]:
    """The changes that turn `before` into exactly `after`, in order; an unchanged word lies between any two.

    A replacement leaves the spaces around it alone; a deleted word takes one adjoining space with it.
    """
    if before == after:
        return []
    (old, starts), (new, starts_after) = _tokenised(before), _tokenised(after)
    found: list[SpanChange] = []
    start = start_after = 0  # where the text since the last equal token begins, in either text
    for block in _slide(equal_blocks(old, new), old, new):
        for first, first_after, size in _equal_runs(before, after, starts, starts_after, block):
            found += _trimmed(
                before, start, starts[2 * first + 1], after[start_after : starts_after[2 * first_after + 1]]
            )
            start, start_after = starts[2 * (first + size)], starts_after[2 * (first_after + size)]
    found += _trimmed(before, start, len(before), after[start_after:])
    return found


def equal_blocks(old: Sequence[str], new: Sequence[str]) -> list[Block]:
    """The tokens that two texts share, as runs in order: a longest common subsequence, in bounded memory."""
    # Beyond the bound, Levenshtein: it works by divide and conquer, and keeps slightly fewer words.
    measure = Indel if len(old) * len(new) <= _EXACT_CELLS else Levenshtein
    return [
        Block(op.src_start, op.dest_start, op.src_end - op.src_start)
        for op in measure.opcodes(old, new)
        if op.tag == "equal"
    ]


def revision_edits(sentences: Sequence[str], gaps: Sequence[str], after: str) -> list[ProposedEdit]:
    """The word differences between an argument and its rewritten text, each inside one sentence.

    A change that crosses a boundary deletes its part of every sentence it touches and inserts in the first. Applying
    all of them gives `after` up to whitespace: the gaps between sentences stay as they are.
    """
    spans = segment.spans(sentences, gaps)
    before = gaps[0] + "".join(map(add, sentences, gaps[1:]))
    edits: list[ProposedEdit] = []
    for change in changes(before, after):
        edits += _inside_sentences(change, sentences, spans)
    return edits


def _tokenised(text: str) -> tuple[list[str], list[int]]:
    """The tokens, and the start offsets of gaps and tokens in turn (gap, token, gap, …), with the length at the end."""
    pieces = _token(marks(text)).split(text)
    return pieces[1::2], list(accumulate(map(len, pieces), initial=0))


@lru_cache
def _token(marks: str) -> re.Pattern[str]:
    """A pattern for a word or punctuation mark with its combining marks, which `re` does not count as word characters."""
    word = rf"\w[\w{marks}]*"
    return re.compile(rf"({word}(?:['\u2019]{word})*|[^\w\s]{f'[{marks}]*' if marks else ''})")


def _slide(blocks: list[Block], old: list[str], new: list[str]) -> list[Block]:
    """The blocks with pure deletions and insertions moved off a leading punctuation mark.

    Deleting `B.` from `A. B. C.` may come out as deleting `. B`; both are right, but only the first is what was meant.
    """
    done: list[Block] = []
    ahead = blocks[::-1]
    while ahead:
        block = ahead.pop()
        last = done[-1] if done else Block(0, 0, 0)
        i, k = last.before + last.size, last.after + last.size
        pure = (i == block.before) != (k == block.after)
        first = old[i] if k == block.after else new[k]
        if pure and first == old[block.before] and not first[0].isalnum():
            if done:
                done[-1] = last._replace(size=last.size + 1)
            else:
                done.append(Block(0, 0, 1))
            if block.size > 1:
                ahead.append(Block(block.before + 1, block.after + 1, block.size - 1))
        else:
            done.append(block)
    return done


def _equal_runs(
    before: str, after: str, starts: Sequence[int], starts_after: Sequence[int], block: Block
) -> Iterator[Block]:
    """The parts of a block whose characters, whitespace included, are the same in both texts."""
    i, k, size = block
    whole = before[starts[2 * i + 1] : starts[2 * (i + size)]]
    if whole == after[starts_after[2 * k + 1] : starts_after[2 * (k + size)]]:
        yield block
    else:
        yield from (Block(i + step, k + step, 1) for step in range(size))


def _trimmed(before: str, start: int, end: int, after: str) -> list[SpanChange]:
    """The change of `before[start:end]` to `after` without the whitespace both have at their ends, if there is one."""
    old = before[start:end]
    if old == after:
        return []
    shorter = min(len(old), len(after))
    head = 0
    while head < shorter and old[head] == after[head] and old[head].isspace():
        head += 1
    tail = 0
    while tail < shorter - head and old[-1 - tail] == after[-1 - tail] and old[-1 - tail].isspace():
        tail += 1
    return [SpanChange(start + head, end - tail, after[head : len(after) - tail])]


def _inside_sentences(change: SpanChange, sentences: Sequence[str], spans: list[tuple[int, int]]) -> list[ProposedEdit]:
    if not spans:
        problem = "there is no sentence to change"
        return [ProposedEdit(None, "", change.after, problem=problem)] if change.after.strip() else []
    first = bisect_right(spans, change.start, key=itemgetter(1))  # the first sentence that ends behind the start
    behind = bisect_left(spans, change.end, key=itemgetter(0))  # the first one that starts at the end or behind it
    if first < behind:
        return _split(change, range(first, behind), sentences, spans)
    if change.start == change.end:
        index = bisect_right(spans, change.start, key=itemgetter(0)) - 1
        if index >= 0 and change.start <= spans[index][1]:
            at = change.start - spans[index][0]
            return [ProposedEdit(index + 1, "", change.after, start=at, end=at)]
    return _in_gap(change, behind, sentences, spans)


def _split(
    change: SpanChange, touched: range, sentences: Sequence[str], spans: list[tuple[int, int]]
) -> list[ProposedEdit]:
    """One edit for each touched sentence; the first carries the replacement."""
    edits = []
    for index in touched:
        sentence, (start, end) = sentences[index], spans[index]
        i, j = max(change.start - start, 0), min(change.end, end) - start
        after = change.after if index == touched[0] else ""
        if change.start < start and (not index or spans[index - 1][1] < start):
            after = after.lstrip()  # the gap before the sentence stays
            if not after and j < len(sentence) and sentence[j].isspace():
                j += 1
        if change.end > end and (index + 1 == len(spans) or end < spans[index + 1][0]):
            after = after.rstrip()  # the gap behind it stays
        if i < j or after:
            edits.append(ProposedEdit(index + 1, sentence[i:j], after, start=i, end=j))
    return edits


def _in_gap(
    change: SpanChange, behind: int, sentences: Sequence[str], spans: list[tuple[int, int]]
) -> list[ProposedEdit]:
    """An insertion between sentences: at the end of the one before, or the start of the one behind if it adheres."""
    text = change.after.strip()
    if not text:
        return []  # only whitespace between sentences differs
    adheres = behind < len(spans) and change.end == spans[behind][0] and not change.after[-1].isspace()
    if behind and not adheres:
        at = len(sentences[behind - 1])
        space = "" if change.start == spans[behind - 1][1] and not change.after[0].isspace() else " "
        return [ProposedEdit(behind, "", space + text, start=at, end=at)]
    return [ProposedEdit(behind + 1, "", text if adheres else text + " ", start=0, end=0)]
