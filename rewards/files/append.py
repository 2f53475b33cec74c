"""Adds rewards to a scored file: accepted edits and totals stay as they are, and only the new rewards are computed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rewards.errors import RecordError, RewardsError
from rewards.files.pipeline import FileJob, ProgressHooks, describe, merge_headers, usage, write_chunks
from rewards.files.reading import Line, header_path, read_header, read_lines
from rewards.files.sink import Sink
from rewards.scored import ScoredRevision, decided, read_scored
from rewards.scoring import score
from rewards.summary import Summary
from rewards.types import Argument

Pair = tuple[Mapping[str, Any], ScoredRevision]


def check(source: str, names: Sequence[str]) -> None:
    """Read the whole file once before anything is written. Raises RewardsError that names the line at fault."""
    _header(source)
    for line in read_lines(source, written=True):
        try:
            _read(line, names)
        except RecordError as error:
            raise RewardsError(f"{source}, line {line.number}: {error}; nothing was changed") from error


def run(job: FileJob, sink: Sink, summary: Summary, report: ProgressHooks) -> dict[str, Any]:
    """Add the suite's rewards to every record of a scored file, and return the new header.

    The new rewards see the edits as decided before: which are accepted, and which gates they passed.
    """
    so_far = partial(usage, job.suite.engine, sink, time.monotonic())
    stated = describe(job)
    old = _header(job.source)
    if old.get("fingerprint") == sink.digest:  # an earlier try of this run died after the header, before the results
        old["appended"] = old.get("appended", [])[:-1]
    gates = [name for name, stated in old.get("rewards", {}).items() if stated.get("gate")]
    names = [component.name for component in job.suite.components]

    def pairs() -> Iterator[Pair]:
        for line in read_lines(job.source, report.consumed, written=True):
            yield line.record, _read(line, names)

    def add(chunk: Sequence[Pair]) -> list[dict[str, Any]]:
        before = [_argument(record, read, gates) if decided(record) else None for record, read in chunk]
        results = score(job.suite, [scored.revision for _, scored in chunk], before)
        return [_merged(record, new.to_record()) for (record, _), new in zip(chunk, results, strict=True)]

    write_chunks(pairs(), add, job, sink, summary, report, so_far)
    summary.rejections.update(old.get("counts", {}).get("rejections", {}))
    summary.rejected = int(old.get("counts", {}).get("rejected", 0))  # by the earlier scoring; its rejects file stays
    header = {**merge_headers(old, {**stated, **so_far()}), "counts": summary.to_record()}
    sink.finish(header)
    return header


def _header(source: str) -> dict[str, Any]:
    """The header of the scored file. Raises RewardsError without one, as it says which rewards gate."""
    found = read_header(Path(source))
    if found is None:
        raise RewardsError(
            f"{header_path(Path(source))} is not there: it says which rewards decided what is accepted; score the file again"
        )
    return found


def _read(line: Line, names: Sequence[str]) -> ScoredRevision:
    if line.error is not None:
        raise line.error
    scored = read_scored(line.record)
    for name in names:
        if name in line.record["rewards"]:
            raise RecordError("is scored already", f"rewards.{name}")
    return scored


def _argument(record: Mapping[str, Any], scored: ScoredRevision, gates: Sequence[str]) -> Argument:
    """The argument with the accepted edits and the passed gates of the earlier scoring."""
    passes = tuple(
        {gate: passed.get(gate, False) for gate in gates} | dict.fromkeys(edit.get("failed_gates") or (), False)
        for edit, passed in zip(record["edits"], scored.passed, strict=True)
    )
    return Argument(scored.revision, scored.accepted, scored.revision.apply(scored.accepted), passes)


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    record = {**old}
    for key in ("rewards", "details", "failures"):
        record[key] = {**old[key], **new[key]}
    for key in ("edits", "sentences"):
        record[key] = [
            {**was, "scores": {**was["scores"], **now["scores"]}} for was, now in zip(old[key], new[key], strict=True)
        ]
    if new["failures"]:
        both = [text for text in (old.get("error"), new["error"]) if text]
        record |= {"status": "failed", "error": "; ".join(dict.fromkeys(both))}
    return record
