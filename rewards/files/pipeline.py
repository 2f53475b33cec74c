"""A file of records through a suite into a sink, chunk by chunk."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from itertools import islice
from typing import Any, TypeVar

from rewards.engine.cache import MemoryCache
from rewards.errors import RecordError
from rewards.files.reading import Line, read_lines
from rewards.files.writing import Sink
from rewards.records import read_revision
from rewards.scoring import score_accepted
from rewards.suite import Suite
from rewards.summary import Summary
from rewards.types import Revision

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Job:
    """What to do with a file. `append` adds the suite's rewards to records that are scored already."""

    source: str
    suite: Suite
    format: str | None = None
    append: bool = False
    limit: int | None = None
    chunk: int = 64


@dataclass(slots=True)
class Report:
    """Called while a job runs: bytes of the source consumed, output records so far."""

    consumed: Callable[[int], None] = lambda _: None
    records: Callable[[int], None] = lambda _: None


def run(job: Job, sink: Sink, summary: Summary, report: Report | None = None) -> dict[str, Any]:
    """Score a whole file into the sink; the header it wrote. Bad lines go to the sink's rejects, with the reason.

    Features are shared within a chunk only (unless the engine has a cache on disk), so that a run that was resumed at a
    chunk gives the same bytes as one that was not.
    """
    report = report or Report()
    began = time.monotonic()
    accepted = _accepted(job, sink, summary, report.consumed)
    skipped = islice(accepted, sink.done)
    for _ in skipped:
        pass
    for pairs in _chunks(accepted, job.chunk):
        if isinstance(job.suite.engine.cache, MemoryCache):
            job.suite.engine.cache.clear()
        records = _append(job, pairs) if job.append else _score(job, pairs)
        sink.write(records)
        for record in records:
            summary.add(record)
        report.records(summary.records)
    header = {
        **job.suite.describe(),
        "versions": _versions(),
        "source": job.source,
        "batch_size": job.chunk,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - began, 2),
        "seed": None,  # nothing in scoring draws random numbers
        "counts": summary.to_record(),
        "features": _feature_counts(job.suite),
    }
    sink.finish(header)
    return header


def _accepted(
    job: Job, sink: Sink, summary: Summary, consumed: Callable[[int], None]
) -> Iterator[tuple[Mapping[str, Any], Revision]]:
    """The records that can be scored, with their revisions; the others are rejected on the way."""
    for line in islice(read_lines(job.source, consumed), job.limit):
        try:
            if line.error is not None:
                raise line.error
            revision = read_revision(line.record, format=job.format, number=line.number)
            if job.append:
                _check_scored(job, line.record, revision)
        except RecordError as error:
            summary.rejected += 1
            sink.reject(Line(line.number, None, error, line.raw))
        else:
            yield line.record, revision


def _score(job: Job, pairs: Sequence[tuple[Mapping[str, Any], Revision]]) -> list[dict[str, Any]]:
    return [result.to_record() for result in job.suite.score([revision for _, revision in pairs])]


def _append(job: Job, pairs: Sequence[tuple[Mapping[str, Any], Revision]]) -> list[dict[str, Any]]:
    """The scored records with the suite's rewards added; what was accepted stays, and so does the total."""
    decided = [tuple(i for i, edit in enumerate(old["edits"]) if edit["accepted"]) for old, _ in pairs]
    results = score_accepted(job.suite, [revision for _, revision in pairs], decided)
    records = []
    for (old, _), result in zip(pairs, results, strict=True):
        new = result.to_record()
        record = {
            **old,
            "rewards": {**old["rewards"], **new["rewards"]},
            "details": {**old["details"], **new["details"]},
        }
        for key in ("edits", "sentences"):
            record[key] = [
                {**was, "scores": {**was["scores"], **now["scores"]}}
                for was, now in zip(old[key], new[key], strict=True)
            ]
        if new["error"] is not None:
            error = "; ".join(dict.fromkeys(e for e in (old["error"], new["error"]) if e))
            record |= {"status": "failed", "error": error, "reward": None}
        records.append(record)
    return records


def _check_scored(job: Job, record: Mapping[str, Any], revision: Revision) -> None:
    keys = (
        "status",
        "error",
        "reward",
        "rewards",
        "edits",
        "sentences",
        "details",
        "problem",
        "argument_after_accepted",
    )
    missing = [key for key in keys if key not in record]
    if missing:
        raise RecordError(f"--append takes a file that `rewards score` wrote; it has no {missing[0]!r}", missing[0])
    doubled = [component.name for component in job.suite.components if component.name in record["rewards"]]
    if doubled:
        raise RecordError(f"reward {doubled[0]!r} is scored already", f"rewards.{doubled[0]}")
    spans = [(edit.start if edit.valid else None, edit.valid) for edit in revision.edits]
    if spans != [(edit.get("start"), edit.get("valid")) for edit in record["edits"]]:
        raise RecordError("the edits do not fit the sentences: the record was changed after scoring", "edits")


def _versions() -> dict[str, str]:
    """Of this distribution, Python, and the libraries that compute."""
    names = ("appropriateness-rewards", "torch", "transformers", "sentence-transformers", "numpy")
    return {**{name: metadata.version(name) for name in names}, "python": platform.python_version()}


def _feature_counts(suite: Suite) -> dict[str, Any]:
    counts = suite.engine.counts
    return {
        "requested": counts.requested,
        "distinct": counts.distinct,
        "cached": counts.cached,
        "computed": counts.computed,
        "failed": counts.failed,
        "truncated_texts": suite.engine.truncated,
    }


def _chunks(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while chunk := list(islice(items, size)):
        yield chunk
