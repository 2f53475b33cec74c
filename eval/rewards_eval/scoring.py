"""Unscored files through the ordinary pipeline, into the folder; a run that died goes on where it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import orjson

from rewards.cli.options import identity
from rewards.cli.progress import Display
from rewards.errors import RecordError, RewardsError
from rewards.files import pipeline
from rewards.files.reading import read_lines
from rewards.files.writing import File, finished
from rewards.suite import Suite
from rewards.summary import Summary
from rewards_eval.systems import Scored, safe_name, stated_round

CHUNK = 64


def score_file(file: str, name: str, suite: Suite, settings: Mapping[str, Any], folder: Path, quiet: bool) -> Scored:
    """The scored file of one system, `folder/NAME.scored.jsonl`: read where it is complete, else scored."""
    out = folder / f"{safe_name(name)}.scored.jsonl"
    # Without what the engine has used so far: the same file must be known again, whichever files came before it.
    described = {key: value for key, value in suite.describe().items() if key in ("suite", "rewards", "profile")}
    fingerprint = {
        "job": identity(file),
        "suite": described,
        "version": metadata.version("appropriateness-rewards"),
        **settings,
    }
    if finished(out, fingerprint, CHUNK) is None:
        summary = Summary()
        job = pipeline.Job(file, suite, chunk=CHUNK)
        sink = File(out, fingerprint, CHUNK, resume=True, seen=summary.add)
        with Display(file, quiet) as display:
            suite.engine.progress = display.on_texts
            try:
                pipeline.run(job, sink, summary, display.report)
            except BaseException:
                sink.abandon()
                raise
    rejected = _rejected(out)
    return Scored(str(out), _rounds(file, rejected), len(rejected))


def _rejected(out: Path) -> set[int]:
    """The numbers of the lines that could not be scored."""
    path = out.with_name(f"{out.name}.rejected.jsonl")
    return {orjson.loads(line)["line"] for line in path.read_bytes().splitlines()} if path.exists() else set()


def _rounds(file: str, rejected: set[int]) -> list[int]:
    """The round that each scored line of the source states: the pipeline does not carry it."""
    rounds = []
    for line in read_lines(file):
        if line.number not in rejected:
            try:
                rounds.append(stated_round(line.record))
            except RecordError as error:
                raise RewardsError(f"{file}, line {line.number}: {error}") from error
    return rounds
