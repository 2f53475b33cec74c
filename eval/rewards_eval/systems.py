"""The systems under evaluation: files of output records, checked against each other, cut down to what they have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson

from rewards.errors import ConfigError, RecordError, RewardsError
from rewards.files.reading import Line, read_lines
from rewards.scored import read_scored
from rewards_eval import authors

Dialect = Literal["scored", "authors", "unscored"]
Id = str | int
TEXTS = ("argument_after_accepted", "argument_after_all")


@dataclass(frozen=True)
class System:
    """One system's output records by id: the last round of each, and every round where records say theirs."""

    name: str
    file: str
    digest: str
    dialect: Dialect
    records: Mapping[Id, Mapping[str, Any]]
    rounds: Mapping[int, Mapping[Id, Mapping[str, Any]]] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    rejected: int = 0  # lines of an unscored file that could not be scored

    @property
    def failed(self) -> int:
        """How many of its records failed."""
        return sum(record["status"] != "scored" for record in self.records.values())


@dataclass(frozen=True)
class Common:
    """What is compared: the ids that every system has, in the order of the first."""

    systems: tuple[System, ...]
    ids: tuple[Id, ...]
    left_out: Mapping[str, int]  # records whose id not every system has
    missing: Mapping[str, int]  # ids that another system has and this one lacks


def detect(path: str) -> Dialect:
    """Which dialect a file is written in, by the shape of its first record."""
    for line in read_lines(path):
        if line.error is not None:
            raise _refused(path, line, line.error)
        record = line.record
        if authors.is_authors(record):
            return "authors"
        if isinstance(record, Mapping) and {"status", "rewards", "edits", "argument_after_all"} <= set(record):
            return "scored"
        if isinstance(record, Mapping) and _can_be_scored(record):
            return "unscored"
        known = ", ".join(sorted(record)[:12]) if isinstance(record, Mapping) else "no object"
        raise RewardsError(
            f"{path}, line {line.number}: a dialect that nobody here knows ({known}); expected records of `rewards score`,"
            " its input (docs/data.md), or the authors' scored records"
        )
    raise RewardsError(f"{path} holds no records")


def read_system(path: str, name: str, dialect: Dialect, source: str | None = None, rejected: int = 0) -> System:
    """A scored file as a system. `source` is the file it was scored from, which is what the report names."""
    rounds: dict[int, dict[Id, Mapping[str, Any]]] = {}
    last: dict[Id, tuple[int, int]] = {}  # id -> its last round, and the line that holds it
    lines: dict[tuple[Id, int], int] = {}
    for line in read_lines(path):
        record, number = _read(path, line, dialect)
        key = record["id"], number
        if key in lines:
            raise RewardsError(
                f"{path}, line {line.number}: id {key[0]!r} stands on line {lines[key]} already; ids must be unique"
                " (several rounds of one argument need `round`)"
            )
        lines[key] = line.number
        rounds.setdefault(number, {})[record["id"]] = record
        last[record["id"]] = max(last.get(record["id"], (number, line.number)), (number, line.number))
    records = {identifier: rounds[number][identifier] for identifier, (number, _) in last.items()}
    if not records:
        raise RewardsError(f"{path} holds no records")
    file = source or path
    kept = rounds if len(rounds) > 1 else {}
    return System(name, file, _digest(file), dialect, records, dict(sorted(kept.items())), _header(path), rejected)


def _read(path: str, line: Line, dialect: Dialect) -> tuple[Mapping[str, Any], int]:
    """One line as an output record, and its round."""
    if line.error is not None:
        raise _refused(path, line, line.error)
    try:
        if dialect == "authors":
            return authors.to_record(line.record, line.number), 0
        read_scored(line.record)
        for key in TEXTS:
            if not isinstance(line.record.get(key), str):
                raise RecordError("is missing or no text: this is no file that `rewards score` wrote", key)
        number = line.record.get("round", line.record["details"].get("round", 0))
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise RecordError("expected a number of at least 0", "round")
        return line.record, number
    except RecordError as error:
        raise _refused(path, line, error) from error


def _refused(path: str, line: Line, error: RecordError) -> RewardsError:
    remedy = ""
    if "not JSON" in error.reason and not line.raw.endswith(b"\n"):
        remedy = "; the file ends in the middle of a record: end its run with --resume, or take this line away"
    elif "not JSON" not in error.reason:
        remedy = "; score the file again, or take this line away"
    return RewardsError(f"{path}, line {line.number}: {error}{remedy}")


def _can_be_scored(record: Mapping[str, Any]) -> bool:
    text = any(record.get(key) is not None for key in ("sentences", "argument", "text", "before", "prompt"))
    return text and any(record.get(key) is not None for key in ("completion", "edits", "rewrite", "after"))


def _digest(path: str) -> str:
    with Path(path).open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _header(path: str) -> Mapping[str, Any]:
    meta = Path(f"{path}.meta.json")
    if not meta.exists():
        return {}
    try:
        header = orjson.loads(meta.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise RewardsError(f"{meta} cannot be read: {error}; delete it to go without it") from error
    return header if isinstance(header, dict) else {}


def choose_names(files: Sequence[str], given: Sequence[str]) -> list[str]:
    """One distinct name for each file: those given, or the files' own without their endings."""
    if given and len(given) != len(files):
        raise ConfigError(f"--name was given {len(given)} times for {len(files)} files; give one for each, in order")
    names = list(given) or [_stem(file) for file in files]
    for name in names:
        if not name.strip() or names.count(name) > 1:
            raise ConfigError(f"two systems would be called {name!r}; tell them apart with --name, one for each file")
    return names


def _stem(file: str) -> str:
    name = Path(file).name
    for ending in (".gz", ".parquet", ".jsonl", ".json", ".scored", ".generated"):
        name = name.removesuffix(ending)
    return name


def compare(systems: Sequence[System]) -> Common:
    """The systems with the ids that all of them have. Raises RewardsError where two disagree on an argument, or on all."""
    sets = [set(system.records) for system in systems]
    shared, everything = set.intersection(*sets), set.union(*sets)
    if not shared:
        raise RewardsError(_nothing_in_common(systems))
    first = systems[0]
    for other in systems[1:]:
        for identifier in first.records:
            if identifier in shared:
                _check_same(first, other, identifier)
    return Common(
        tuple(systems),
        tuple(identifier for identifier in first.records if identifier in shared),
        {system.name: len(own - shared) for system, own in zip(systems, sets, strict=True)},
        {system.name: len(everything - own) for system, own in zip(systems, sets, strict=True)},
    )


def _check_same(one: System, other: System, identifier: Id) -> None:
    was, now = one.records[identifier]["argument"], other.records[identifier]["argument"]
    if was != now:
        raise RewardsError(
            f"id {identifier!r} is one argument in {one.file} ({was[:60]!r}…) and another in {other.file} ({now[:60]!r}…);"
            " ids must name the same argument in every file"
        )


def _nothing_in_common(systems: Sequence[System]) -> str:
    listed = "; ".join(f"{system.file}: {_some(system.records)}" for system in systems)
    as_text = set.intersection(*({str(identifier) for identifier in system.records} for system in systems))
    hint = " (as text they would be the same: some files hold numbers, others strings)" if as_text else ""
    return f"the files have no id in common{hint}: {listed}; give records the same `id` in every file"


def _some(identifiers: Iterable[Id]) -> str:
    listed = [repr(identifier) for identifier in identifiers]
    return ", ".join(listed[:3]) + ("…" if len(listed) > 3 else "")
