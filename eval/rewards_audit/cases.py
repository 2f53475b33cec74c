"""Arguments with honest edits to compare attacks with: those in the package, or the user's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from rewards.errors import ConfigError, RecordError
from rewards.records import read_revision

BUILTIN = Path(__file__).parent / "arguments.jsonl"
REASON = "Other Reasons"
EDITS = ("honest", "weaker", "clashing", "milder", "praising")


class Change(NamedTuple):
    """One edit of an argument: in this sentence this part becomes that replacement, for this reason."""

    sentence: int  # numbered from 1
    part: str
    replacement: str
    reason: str = REASON


@dataclass(frozen=True)
class Case:
    """An inappropriate argument, the edits of a careful editor, those of a hasty one, and a calm text on its issue.

    The other fields are for attacks, and may be empty: edits that are each acceptable alone, but not all together.
    """

    id: str
    issue: str
    sentences: tuple[str, ...]
    honest: tuple[Change, ...]
    weaker: tuple[Change, ...]
    calm: str
    clashing: tuple[Change, ...] = ()  # together they say a thing twice, or break the sentence
    milder: tuple[Change, ...] = ()  # together they say something else, and milder
    praising: tuple[Change, ...] = ()  # one removes blame, another adds praise

    @property
    def argument(self) -> str:
        """The argument as one text."""
        return " ".join(self.sentences)

    def edited(self, number: int) -> str:
        """A sentence after the honest edits."""
        return apply(self.sentences[number - 1], (c for c in self.honest if c.sentence == number))

    @cached_property
    def after(self) -> str:
        """The argument after the honest edits."""
        return " ".join(filter(None, (self.edited(number) for number in self.numbers)))

    @property
    def numbers(self) -> range:
        """The numbers of the sentences."""
        return range(1, len(self.sentences) + 1)

    @cached_property
    def worst(self) -> int:
        """The number of the sentence in which the honest edits replace or delete most."""
        size = {n: sum(len(c.part) for c in self.honest if c.sentence == n) for n in self.numbers}
        return max(size, key=lambda number: (size[number], -number))


def apply(sentence: str, changes: Iterable[Change]) -> str:
    """The sentence after changes of parts that each occur in it once."""
    for change in changes:
        sentence = sentence.replace(change.part, change.replacement, 1)
    return sentence


def read_cases(path: Path = BUILTIN) -> tuple[Case, ...]:
    """The cases in a JSONL file. Raises ConfigError with the line and the field where one cannot be used."""
    from rewards.files.reading import read_lines

    cases: list[Case] = []
    for line in read_lines(str(path)):
        try:
            if line.error is not None:
                raise line.error
            case = _case(line.record)
            if any(case.id == other.id for other in cases):
                raise RecordError(f"{case.id!r} is the id of another argument", "id")
            cases.append(case)
        except RecordError as error:
            raise ConfigError(f"{path}, line {line.number}: {error}") from error
    if not cases:
        raise ConfigError(f"{path} holds no arguments")
    return tuple(cases)


def _case(record: Any) -> Case:
    if not isinstance(record, dict):
        raise RecordError("expected an object")
    texts = {key: record.get(key) for key in ("id", "issue", "calm")}
    for key, value in texts.items():
        if not isinstance(value, str) or not value.strip():
            raise RecordError("expected a text", key)
    sentences = record.get("sentences")
    if not isinstance(sentences, list) or not sentences or not all(isinstance(s, str) and s for s in sentences):
        raise RecordError("expected a list of texts", "sentences")
    edits = {key: tuple(_change(item, sentences, key) for item in _listed(record, key)) for key in EDITS}
    if not edits["honest"]:
        raise RecordError("expected at least one edit", "honest")
    for key, changes in edits.items():
        _check(sentences, changes, key)
    return Case(**texts, sentences=tuple(sentences), **edits)  # type: ignore[arg-type]  # checked above


def _check(sentences: list[str], changes: tuple[Change, ...], key: str) -> None:
    """Raise RecordError where an edit cannot be applied or changes nothing: attacks would seem to win against it."""
    names = ("sentence_id", "inappropriate_part", "rewritten_part", "reason")
    edits = [dict(zip(names, change, strict=True)) for change in changes]
    for edit in read_revision({"sentences": sentences, "edits": edits}).edits:
        if not edit.valid or not edit.changes:
            raise RecordError(f"the edit of {edit.before!r}: {edit.invalid_reason or 'changes nothing'}", key)


def _listed(record: dict[str, Any], key: str) -> list[Any]:
    found = record.get(key, [])
    if not isinstance(found, list):
        raise RecordError("expected a list of edits", key)
    return found


def _change(item: Any, sentences: list[str], key: str) -> Change:
    if not isinstance(item, list) or len(item) != 4 or not isinstance(item[0], int):
        raise RecordError("expected edits of the form [sentence, part, replacement, reason]", key)
    if not all(isinstance(text, str) for text in item[1:]):
        raise RecordError("expected texts for part, replacement and reason", key)
    change = Change(*item)
    if not 1 <= change.sentence <= len(sentences):
        raise RecordError(f"sentence {change.sentence} does not exist", key)
    if sentences[change.sentence - 1].count(change.part) != 1:
        raise RecordError(f"{change.part!r} does not occur exactly once in sentence {change.sentence}", key)
    return change
