"""Edits as JSON objects: for every sentence a list of parts, replacements and reasons."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rewards.formats.loose_json import CutOff, Scan, scan
from rewards.formats.task import ARGUMENT, BECAUSE, TASK
from rewards.text.diff import SpanChange, changes
from rewards.types import Parsed, ProposedEdit

NAME = "json_edits"
PROMPT = (
    f"{TASK}\n{BECAUSE}\n{ARGUMENT}\n"
    "Answer with a single JSON object and no other text, of this form:\n"
    '{"sentence_edits": [{"sentence_id": NUMBER, "rewritten_sentence": "the sentence after your changes", "edits": '
    '[{"inappropriate_part": "the words that go", "rewritten_part": "the words that come", "reason": "REASON"}]}]}\n'
    "List the sentences that you change and no others. Copy each `inappropriate_part` from its sentence to the letter; "
    'words that only go have the `rewritten_part` "". If nothing needs to change, answer {"sentence_edits": []}.'
)
PART, REPLACEMENT, REASON = "inappropriate_part", "rewritten_part", "reason"
NO_REASON = "no reason"
TWO_ANSWERS = "the completion answers more than once"
_NUMBER = re.compile(r"(?!\s*-\d)[^\d.]{0,30}(\d{1,9})(?:\.0{0,9})?[^\d.]{0,30}")


def detect(completion: str) -> bool:
    """Whether the completion looks like JSON edits."""
    if PART in completion or completion.lstrip()[:1] in ("{", "[") or completion.strip() == "null":
        return True  # what starts as JSON was not meant as the text of an argument
    return ("sentence_edits" in completion or '"sentence_id"' in completion) and "tracked_changes" not in completion


def parse(completion: str, sentences: Sequence[str]) -> Parsed:
    """The edits in the order stated; `problem` names what an edit lacks. One left incomplete by a cut-off is dropped.

    An insertion gets the position at which the rewritten sentence shows it. Insertions without one, and edits with neither
    part nor replacement, are kept as stated and rejected when they are anchored.
    """
    found = scan(completion)
    unfinished = set(map(id, found.unfinished))  # values may be equal, and only one of them cut off
    edits: list[ProposedEdit] = []
    for statement in statements(found.values):
        number = sentence_number(statement.get("sentence_id"))
        stated: list[ProposedEdit] = []
        for item in _items(statement):
            read = _edits(number, item)
            if not (read[0].problem and id(item) in unfinished):
                stated += read
        edits += _placed(stated, statement, sentences)
    return finish(found, edits)


def finish(found: Scan, edits: list[ProposedEdit]) -> Parsed:
    """The edits of a scanned completion, and the problem where it could not be read in full."""
    if not found.values:
        return Parsed((), "no JSON object")
    if _answers_twice(found.values):
        # There is no way to know which answer counts.
        return Parsed(tuple(replace(edit, problem=edit.problem or TWO_ANSWERS) for edit in edits), TWO_ANSWERS)
    if found.unfinished:
        return Parsed(tuple(edits), "cut off")
    said = any(isinstance(value, dict) and isinstance(value.get("sentence_edits"), list) for value in found.values)
    return Parsed(tuple(edits), None if said or any(True for _ in statements(found.values)) else "no sentence_edits")


def statements(values: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """The objects about single sentences in the outermost JSON values, in order."""
    for value in values:
        if not isinstance(value, dict):
            continue
        listed = value.get("sentence_edits")
        if listed is None and ("sentence_id" in value or "edits" in value or PART in value):
            listed = value
        for item in listed if isinstance(listed, list) else [listed]:
            if isinstance(item, dict):
                yield item


def sentence_number(value: Any) -> int | None:
    """The number in a sentence id such as `1`, `"1"` or `"Sentence 1"`; None where there is not exactly one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, int):
        return value
    number = _NUMBER.fullmatch(str(value))
    return int(number.group(1)) if number else None


def _answers_twice(values: Sequence[Any]) -> bool:
    """Whether two outermost objects with a list of sentences name the same sentence."""
    seen: set[int | None] = set()
    for value in values:
        if isinstance(value, dict) and "sentence_edits" in value:
            numbers = {sentence_number(item.get("sentence_id")) for item in statements([value])}
            if seen & numbers:
                return True
            seen |= numbers
    return False


def _items(statement: dict[str, Any]) -> list[Any]:
    items = statement.get("edits")
    if items is None:
        return [statement] if PART in statement or REPLACEMENT in statement else []
    return items if isinstance(items, list) else [items]


def _edits(number: int | None, item: Any) -> list[ProposedEdit]:
    """One edit, or one for each pair when the part is a list."""
    if not isinstance(item, dict):
        return [ProposedEdit(number, "", "", problem="an edit that is not an object")]
    part, replacement = item.get(PART), item.get(REPLACEMENT)
    if isinstance(part, list):
        others = replacement if isinstance(replacement, list) else [""] * len(part) if replacement == "" else []
        if part and len(part) == len(others):
            reason = item.get(REASON)
            why = reason if isinstance(reason, str) else _text(reason)  # a list is joined once, not for every pair
            pairs = zip(part, others, strict=True)
            return [read_edit({PART: p, REPLACEMENT: r, REASON: why}, number) for p, r in pairs]
    return [read_edit(item, number)]


def read_edit(item: Mapping[str, Any], sentence_id: Any) -> ProposedEdit:
    """The edit that one JSON object states of a sentence; `problem` names what is missing."""
    number, reason = sentence_number(sentence_id), item.get(REASON)
    part, replacement = item.get(PART), item.get(REPLACEMENT)
    before, after = _text(part), _text(replacement)
    why = str(reason) if isinstance(reason, CutOff) else _text(reason)  # the change itself is complete
    stated = {"sentence id": number, "part": before, "replacement": after, "reason": why or None}
    missing = ", ".join(f"no {name}" for name, value in stated.items() if value is None)
    return ProposedEdit(number, before or "", after or "", why, problem=missing or None)


def _text(value: Any) -> str | None:
    """A stated string; the strings of a list joined; None for anything else and for a string that was cut off."""
    if isinstance(value, list) and all(isinstance(item, str) and not isinstance(item, CutOff) for item in value):
        return " ".join(value) if value else None
    return value if isinstance(value, str) and not isinstance(value, CutOff) else None


def _placed(
    edits: list[ProposedEdit], statement: Mapping[str, Any], sentences: Sequence[str]
) -> Iterator[ProposedEdit]:
    """The edits of one statement; pure insertions get the position at which the rewritten sentence shows them.

    Equal insertions get their positions from left to right; those in excess get none.
    """
    shown: dict[str, list[SpanChange]] | None = None
    for edit in edits:
        if edit.problem or edit.before or not edit.after:
            yield edit
            continue
        if shown is None:
            shown = _insertions(edit.sentence_id, statement.get("rewritten_sentence"), sentences)
        alike = shown.get(edit.after.strip())
        change = alike.pop(0) if alike else None
        # The text of the word diff includes the spaces that the insertion needs.
        yield replace(edit, after=change.after, start=change.start, end=change.end) if change else edit


def _insertions(number: int | None, rewritten: Any, sentences: Sequence[str]) -> dict[str, list[SpanChange]]:
    """The insertions that a rewritten sentence shows, by their stripped text, from left to right."""
    shown: dict[str, list[SpanChange]] = {}
    if number and 1 <= number <= len(sentences) and isinstance(rewritten, str):
        for change in changes(sentences[number - 1], rewritten):
            if change.start == change.end:
                shown.setdefault(change.after.strip(), []).append(change)
    return shown
