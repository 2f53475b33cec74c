"""Runs a file of records through a suite into a sink, chunk by chunk."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rewards.engine.engine import Engine
from rewards.errors import RecordError
from rewards.files.reading import Line, digest, read_lines
from rewards.files.sink import Sink
from rewards.paths import as_text
from rewards.plugins import registry
from rewards.records import read_revision, reading
from rewards.suite import Suite
from rewards.summary import Summary
from rewards.types import Revision
from rewards.versions import versions

if TYPE_CHECKING:
    from rewards.files.workers import Workers

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FileJob:
    """What to score: the input file, the suite, and the options of the run."""

    source: str
    suite: Suite
    format: str | None = None
    limit: int | None = None
    chunk: int = 64


class Tally(Protocol):
    """Counts output records; scoring uses a Summary."""

    records: int

    def reject(self, reason: str) -> None:
        """Count a line that cannot be read."""

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one output record."""


@dataclass(slots=True)
class ProgressHooks:
    """Called while a job runs: bytes of the source consumed, output records so far."""

    consumed: Callable[[int], None] = lambda _: None
    records: Callable[[int], None] = lambda _: None


def run(
    job: FileJob, sink: Sink, summary: Summary, report: ProgressHooks | None = None, workers: Workers | None = None
) -> dict[str, Any]:
    """Score a whole file into the sink, and return the header. Bad lines go to the sink's rejects, with the reason.

    `workers`, where given, score the chunks in processes of their own.
    """
    report = report or ProgressHooks()
    so_far = partial(usage, job.suite.engine, sink, time.monotonic(), workers)
    stated = describe(job)

    def read(line: Line) -> Revision:
        return read_revision(line.record, format=job.format, number=line.number)

    def score(chunk: Sequence[Revision]) -> list[dict[str, Any]]:
        return [result.to_record() for result in job.suite.score(chunk)]

    spread = workers.score if workers else None
    items = read_items(job, read, sink, summary, report.consumed)
    write_chunks(items, score, job, sink, summary, report, so_far, spread)
    header = {**stated, **so_far(), "counts": summary.to_record()}
    sink.finish(header)
    return header


def write_chunks(
    items: Iterator[T],
    score: Callable[[Sequence[T]], list[dict[str, Any]]],
    job: FileJob,
    sink: Sink,
    summary: Tally,
    report: ProgressHooks,
    so_far: Callable[[], Mapping[str, Any]],
    spread: Callable[[Iterator[list[T]]], Iterator[list[dict[str, Any]]]] | None = None,
) -> None:
    """Score the items chunk by chunk and write the records, after skipping items that an earlier run has done.

    `so_far` returns how the records so far were made. `spread`, where given, is called in place of `score`, once with an
    iterator of all chunks, and gives the records of each chunk in order.

    Features are shared within a chunk only (unless the engine has a cache on disk), so that a run that was resumed at a
    chunk writes the same bytes as an uninterrupted one.
    """
    for _ in islice(items, sink.done):
        pass

    def one_by_one(chunks: Iterator[list[T]]) -> Iterator[list[dict[str, Any]]]:
        for chunk in chunks:
            job.suite.engine.cache.clear()  # a cache on disk keeps its entries
            yield score(chunk)

    for records in (spread or one_by_one)(iter(lambda: list(islice(items, job.chunk)), [])):
        sink.write(records, so_far())
        for record in records:
            summary.add(record)
        report.records(summary.records)


def describe(job: FileJob) -> dict[str, Any]:
    """How the results are made: suite, versions, input and options. Called first: the input may change during a run."""
    return {
        **job.suite.describe(),
        "versions": installed(),
        "source": as_text(job.source),
        "source_sha256": digest(job.source),
        "format": job.format,
        "limit": job.limit,
        "batch_size": job.chunk,
        "token_budget": job.suite.engine.token_budget,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": None,  # nothing in scoring draws random numbers
    }


def installed() -> dict[str, str]:
    """Versions of the packages that scores depend on, and of plugins with formats, any of which may claim a completion."""
    return {**{origin.distribution: origin.version for _, _, origin in registry().formats}, **versions()}


def usage(engine: Engine, sink: Sink, began: float, workers: Workers | None = None) -> dict[str, Any]:
    """Models, roles, threads, feature counts and seconds so far, merged over this process, its workers and resumed runs."""
    parts = [sink.made, usage_of(engine), workers.describe() if workers else {}]
    seconds = sink.made.get("seconds", 0.0) + time.monotonic() - began
    return {**summed(parts), "seconds": round(seconds, 2)}


def usage_of(engine: Engine) -> dict[str, Any]:
    """An engine's models and roles, the threads of its process, and feature counts: requested, computed and so on."""
    described = engine.describe()
    torch = sys.modules.get("torch") if described["models"] else None
    return {
        "models": described["models"],
        "roles": described["roles"],
        "threads": [torch.get_num_threads()] if torch else [],  # their number changes the last digits of sums
        "features": {**asdict(engine.counts), "truncated_texts": engine.truncated},
    }


def summed(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The usage of several engines, of processes or resumed runs, merged. A text that two of them truncated counts twice."""
    models: dict[str, dict[str, Any]] = {}
    roles: dict[str, str] = {}
    threads = set[int]()
    features: Counter[str] = Counter()
    for part in filter(None, parts):
        roles |= part.get("roles", {})
        threads.update(part.get("threads", ()))
        features.update(part.get("features", {}))
        for name, found in part.get("models", {}).items():
            one = models.setdefault(name, {**found, "device": "", "truncated_texts": 0})
            one["device"] = ", ".join(sorted({*one["device"].split(", "), *found.get("device", "").split(", ")} - {""}))
            one["truncated_texts"] += found.get("truncated_texts", 0)
    return {"models": models, "roles": roles, "threads": sorted(threads), "features": dict(features)}


def read_items(
    job: FileJob, read: Callable[[Line], T], sink: Sink, summary: Tally, consumed: Callable[[int], None]
) -> Iterator[T]:
    """The result of `read` for every line of the source; lines for which it raises are rejected, with the reason."""
    for line in islice(read_lines(job.source, consumed), job.limit):
        try:
            if line.error is not None:
                raise line.error
            with reading(f"line {line.number}"):
                item = read(line)
        except RecordError as reason:
            summary.reject(str(reason))
            sink.reject(Line(line.number, None, reason, line.raw))
        else:
            yield item


def merge_headers(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The header of a file to which rewards were appended: the old header, the new rewards, and a list of what was added.

    A model that both runs used is described as in the first run; the list has the description of the second.
    """
    merged = {**old}  # what it lacks about the first run, the second cannot add
    for key in ("rewards", "models", "roles"):
        merged[key] = {**new.get(key, {}), **old.get(key, {})}
    merged["appended"] = [*old.get("appended", []), {key: new[key] for key in new if key != "counts"}]
    return merged
