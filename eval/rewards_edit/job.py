"""Edits a file of arguments with a policy, chunk by chunk, and writes output records and a header into a sink."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from rewards.errors import RecordError
from rewards.files.pipeline import FileJob, ProgressHooks, describe, read_items, usage, write_chunks
from rewards.files.reading import Line
from rewards.files.sink import Sink
from rewards.records import read_revision
from rewards.summary import count_reason
from rewards.types import Revision
from rewards_edit.case import Case
from rewards_edit.policy import Policy
from rewards_edit.rounds import EditingSetup, edit, reason_unchanged


@dataclass(slots=True)
class EditTally:
    """Counts of what became of the arguments and their edits."""

    records: int = 0
    rejected: int = 0
    failed: int = 0
    edited: int = 0
    unchanged: int = 0
    edits: int = 0
    valid: int = 0
    accepted: int = 0
    cut: int = 0  # completions that reached the limit of new tokens
    rounds: Counter[int] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)  # why lines could not be read
    reasons: Counter[str] = field(default_factory=Counter)  # why arguments came back unchanged, or failed

    def reject(self, reason: str) -> None:
        """Count a line that cannot be read."""
        self.rejected += 1
        count_reason(self.rejections, reason[:200])

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one output record."""
        self.records += 1
        self.failed += record["status"] == "failed"
        self.edited += record["status"] == "edited"
        self.unchanged += record["status"] == "unchanged"
        self.rounds[record["round"]] += 1
        for one in record["rounds"]:
            self.cut += one["finish"] == "length"
            self.edits += len(one["edits"])
            self.valid += sum(stated["valid"] for stated in one["edits"])
            self.accepted += sum(stated["accepted"] for stated in one["edits"])
        if record["reason"] is not None:
            count_reason(self.reasons, str(record["reason"]).partition(":")[0])

    def to_record(self) -> dict[str, Any]:
        """The counts as the header holds them."""
        found = {**asdict(self), "rounds": {str(number): n for number, n in sorted(self.rounds.items())}}
        return {**found, "rejections": dict(self.rejections), "reasons": dict(self.reasons.most_common())}


@dataclass(frozen=True, slots=True)
class Work:
    """How a file is edited, and by which model; `model` describes it in the header, `name` names it in each record."""

    plan: EditingSetup
    policy: Policy
    name: str
    model: Mapping[str, Any]
    samples: int = 1


def run(
    job: FileJob, work: Work, sink: Sink, tally: EditTally, report: ProgressHooks, progress: Callable[[int], None]
) -> dict[str, Any]:
    """Edit a whole file into the sink, and return the header. Bad lines go to the sink's rejects, with the reason."""
    so_far = partial(usage, job.suite.engine, sink, time.monotonic())
    made = describe(job)

    def write(cases: Sequence[Case]) -> list[dict[str, Any]]:
        edit(work.plan, work.policy, cases, progress)
        return [to_record(case, work) for case in cases]

    arguments = read_items(job, _argument, sink, tally, report.consumed)
    write_chunks(_cases(arguments, work.samples), write, job, sink, tally, report, so_far)
    header = {**made, **so_far(), **stated(work), "counts": tally.to_record()}
    sink.finish(header)
    return header


def stated(work: Work) -> dict[str, Any]:
    """All settings that determine what is generated and accepted, except the suite: for the header, and for --resume."""
    plan, policy = work.plan, work.policy
    return {
        "policy": {**work.model, "device": policy.device, "dtype": policy.dtype},
        "format": plan.format.name,
        "prompt_digest": hashlib.sha256(plan.format.prompt.encode()).hexdigest()[:16],
        "rounds": plan.rounds,
        "samples": work.samples,
        "best_of": plan.best_of,
        "temperature": plan.sampling.temperature,
        "top_p": plan.sampling.top_p,
        "max_new_tokens": plan.sampling.max_new_tokens,
        "seed": plan.sampling.seed,
    }


def to_record(case: Case, work: Work) -> dict[str, Any]:
    """The output record: always the same keys, None where there is no value. `rewards score` reads it as it is.

    After a single round it holds the completion, so that all stated edits are scored; after several, the standing changes.
    """
    original, text = case.original, case.text()
    stated = work.plan.rounds == 1 and case.rounds and not case.unread
    completion = case.rounds[0]["completion"] if stated else None
    changed = text != original.argument
    return {
        "id": original.id if work.samples == 1 else f"{original.id}#{case.sample}",
        "source_id": original.id,
        "status": "failed" if case.failed is not None else "edited" if changed else "unchanged",
        "reason": case.failed if changed else reason_unchanged(case),
        "issue": original.issue,
        "model": work.name,
        "format": work.plan.format.name,
        "round": len(case.rounds),
        "stopped": case.stopped,
        "argument": original.argument,
        "sentences": list(original.sentences),
        "completion": completion,
        "edits": case.to_edits() if completion is None else None,
        "after": text,
        "rounds": case.rounds,
    }


def _cases(arguments: Iterator[Revision], samples: int) -> Iterator[Case]:
    for argument in arguments:
        for sample in range(1, samples + 1):
            yield Case(argument, sample)


def _argument(line: Line) -> Revision:
    """The argument of an input record, without the edits that the record may hold. Raises RecordError."""
    if not isinstance(line.record, Mapping):
        raise RecordError(f"expected an object, found {type(line.record).__name__}")
    return read_revision({**line.record, "completion": None, "edits": []}, number=line.number)
