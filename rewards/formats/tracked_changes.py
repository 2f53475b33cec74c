"""Edits as tracked changes: every sentence with `<del reason="…">old</del><ins>new</ins>` in place."""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import itemgetter

from rapidfuzz.distance import Indel

from rewards.formats.json_edits import NO_REASON, PART, finish, sentence_number, statements
from rewards.formats.loose_json import CutOff, scan
from rewards.formats.task import ARGUMENT, BECAUSE, TASK
from rewards.types import NO_PLACE, Parsed, ProposedEdit

NAME = "tracked_changes"
PROMPT = (
    f"{TASK}\n{BECAUSE}\n{ARGUMENT}\n"
    "Answer with a single JSON object and no other text, of this form:\n"
    r'{"sentence_edits": [{"sentence_id": NUMBER, "rewritten_sentence": "the sentence after your changes", '
    r'"tracked_changes": "the sentence with <del reason=\"REASON\">the words that go</del><ins>the words that come</ins> '
    'in place"}]}\n'
    "List the sentences that you change and no others. Outside of the marks, `tracked_changes` copies its sentence to the "
    "letter; where words only go, or only come, leave out the other mark. "
    'If nothing needs to change, answer {"sentence_edits": []}.'
)
UNCLOSED = "a tag that is not closed"
_TAG = re.compile(r"<\s{0,3}(/?)\s{0,3}(del|ins)\b([^<>]{0,300})>", re.IGNORECASE)
_REASON = re.compile(r"""reason\s{0,3}=\s{0,3}(?:\\?"([^"\\]*)|\\?'([^'\\]*)|([^"'\\>]*))""", re.IGNORECASE)
_ESCAPED = re.compile(r"&lt;\s{0,3}/?(?:del|ins)\b", re.IGNORECASE)
_HALF_TAG = re.compile(r"<[^<>]{0,300}\Z")
_CONTEXT = 4  # equal characters that an insertion must touch
_ALIGNED_CELLS = 2**26  # character pairs up to which a deviating copy is aligned: a table of 8 MB


@dataclass(slots=True)
class _Mark:
    """One change in a marked text: its span in the text without insertions, and the replacement."""

    start: int
    end: int
    before: str = ""
    after: str = ""
    reason: str | None = None
    problem: str | None = None


def detect(completion: str) -> bool:
    """Whether the completion looks like tracked changes."""
    if "tracked_changes" in completion:
        return True
    return PART not in completion and bool(_TAG.search(completion) or _ESCAPED.search(completion))


def parse(completion: str, sentences: Sequence[str]) -> Parsed:
    """The marked changes in order, placed by aligning the text around them with the original sentence."""
    found = scan(completion)
    stated = list(statements(found.values))
    marked = [item for item in stated if "tracked_changes" in item]
    if not marked and "tracked_changes" not in completion and detect(completion):
        return _parse_text(completion.strip(), sentences)
    edits: list[ProposedEdit] = []
    for item in marked:
        number, text = sentence_number(item.get("sentence_id")), item["tracked_changes"]
        if isinstance(text, str):
            sentence = sentences[number - 1] if number and 1 <= number <= len(sentences) else ""
            edits += _sentence_edits(number, text, sentence)
        else:
            edits.append(ProposedEdit(number, "", "", problem="no tracked changes"))
    parsed = finish(found, edits)
    # An empty list of sentences is an answer: nothing needs to change.
    return parsed if marked or parsed.problem or not stated else replace(parsed, problem="no tracked_changes")


def _sentence_edits(number: int | None, text: str, sentence: str) -> Iterator[ProposedEdit]:
    copy, marks = _read(text)
    for mark, place in zip(marks, _places(copy, marks, sentence), strict=True):
        yield _edit(number, mark, place)


def _parse_text(text: str, sentences: Sequence[str]) -> Parsed:
    """The changes of a marked argument without JSON. Only changes that could be placed can be assigned to a sentence."""
    starts = list(accumulate((len(sentence) + 1 for sentence in sentences), initial=0))
    copy, marks = _read(text)
    edits = []
    for mark, place in zip(marks, _places(copy, marks, " ".join(sentences)), strict=True):
        index = bisect_right(starts, place[0]) - 1 if place else len(sentences)
        if place is None or place[1] - starts[index] > len(sentences[index]):
            mark.problem = mark.problem or ("no sentence id" if place is None else "a change across sentences")
            edits.append(_edit(None, mark, None))
        else:
            edits.append(_edit(index + 1, mark, (place[0] - starts[index], place[1] - starts[index])))
    return Parsed(tuple(edits))


def _edit(number: int | None, mark: _Mark, place: tuple[int, int] | None) -> ProposedEdit:
    start, end = place or (None, None)
    unplaced = NO_PLACE if place is None and mark.after and not mark.before else None
    missing = "no sentence id" if number is None else None if mark.reason else NO_REASON
    problem = mark.problem or missing or unplaced
    return ProposedEdit(number, mark.before, mark.after, mark.reason, start, end, problem)


def _read(text: str) -> tuple[str, list[_Mark]]:
    """The text without tags and insertions, and the changes marked in it. Changes that were cut off are left out."""
    cut = isinstance(text, CutOff)
    if cut:
        text = _HALF_TAG.sub("", text)
    if _ESCAPED.search(text):
        text = html.unescape(text)
    reader = _Reader()
    position = 0
    for tag in _TAG.finditer(text):
        opens_insertion = not tag[1] and tag[2].lower() == "ins"
        reader.text(text[position : tag.start()], opens_insertion)
        if tag[1]:
            reader.close()
        else:
            reader.begin(tag[2].lower(), tag[3])
        position = tag.end()
    reader.text(text[position:])
    return reader.end(cut)


class _Reader:
    """The state of reading a marked text: which tag is open, and which deletion an insertion may complete."""

    def __init__(self) -> None:
        self.copy: list[str] = []
        self.length = 0
        self.marks: list[_Mark] = []
        self.mode = ""
        self.completable = False

    def text(self, piece: str, before_insertion: bool = False) -> None:
        """Take characters up to the next tag."""
        if self.mode == "ins":
            self.marks[-1].after += piece
            return
        if not self.mode and self.completable:
            if piece.strip():
                self.completable = False
            elif before_insertion:
                return  # the space between a deletion and its insertion is not in the sentence
        self.copy.append(piece)
        self.length += len(piece)
        if self.mode == "del":
            self.marks[-1].before = piece
            self.marks[-1].end = self.length

    def begin(self, kind: str, attributes: str) -> None:
        """Open a tag. An unclosed `<del>` before `<ins>` is accepted as a common slip; other unclosed tags are a problem."""
        if self.mode == "ins" or (self.mode == kind == "del"):
            self.marks[-1].problem = UNCLOSED
        stated = _REASON.search(html.unescape(attributes))
        reason = next((group.strip() for group in stated.groups() if group), None) if stated else None
        if kind == "ins" and (self.mode == "del" or self.completable):
            self.marks[-1].reason = self.marks[-1].reason or reason
        else:
            self.marks.append(_Mark(self.length, self.length, reason=reason))
        self.mode, self.completable = kind, False

    def close(self) -> None:
        """Close whichever tag is open."""
        self.completable = self.mode == "del" or (self.completable and not self.mode)
        self.mode = ""

    def end(self, cut: bool) -> tuple[str, list[_Mark]]:
        """The copied text and its changes. Drops one that was or may have been cut off; any other open tag is a problem."""
        if cut and (self.mode or self.completable):
            self.marks.pop()
        elif self.mode:
            self.marks[-1].problem = UNCLOSED
        return "".join(self.copy), self.marks


def _places(copy: str, marks: Sequence[_Mark], sentence: str) -> list[tuple[int, int] | None]:
    """Where the changes of a copied sentence lie in the sentence itself; None where the copy deviates too much."""
    if not marks or not sentence:
        return [None] * len(marks)
    margin = len(copy) - len(copy.lstrip()) - (len(sentence) - len(sentence.lstrip()))
    if copy.strip() == sentence.strip():
        blocks = [(margin, 0, len(sentence))] if margin >= 0 else [(0, -margin, len(copy))]
    elif len(copy) * len(sentence) <= _ALIGNED_CELLS:
        ops = Indel.opcodes(copy, sentence)
        blocks = [(op.src_start, op.dest_start, op.src_end - op.src_start) for op in ops if op.tag == "equal"]
    else:
        blocks = []
    return [_place(mark, blocks, sentence) for mark in marks]


def _place(mark: _Mark, blocks: Sequence[tuple[int, int, int]], sentence: str) -> tuple[int, int] | None:
    if not mark.before:
        index = bisect_right(blocks, mark.start, key=itemgetter(0)) - 1
        # The end of the block before is preferred over the start of the one after; short blocks may align by chance.
        for i, j, size in (blocks[index - 1], blocks[index]) if index > 0 else blocks[: index + 1]:
            if i <= mark.start <= i + size and size >= min(_CONTEXT, len(sentence)):
                return j + mark.start - i, j + mark.start - i
        return None
    index = bisect_right(blocks, mark.start, key=itemgetter(0)) - 1
    if index < 0 or mark.start > blocks[index][0] + blocks[index][2]:
        return None
    at = blocks[index][1] + mark.start - blocks[index][0]
    end = at + len(mark.before)
    return (at, end) if sentence[at:end] == mark.before else None
