"""Parses input records into revisions: which keys hold the text and the edits, and errors for those that do not fit."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral
from typing import Any

from rewards.errors import ConfigError, RecordError, RewardsError, failing_as, nearest, tell
from rewards.formats import EDITS, Format, detect, json_edits
from rewards.formats import rewrite as rewrite_format
from rewards.plugins import registry
from rewards.scored import is_scored, read_scored
from rewards.text.anchor import anchor
from rewards.text.diff import revision_edits
from rewards.text.segment import join_gaps, locate, split
from rewards.text.surrogates import without_surrogates
from rewards.types import Parsed, ProposedEdit, Revision
from rewards.values import kind, listed, whole
from rewards.versions import lacking

TEXT_KEYS = ("argument", "text", "before")
REWRITE_KEYS = ("rewrite", "after")
MADE_KEYS = ("completion", "edits", *REWRITE_KEYS)
EDIT_KEYS = ("sentence_id", json_edits.PART, json_edits.REPLACEMENT, json_edits.REASON)
READ_KEYS = frozenset({"id", "post_id", "issue", "prompt", "format", "sentences", *TEXT_KEYS, *MADE_KEYS})
EXACT = 2**53
"""From here on, floats cannot represent every integer."""
LEAST, BEYOND = -(2**63), 2**64
"""The integers that orjson can write are those with LEAST <= n < BEYOND."""
log = logging.getLogger("rewards.records")


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Convert exceptions raised inside to RecordError: where a plugin's format fails, only that record fails with it.

    An exception of another type is logged with `where`, the place of the record. A required package that is not installed
    is not the record's fault and raises ConfigError, which ends the run.
    """

    def unreadable(error: BaseException) -> RewardsError:
        if isinstance(error, ModuleNotFoundError) and (problem := lacking()):
            return ConfigError(problem)
        log.error("%s could not be read", where, exc_info=error)
        return RecordError(f"could not be read: {tell(error)}")

    with failing_as(unreadable, RecordError):
        yield


def read_revision(
    record: Mapping[Any, Any],
    *,
    format: str | None = None,
    formats: Sequence[Format] | None = None,
    number: int = 1,
) -> Revision:
    """The revision that one input record describes. Raises RecordError with the field and the reason.

    `format` forces the format of the completion; `edits` forces the record's list of edits. By default the format is the
    record's own `format`, where one has that name, and else it is detected. A record of a scored file gives the revision
    that was scored. `number` is the id of a record that has none.
    """
    if not isinstance(record, Mapping):
        more = "; of a table, read each of .to_dict('records')" if hasattr(record, "to_dict") else ""
        raise RecordError(f"expected an object, found {kind(record)}{more}")
    record = {key: listed(value) for key, value in record.items()}
    stated = identifier(record)
    if format in (None, EDITS) and record.get("completion") is None and is_scored(record):
        return read_scored(record).revision  # the list of edits alone lacks what was wrong with them or the completion
    known = _formats() if formats is None else formats
    issue = _text(record, "issue") or ""
    sentences, gaps = _sentences(record)
    name, parsed = _parse(record, sentences, gaps, format, known)
    edits = anchor(sentences, [_clean(edit) for edit in parsed.edits])
    return Revision(number if stated is None else stated, issue, sentences, gaps, edits, name, parsed.problem)


def _parse(
    record: Mapping[str, Any],
    sentences: tuple[str, ...],
    gaps: tuple[str, ...],
    wanted: str | None,
    formats: Sequence[Format],
) -> tuple[str, Parsed]:
    completion = completion_text(record.get("completion"))
    own = next((f for f in formats if f.name == record.get("format")), None)
    if wanted == EDITS or (completion is None and record.get("edits") is not None):
        edits = _listed(record.get("edits"))
        return EDITS, Parsed(tuple(edits if own is None or own.reasons else map(_without_reason, edits)))
    if completion is not None:
        named = next((f for f in formats if f.name == wanted), None)
        chosen = named if wanted else own or detect(completion, formats)
        if chosen is None:
            near = nearest(str(wanted), [f.name for f in formats])
            raise RecordError(f"no format is called {wanted!r}{near}", "completion")
        return chosen.name, _read(chosen, completion, sentences)
    given = [(key, text) for key in REWRITE_KEYS if (text := _text(record, key)) is not None]
    if len({" ".join(text.split()) for _, text in given}) > 1:
        raise RecordError(f"it is another text than `{given[0][0]}`: leave one of the two out", given[1][0])
    if given:
        return rewrite_format.NAME, Parsed(tuple(revision_edits(sentences, gaps, given[0][1])))
    more = unread(record, MADE_KEYS)
    raise RecordError(f"nothing to score: give `completion`, `edits`, `rewrite` or `after`{more}", "completion")


def unread(record: Mapping[str, Any], wanted: Sequence[str]) -> str:
    """The hint `; keys not read: …`: up to five such keys, each with the nearest wanted key; empty where all are read."""
    strange = [without_surrogates(str(key)[:40]) for key in record if key not in READ_KEYS]
    hints = {key: nearest(key, wanted) for key in strange}
    named = ", ".join(f"`{key}`{hints[key]}" for key in sorted(hints, key=lambda key: not hints[key])[:5])
    return named and f"; keys not read: {named}"


def _read(chosen: Format, completion: str, sentences: tuple[str, ...]) -> Parsed:
    """The completion as parsed by the format. Raises RecordError where `parse` raises or returns no valid Parsed."""

    def broken(problem: str) -> RecordError:
        return RecordError(f"format {chosen.name!r}: `parse` {problem}", "completion")

    def raised(error: BaseException) -> RecordError:
        log.error("format %r could not read a completion", chosen.name, exc_info=error)
        return broken(f"failed: {tell(error)}")

    with failing_as(raised):
        parsed: Any = chosen.parse(completion, sentences)
    if not isinstance(parsed, Parsed):
        raise broken(f"returned {type(parsed).__name__}; expected a Parsed")
    if not isinstance(parsed.edits, (tuple, list)):
        raise broken(f"returned a Parsed whose edits are {type(parsed.edits).__name__}; expected a tuple")
    if not isinstance(parsed.problem, str | None):
        raise broken(f"returned a Parsed whose problem is {type(parsed.problem).__name__}; expected text or None")
    for index, edit in enumerate(parsed.edits):
        if (problem := _misshapen(edit)) is not None:
            raise broken(f"returned edits[{index}] {problem}")
    return Parsed(tuple(map(_with_integers, parsed.edits)), parsed.problem and without_surrogates(parsed.problem))


def _misshapen(edit: Any) -> str | None:
    """Which field of an edit that a format returned has the wrong type; None where none has."""
    if not isinstance(edit, ProposedEdit):
        return f"which is {type(edit).__name__}; expected a ProposedEdit"
    for field in ("before", "after"):
        if not isinstance(value := getattr(edit, field), str):
            return f"whose {field} is {type(value).__name__}; expected text"
    for field in ("reason", "problem"):
        if not isinstance(value := getattr(edit, field), str | None):
            return f"whose {field} is {type(value).__name__}; expected text or None"
    for field in ("sentence_id", "start", "end"):
        value = getattr(edit, field)
        if isinstance(value, bool) or not isinstance(value, Integral | None):
            return f"whose {field} is {type(value).__name__}; expected a whole number or None"
    return None


def _with_integers(edit: ProposedEdit) -> ProposedEdit:
    """The edit with integers of numpy and the like converted to Python's `int`, which JSON can hold."""
    numbers = (edit.sentence_id, edit.start, edit.end)
    if all(type(number) in (int, type(None)) for number in numbers):
        return edit
    sentence_id, start, end = (None if number is None else int(number) for number in numbers)
    return replace(edit, sentence_id=sentence_id, start=start, end=end)


def _sentences(record: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The record's sentences and the gaps around them."""
    key = next((name for name in TEXT_KEYS if record.get(name) is not None), None)
    text = _text(record, key) if key else None
    before = record.get("before")
    if text is not None and isinstance(before, str) and before.split() != text.split():
        raise RecordError(f"it is another text than `{key}`: leave one of the two out", "before")
    given = record.get("sentences")
    if given is None and text is None and record.get("prompt") is not None:
        given = _numbered(completion_text(record["prompt"], "prompt") or "")
    if given is None:
        if text is None or not text.strip():
            more = "" if key else unread(record, ("sentences", *TEXT_KEYS))
            raise RecordError(f"no text: give `sentences`, `argument` or `text`{more}", key or "argument")
        return split(text)
    sentences = _sentence_list(given)
    if text is None:
        return sentences, join_gaps(sentences)
    gaps = locate(text, sentences)
    if gaps is None:
        raise RecordError(f"the sentences do not make up `{key}`: leave one of the two out", "sentences")
    return sentences, gaps


def _sentence_list(given: Any) -> tuple[str, ...]:
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise RecordError(f"expected a list of strings, found {kind(given)}", "sentences")
    sentences = []
    for index, item in enumerate(given):
        if isinstance(item, Mapping):  # as in a scored file
            item = item.get("before")
        if not isinstance(item, str):
            raise RecordError(f"expected a string, found {kind(item)}", f"sentences[{index}]")
        sentences.append(item)
    if not any(sentence.strip() for sentence in sentences):
        raise RecordError("no text: every sentence is empty", "sentences")
    return tuple(sentences)


def _listed(given: Any) -> list[ProposedEdit]:
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise RecordError(f"expected a list of edits, found {kind(given)}", "edits")
    edits = []
    for index, item in enumerate(given):
        if not isinstance(item, Mapping):
            raise RecordError(f"expected an object, found {kind(item)}", f"edits[{index}]")
        start = whole(listed(item.get("start")))
        # In scored files the keys are `before` and `after`. In Parquet every edit has all keys, with null for absent ones.
        named = item
        if item.get(json_edits.PART) is None and item.get("before") is not None:
            named = {**item, json_edits.PART: item["before"], json_edits.REPLACEMENT: item.get("after")}
        edit = json_edits.read_edit(named, listed(item.get("sentence_id")))
        if start is not None:
            edit = replace(edit, start=start, end=start + len(edit.before))
        edits.append(edit if edit.problem in (None, json_edits.NO_REASON) else _with_keys(edit, item))
    return edits


def _with_keys(edit: ProposedEdit, item: Mapping[str, Any]) -> ProposedEdit:
    """The edit with a `problem` that also names the keys found and those expected."""
    found = ", ".join(str(key)[:40] for key in list(item)[:8] if item[key] is not None)
    return replace(edit, problem=f"{edit.problem} (its keys are {found or 'none'}; expected {', '.join(EDIT_KEYS)})")


def _without_reason(edit: ProposedEdit) -> ProposedEdit:
    """The edit without the problem that it lacks a reason, for formats that state none."""
    return replace(edit, problem=None) if edit.problem == json_edits.NO_REASON else edit


def identifier(record: Mapping[str, Any]) -> str | int | None:
    """The id that a record states, in `id` or else in `post_id`; None where both are missing or null.

    A float such as 1.0, to which tables may convert an integer, becomes that integer. Raises RecordError for any other
    value, for an integer that 64 bits cannot hold, and for a float of magnitude 2^53 or more, which may not be exact.
    """
    for key in ("id", "post_id"):
        value = record.get(key)
        if value is None:
            continue
        if isinstance(value, str):
            return value
        number = whole(value)
        if number is None:
            raise RecordError(f"expected a string or an integer, found {kind(value)}", key)
        if not LEAST <= number < BEYOND or (isinstance(value, float) and abs(value) >= EXACT):
            raise RecordError("is too large a number to be exact; write it as a string", key)
        return number
    return None


def _text(record: Mapping[str, Any], key: str) -> str | None:
    value = record.get(key)
    if value is not None and not isinstance(value, str):
        raise RecordError(f"expected a string, found {kind(value)}", key)
    return value


def completion_text(value: Any, key: str = "completion") -> str | None:
    """The text of a completion or prompt: a string, or the contents of its messages, joined by line breaks.

    Raises RecordError for anything else.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, Sequence):
        raise RecordError(f"expected a string or a list of messages, found {kind(value)}", key)
    texts = []
    for index, message in enumerate(value):
        content = message.get("content") if isinstance(message, Mapping) else None
        if isinstance(content, Sequence) and not isinstance(content, str):
            parts = [part.get("text") for part in content if isinstance(part, Mapping)]
            content = "".join(part for part in parts if isinstance(part, str))
        if not isinstance(content, str):
            raise RecordError("expected a message {role, content}", f"{key}[{index}]")
        texts.append(content)
    return "\n".join(texts)


_NUMBERED = re.compile(r"(?:sentence\s+)?(\d{1,6})\s*[.:)|]\s*(\S.*)", re.IGNORECASE)  # matches a stripped line


def _numbered(prompt: str) -> list[str]:
    """The sentences of a prompt with exactly one list numbered from 1. Raises RecordError for any other prompt."""
    lists: list[list[str]] = []
    for line in prompt.split("\n"):  # not splitlines: a sentence may hold U+2028
        match = _NUMBERED.match(re.sub(r"<\|[^|<>]*\|>$", "", line.strip()).rstrip())
        if match and int(match[1]) == 1:
            lists.append([match[2]])
        elif match and lists and int(match[1]) == len(lists[-1]) + 1:
            lists[-1].append(match[2])
    if len(lists) == 1:
        return lists[0]
    raise RecordError(
        "no text: the prompt does not hold exactly one numbered list of sentences; give `sentences`", "prompt"
    )


def _clean(edit: ProposedEdit) -> ProposedEdit:
    """The edit without lone surrogates: JSON escapes can produce them, but UTF-8 cannot encode them."""
    reason, problem = edit.reason and without_surrogates(edit.reason), edit.problem and without_surrogates(edit.problem)
    before, after = without_surrogates(edit.before), without_surrogates(edit.after)
    return replace(edit, before=before, after=after, reason=reason, problem=problem)


@functools.cache
def _formats() -> tuple[Format, ...]:
    return tuple(format_ for _, format_, _ in registry().formats)
