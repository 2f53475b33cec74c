"""The systems under evaluation: files of output records, checked against each other, cut down to what they have in common."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rewards.errors import RecordError, RewardsError
from rewards.files.reading import Line, read_header, read_lines
from rewards.paths import file_digest
from rewards.records import identifier
from rewards.scored import is_meant, read_scored
from rewards.values import kind
from rewards_eval import authors

if TYPE_CHECKING:
    import numpy as np

Dialect = Literal["scored", "authors", "unscored"]
Id = str | int
Record = Mapping[str, Any]
ALIKE = "as text they would be the same: some files hold numbers, others strings"


@dataclass(frozen=True)
class System:
    """One system's output records by round and id; records that state no `round` are in round 0."""

    name: str
    file: str
    digest: str
    dialect: Dialect
    rounds: Mapping[int, Mapping[Id, Record]]
    header: Mapping[str, Any] = field(default_factory=dict)
    rejected: int = 0  # lines that could not be scored

    @cached_property
    def records(self) -> Mapping[Id, Record]:
        """The last round of every argument, in the order in which arguments first occur."""
        last: dict[Id, Record] = {}
        for _, records in sorted(self.rounds.items()):
            last.update(records)
        return last

    @property
    def failed(self) -> int:
        """How many of its records failed."""
        return sum(record["status"] != "scored" for record in self.records.values())


@dataclass(frozen=True)
class Common:
    """The systems and the ids that all of them have, in the order of the first system."""

    systems: tuple[System, ...]
    ids: tuple[Id, ...]
    left_out: Mapping[str, int]  # per system, the number of its records whose id another system lacks
    lacking: Mapping[str, tuple[Id, ...]]  # per system, the ids that it lacks and another system has

    @cached_property
    def owners(self) -> np.ndarray[Any, Any]:
        """(n,): the argument number of each id. Completions of one argument share its text, and have an id each."""
        import numpy as np

        first, numbers = self.systems[0], dict[str, int]()
        texts = (first.records[identifier]["argument"] for identifier in self.ids)
        return np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int64)

    @cached_property
    def shared(self) -> tuple[System, ...]:
        """The systems, reduced to their last records of the common ids."""
        return tuple(replace(one, rounds={0: {i: one.records[i] for i in self.ids}}) for one in self.systems)

    @property
    def missing(self) -> dict[str, int]:
        """For each system, how many ids it lacks that another one has."""
        return {name: len(ids) for name, ids in self.lacking.items()}

    @property
    def alike(self) -> int:
        """How many more ids would be common if numbers and strings were the same."""
        common = set.intersection(*({str(one) for one in system.records} for system in self.systems))
        return len(common - {str(one) for one in self.ids})

    @property
    def arguments(self) -> int:
        """The number of different arguments behind the ids."""
        return int(self.owners.max()) + 1


def detect(path: str) -> Dialect:
    """The dialect of a file, by its first record of a known shape. Raises RewardsError where no line has one."""
    problem: RewardsError | None = None
    for line in read_lines(path):
        record = line.record
        if line.error is not None:
            problem = problem or _refused(path, line, line.error)
            continue
        if authors.is_authors(record):
            return "authors"
        if is_meant(record):
            return "scored"
        if isinstance(record, Mapping) and _can_be_scored(record):
            return "unscored"
        known = ", ".join(str(key)[:40] for key in sorted(record)[:12]) if isinstance(record, Mapping) else "no object"
        problem = problem or RewardsError(
            f"{path}, line {line.number}: unknown dialect ({known}); expected records of `rewards score`,"
            " its input (docs/data.md), or the authors' scored records"
        )
    raise problem or RewardsError(f"{path} holds no records")


def id_of(record: Any, where: str, why: str) -> Id:
    """The id in a line of references or labels. Raises RewardsError where it is missing or invalid."""
    if not isinstance(record, Mapping):
        raise RewardsError(f"{where}: expected an object, found {kind(record)}")
    try:
        found = identifier(record)
    except RecordError as error:
        raise RewardsError(f"{where}: {error}") from error
    if found is None:
        raise RewardsError(f"{where}: no `id`; {why}")
    return found


def stated_ids(path: str) -> list[Id]:
    """The ids in an unscored file. Raises RewardsError for a duplicate id in a round, before the slow scoring starts."""
    lines: dict[tuple[Id, int], int] = {}
    for line in read_lines(path):
        record = line.record
        if not isinstance(record, Mapping) or not _can_be_scored(record):
            continue
        try:
            stated = identifier(record)
        except RecordError:
            continue  # scoring rejects the line
        key = line.number if stated is None else stated, _round(path, line, record)
        _check_once(path, path, key, line.number, lines)
    return [found for found, _ in lines]


def _check_once(path: str, source: str, key: tuple[Id, int], number: int, lines: dict[tuple[Id, int], int]) -> None:
    """Remember the line of an id and round. Raises RewardsError where an earlier line has the same ones."""
    if key in lines:
        raise RewardsError(
            f"{path}: id {key[0]!r} stands on line {lines[key]} and on line {number} of {source}; ids must be"
            " unique (several rounds of one argument: give the unscored file, with `round` in every record)"
        )
    lines[key] = number


def read_system(path: str, name: str, dialect: Dialect, scored: ScoredFile | None = None) -> System:
    """A file as a system; `scored` names the file of its output records, if this evaluation scored it."""
    source = scored.path if scored else path
    rounds: dict[int, dict[Id, Record]] = {}
    lines: dict[tuple[Id, int], int] = {}
    stated = iter(scored.stated) if scored else None
    for line in read_lines(source, written=True):
        record = _read(source, line, "scored" if scored else dialect)
        origin = next(stated, SourceLine(0)) if stated else SourceLine(_round(source, line, record))
        if origin.failed:  # generating failed, which scoring cannot see: without a completion it had nothing to fail at
            record = {**record, "status": "failed"}
        key = record["id"], origin.round
        _check_once(path, source, key, line.number, lines)
        rounds.setdefault(key[1], {})[record["id"]] = record
    if not rounds:
        raise RewardsError(f"{source} holds no records")
    header = read_header(Path(source)) or {}
    rejected = scored.rejected if scored else header.get("counts", {}).get("rejected", 0)
    return System(name, path, digest(path), dialect, rounds, header, rejected)


@dataclass(frozen=True, slots=True)
class SourceLine:
    """What an unscored record states about its generation: the round, and whether generating failed."""

    round: int
    failed: bool = False


@dataclass(frozen=True, slots=True)
class ScoredFile:
    """The result of scoring a file: the scored file, the origin of each of its records, and the number of rejected lines."""

    path: str
    stated: Sequence[SourceLine]
    rejected: int


def stated_round(record: Record) -> int:
    """The round that a record states, 0 where it states none. Raises RecordError unless it is a whole number from 0."""
    number = record.get("round")
    if number is None or "rounds" in record:  # beside `rounds`, it is their number
        return 0
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise RecordError("expected a whole number of at least 0", "round")
    return number


def _round(path: str, line: Line, record: Record) -> int:
    try:
        return stated_round(record)
    except RecordError as error:
        raise _refused(path, line, error) from error


def _read(path: str, line: Line, dialect: Dialect) -> Record:
    """One line as an output record."""
    if line.error is not None:
        raise _refused(path, line, line.error)
    try:
        if dialect == "authors":
            return authors.to_record(line.record, line.number)
        read_scored(line.record)
    except RecordError as error:
        raise _refused(path, line, error) from error
    record: Record = line.record
    return record


def _refused(path: str, line: Line, error: RecordError) -> RewardsError:
    remedy = ""
    if "not JSON" in error.reason and not line.raw.endswith(b"\n"):
        remedy = "; the file ends in the middle of a record: end its run with --resume, or remove this line"
    elif "not JSON" not in error.reason:
        remedy = "; score the file again, or remove this line"
    return RewardsError(f"{path}, line {line.number}: {error}{remedy}")


def _can_be_scored(record: Mapping[str, Any]) -> bool:
    text = any(record.get(key) is not None for key in ("sentences", "argument", "text", "before", "prompt"))
    return text and any(record.get(key) is not None for key in ("completion", "edits", "rewrite", "after"))


def digest(path: str) -> str:
    """What identifies a file in reports."""
    return f"sha256:{file_digest(Path(path))}"


def compare(systems: Sequence[System]) -> Common:
    """The systems with their common ids. Raises RewardsError where there are none, or one names different arguments."""
    sets = [set(system.records) for system in systems]
    check_common([(system.file, system.records) for system in systems])
    shared = set.intersection(*sets)
    everything = dict.fromkeys(one for system in systems for one in system.records)
    first = systems[0]
    for other in systems[1:]:
        for one in first.records:
            if one in shared:
                _check_same(first, other, one)
    return Common(
        tuple(systems),
        tuple(identifier for identifier in first.records if identifier in shared),
        {system.name: len(own - shared) for system, own in zip(systems, sets, strict=True)},
        {
            system.name: tuple(one for one in everything if one not in own)
            for system, own in zip(systems, sets, strict=True)
        },
    )


def check_common(files: Sequence[tuple[str, Collection[Id]]]) -> None:
    """Raise RewardsError where files have no id in common."""
    if set.intersection(*(set(own) for _, own in files)):
        return
    listed = "; ".join(f"{file}: {_some(own)}" for file, own in files)
    alike = set.intersection(*({str(identifier) for identifier in own} for _, own in files))
    hint = f" ({ALIKE})" if alike else ""
    raise RewardsError(f"the files have no id in common{hint}: {listed}; give records the same `id` in every file")


def _check_same(one: System, other: System, identifier: Id) -> None:
    was, now = one.records[identifier]["argument"], other.records[identifier]["argument"]
    if was != now:
        differ = next(place for place, (a, b) in enumerate(zip_longest(was, now)) if a != b)
        start = max(0, differ - 20)
        raise RewardsError(
            f"id {identifier!r} is one argument in {one.file} ({_quote(was, start)}) and another in {other.file}"
            f" ({_quote(now, start)}); ids must name the same argument in every file"
        )


def _quote(text: str, start: int) -> str:
    end = start + 60
    return f"{'…' if start else ''}{text[start:end]!r}{'…' if end < len(text) else ''}"


def _some(identifiers: Iterable[Id]) -> str:
    listed = [repr(identifier) for identifier in identifiers]
    return ", ".join(listed[:3]) + ("…" if len(listed) > 3 else "")
