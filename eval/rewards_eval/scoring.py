"""Scores unscored files into the output folder, with the pipeline of `rewards score`; resumes an interrupted run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rewards.cli.progress import Display
from rewards.errors import RecordError, RewardsError
from rewards.files import pipeline
from rewards.files.reading import identity, read_header, read_lines, rejected_path
from rewards.files.replacing import partial_of
from rewards.files.sink import dump
from rewards.files.writing import File, finished
from rewards.suite import Suite
from rewards.summary import Summary
from rewards_eval.names import safe_name
from rewards_eval.systems import ScoredFile, SourceLine, stated_round

CHUNK = 64
KEPT = ("id", "issue", "argument", "sentences", "format", "status")
"""The keys of a record that are copied into the record of each of its rounds."""


def score_file(
    file: str, name: str, suite: Suite, settings: Mapping[str, Any], folder: Path, quiet: bool
) -> ScoredFile:
    """The scored file of one system, `folder/NAME.scored.jsonl`: reused where it is complete, else written."""
    out = folder / f"{safe_name(name)}.scored.jsonl"
    source = _by_round(file, folder / f"{safe_name(name)}.rounds.jsonl")
    fingerprint = {
        "job": [identity(file), source],
        "suite": described(suite),
        **settings,
    }
    if finished(out, fingerprint, CHUNK) is None:
        summary = Summary()
        job = pipeline.FileJob(source, suite, chunk=CHUNK)
        sink = File(out, fingerprint, CHUNK, resume=True, seen=summary.add)
        with Display(source, quiet) as display:
            suite.engine.progress = display.on_texts
            try:
                pipeline.run(job, sink, summary, display.report)
            except BaseException:
                sink.abandon()
                raise
    rejected = _rejected(out)
    return ScoredFile(str(out), _stated(source, rejected), len(rejected))


def described(suite: Suite) -> dict[str, Any]:
    """The suite without its engine's usage so far: a file's fingerprint must not depend on files scored before it."""
    return {key: value for key, value in suite.describe().items() if key in ("suite", "rewards", "profile")}


def _by_round(file: str, out: Path) -> str:
    """The file itself or, if `rewards edit` wrote it with several rounds, a file `out` with one record for each round.

    The record of a round holds all edits that are accepted up to this round, as edits of the original.
    """
    if not any(len(_inner(line.record)) > 1 for line in read_lines(file)):
        return file
    partial = partial_of(out)
    with partial.open("wb") as written:
        for line in read_lines(file):
            rounds, record = _inner(line.record), line.record
            if not isinstance(record, Mapping) or not rounds:
                # Copied as it is: the pipeline reports what is wrong with it. A row of Parquet has no `raw` text.
                written.write((line.raw.rstrip(b"\n") + b"\n") if line.raw or record is None else dump(record))
                continue
            kept = {key: record[key] for key in KEPT if key in record}
            for number, one in enumerate(rounds, 1):
                written.write(dump({**kept, "edits": one["standing"], "round": number}))
    if not out.exists() or out.read_bytes() != partial.read_bytes():
        partial.replace(out)
    partial.unlink(missing_ok=True)
    return str(out)


def _inner(record: Any) -> list[Any]:
    """The rounds in a record of `rewards edit`, a single one without edits where it has none; [] for any other record."""
    found = record.get("rounds") if isinstance(record, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(one, Mapping) and "standing" in one for one in found):
        return []
    return found or [{"standing": []}]


def _rejected(out: Path) -> set[int]:
    """The numbers of the rejected lines. Raises RewardsError where their file does not match the header's count."""
    path = rejected_path(out)
    found = set[int]()
    for line in read_lines(str(path)) if path.exists() else ():
        number = line.record.get("line") if isinstance(line.record, Mapping) else None
        if type(number) is not int:
            raise RewardsError(
                f"{path}, line {line.number}: names no `line` that was rejected; delete {out} to start over"
            )
        found.add(number)
    counted = (read_header(out) or {}).get("counts", {}).get("rejected", 0)
    if len(found) != counted:
        raise RewardsError(f"{path} names {len(found)} of {counted} rejected lines; delete {out} to start over")
    return found


def _stated(file: str, rejected: set[int]) -> list[SourceLine]:
    """The round and status that each scored line of the source states: scored records do not hold them."""
    stated = []
    for line in read_lines(file):
        if line.number not in rejected:
            try:
                if not isinstance(line.record, Mapping):
                    raise RecordError("was rejected when the file was scored, and is not among the rejected lines")
                number = stated_round(line.record)
            except RecordError as error:
                raise RewardsError(f"{file}, line {line.number}: {error}") from error
            stated.append(SourceLine(number, line.record.get("status") == "failed"))
    return stated
