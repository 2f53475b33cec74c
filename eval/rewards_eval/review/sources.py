"""Reads the scored files that people review, and checks them against each other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewards.errors import RecordError, RewardsError
from rewards.files.reading import read_lines
from rewards.paths import as_text, file_digest
from rewards.scored import ScoredRevision, read_scored
from rewards_eval import authors
from rewards_eval.names import choose_names


@dataclass(frozen=True, slots=True)
class Source:
    """One system's scored file. The keys of `records` and `scored` are the records' ids, as `identity` writes them."""

    name: str
    file: str
    digest: str  # SHA-256 of the file
    records: Mapping[str, Mapping[str, Any]]
    scored: Mapping[str, ScoredRevision]


def identity(value: Any) -> str:
    """A key for an id that keeps 1 and "1" apart."""
    return json.dumps(value, ensure_ascii=False)


def read_sources(files: Sequence[Path], names: Sequence[str]) -> list[Source]:
    """One source per file, named by `names` or else after the file.

    Raises ConfigError where names do not fit the files, RewardsError where a line is no scored record or an id stands
    for different arguments.
    """
    chosen = choose_names([str(path) for path in files], names)
    sources = [_read(path, name) for path, name in zip(files, chosen, strict=True)]
    _check_same_arguments(sources)
    return sources


def _read(path: Path, name: str) -> Source:
    records: dict[str, Mapping[str, Any]] = {}
    scored: dict[str, ScoredRevision] = {}
    for line in read_lines(str(path), written=True):
        try:
            if line.error is not None:
                raise line.error
            record = authors.to_record(line.record, line.number) if authors.is_authors(line.record) else line.record
            read = read_scored(record)
        except RecordError as error:
            raise RewardsError(
                f"{path}, line {line.number}: {error}; `rewards score {path} -o OUT` makes a file to review"
            ) from error
        key = identity(read.revision.id)
        if key in records:
            raise RewardsError(f"{path}, line {line.number}: id {key} is there twice; every argument needs its own")
        records[key], scored[key] = record, read
    if not records:
        raise RewardsError(f"{path} holds no records: there is nothing to review")
    return Source(name, as_text(path.name), file_digest(path), records, scored)


def _check_same_arguments(sources: Sequence[Source]) -> None:
    texts: dict[str, tuple[str, str]] = {}
    for source in sources:
        for key, read in source.scored.items():
            text, first = texts.setdefault(key, (read.revision.argument, source.name))
            if text != read.revision.argument:
                raise RewardsError(
                    f"id {key} is another argument in {source.name!r} than in {first!r}: these files do not go together"
                )
