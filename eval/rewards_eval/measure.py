"""Measures with models what records lack: one pass over the texts of all systems, each distinct text of a chunk once.

The results are kept beside the report and written chunk by chunk, so that an interrupted run can be resumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from rewards.dimensions import INAPPROPRIATE, REASONS
from rewards.engine.derived import Feature
from rewards.engine.engine import Engine
from rewards.features import ClassProbabilities, Failure, Request, TokenEmbeddings, TokenLogProbs
from rewards.files.pipeline import usage
from rewards.files.writing import File, finished
from rewards.scored import decided, read_scored
from rewards.versions import versions
from rewards_eval import formulas
from rewards_eval.roles import Roles, rescale
from rewards_eval.systems import Id, System
from rewards_eval.values import TEXT_OF, References

Record = Mapping[str, Any]
Features = Mapping[Request, Feature]
CHUNK = 64


@dataclass(frozen=True, slots=True)
class Item:
    """One record to measure, with its system, round and id."""

    system: str
    round: int
    id: Id
    record: Record


def measure(
    systems: Sequence[System],
    engine: Engine,
    roles: Roles,
    references: References,
    path: Path,
    settings: Mapping[str, Any],
    progress: Callable[[int, int], None],
) -> list[System]:
    """The systems with `details.evaluation` in every record; the results are kept in `path`, and reused when complete."""
    fingerprint = _fingerprint([(system.name, system.digest) for system in systems], references, settings)
    items = list(_items(systems))
    if finished(path, fingerprint, CHUNK) is None:
        failed: list[bool] = []
        sink = File(path, fingerprint, CHUNK, resume=True, seen=lambda line: failed.append(_has_failed(line)))
        _run(items, engine, roles, references, sink, failed, progress)
    found: dict[tuple[str, int, Id], Any] = {}
    with path.open("rb") as file:
        for line in file:
            one = orjson.loads(line)
            found[one["system"], one["round"], one["id"]] = one["evaluation"]
    return [_with(system, found) for system in systems]


def check(systems: Sequence[tuple[str, str]], references: References, path: Path, settings: Mapping[str, Any]) -> None:
    """Raise RewardsError where `path` holds measurements of other systems (name, digest of the file) or settings."""
    finished(path, _fingerprint(systems, references, settings), CHUNK)


def _fingerprint(
    systems: Sequence[tuple[str, str]], references: References, settings: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "systems": [list(one) for one in systems],
        "references": [[identifier, *texts] for identifier, texts in references.items()],
        **settings,
    }


def _items(systems: Sequence[System]) -> Iterator[Item]:
    """All records, those with the same id together, since they have most texts in common."""
    order = dict.fromkeys(one for system in systems for records in system.rounds.values() for one in records)
    for identifier in order:
        for system in systems:
            for number, records in system.rounds.items():
                if identifier in records:
                    yield Item(system.name, number, identifier, records[identifier])


def _run(
    items: Sequence[Item],
    engine: Engine,
    roles: Roles,
    references: References,
    sink: File,
    failed: list[bool],
    progress: Callable[[int, int], None],
) -> None:
    """Measure, chunk by chunk, the items that no earlier run has measured; `failed` tells whether a model failed on one."""
    waiting = islice(items, sink.done, None)
    so_far = partial(usage, engine, sink, time.monotonic())
    done = sink.done
    try:
        while chunk := list(islice(waiting, CHUNK)):
            measured = evaluate_records([item.record for item in chunk], engine, roles, references)
            lines = [
                {"system": item.system, "round": item.round, "id": item.id, "evaluation": one}
                for item, one in zip(chunk, measured, strict=True)
            ]
            sink.write(lines, so_far())
            failed += map(_has_failed, lines)
            done += len(chunk)
            progress(done, len(items))
    except BaseException:
        sink.abandon()
        raise
    counts = {"records": len(items), "failed": sum(failed), "rejected": 0}
    sink.finish({"counts": counts, "profile": engine.profile, "versions": versions(), **so_far()})


def _has_failed(line: Mapping[str, Any]) -> bool:
    return bool(line["evaluation"]["failures"])


def _with(system: System, found: Mapping[tuple[str, int, Id], Any]) -> System:
    rounds = {
        number: {
            identifier: {
                **record,
                "details": {**record["details"], "evaluation": found[system.name, number, identifier]},
            }
            for identifier, record in records.items()
        }
        for number, records in system.rounds.items()
    }
    return replace(system, rounds=rounds)


def evaluate_records(
    records: Sequence[Record], engine: Engine, roles: Roles, references: References
) -> list[dict[str, Any]]:
    """`details.evaluation` of each record: dimensions before and after, Sim, PPL, and the effect of each edit alone."""
    from rewards.engine.cache import MemoryCache

    if isinstance(engine.cache, MemoryCache):
        engine.cache.clear()  # token vectors are large, and texts recur mostly within a chunk
    units = [_Unit(record, _single_edits(record), references.get(record["id"], ())) for record in records]
    features = engine.compute([request for unit in units for request in _requests(unit, roles)])
    return [_evaluation(unit, features, engine, roles) for unit in units]


@dataclass(frozen=True, slots=True)
class _Unit:
    """One record with the further texts that are measured for it."""

    record: Record
    singles: Sequence[str | None]  # see `_single_edits`
    references: tuple[str, ...]  # people's rewrites


def _single_edits(record: Record) -> list[str | None]:
    """The argument after each edit alone; None for an edit that is invalid or changes nothing."""
    revision = read_scored(record).revision
    return [revision.apply([i]) if edit.valid and edit.changes else None for i, edit in enumerate(revision.edits)]


def _texts(record: Record) -> dict[str, str]:
    """The edited texts by variant; not `accepted` where a gate failed, so that the accepted edits are unknown."""
    return {variant: record[key] for variant, key in TEXT_OF.items() if variant != "accepted" or decided(record)}


def _requests(unit: _Unit, roles: Roles) -> Iterator[Request]:
    issue, argument = unit.record["issue"], unit.record["argument"]
    edited = _texts(unit.record).values()
    for text in (argument, *edited, *unit.singles):
        if text is not None:
            yield ClassProbabilities(text, roles.classifier, issue)
    for text in (argument, *edited, *unit.references):
        yield TokenEmbeddings(text, roles.similarity)
    for text in edited:
        yield TokenLogProbs(text, roles.perplexity)


def _evaluation(unit: _Unit, features: Features, engine: Engine, roles: Roles) -> dict[str, Any]:
    failures: dict[str, str] = {}
    record, argument = unit.record, unit.record["argument"]

    def known(request: Request, what: str) -> Any:
        feature = features[request]
        if isinstance(feature, Failure):
            failures[what] = feature.reason
            return None
        return feature

    def dimensions(text: str, what: str) -> dict[str, float] | None:
        found = known(ClassProbabilities(text, roles.classifier, record["issue"]), what)
        return None if found is None else {n: float(p) for n, p in zip(roles.labels, found, strict=True)}

    def similarity(text: str, other: str, what: str) -> float | None:
        vectors = [known(TokenEmbeddings(one, roles.similarity), what) for one in (text, other)]
        if any(one is None for one in vectors):
            return None
        return rescale(formulas.bertscore(*vectors), roles, engine)

    before = dimensions(argument, "before")
    evaluation: dict[str, Any] = {"before": before, "accepted": None, "all": None}
    for variant, text in _texts(record).items():
        logs = known(TokenLogProbs(text, roles.perplexity), f"{variant}.ppl")
        against = [similarity(text, one, f"{variant}.ref_sim") for one in unit.references]
        evaluation[variant] = {
            "dimensions": dimensions(text, f"{variant}.dimensions"),
            "sim": similarity(text, argument, f"{variant}.sim"),
            "ppl": None if logs is None else formulas.perplexity(logs),
            "ref_sim": max((one for one in against if one is not None), default=None),
        }
    edits = [
        _edit(edit.get("reason"), before, None if text is None else dimensions(text, f"edits[{i}]"), text is not None)
        for i, (edit, text) in enumerate(zip(record["edits"], unit.singles, strict=True))
    ]
    return {**evaluation, "edits": edits, "failures": failures}


def _edit(
    reason: str | None, before: Mapping[str, float] | None, after: Mapping[str, float] | None, changes: bool
) -> dict[str, Any]:
    """The effect of one edit alone on the argument: False where it changes nothing, None where a model failed."""
    if not changes:
        return {"app": False, "strict": False, "relaxed": False, "improvements": None}
    if before is None or after is None:
        return {"app": None, "strict": None, "relaxed": None, "improvements": None}
    gains = {name: before[name] - after[name] for name in (INAPPROPRIATE, *REASONS)}
    return {
        "app": gains[INAPPROPRIATE] > 0,
        "strict": formulas.reason_strict(reason, gains),
        "relaxed": formulas.reason_relaxed(reason, gains),
        "improvements": gains,
    }
