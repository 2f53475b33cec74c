"""Where systems differ: by dimension of inappropriateness, by round, by issue, by length, by stated reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from rewards.dimensions import DIMENSIONS, REASONS
from rewards.scored import decided
from rewards_eval import tables
from rewards_eval.evaluation import Evaluation, evaluate
from rewards_eval.statistics import interval, ratio, resampled_means
from rewards_eval.systems import Common, Id, compare
from rewards_eval.tables import Cell, Table, cell, column, mean_cell, row, table
from rewards_eval.values import (
    ARGUMENT_METRICS,
    VARIANTS,
    References,
    evaluation_of,
    is_reasoned,
    probabilities_after,
    probabilities_before,
)

ISSUES = 20  # rows of the table by issue; the others are counted together,
ENOUGH = 3  # and so are those with fewer arguments
BROKEN_DOWN = (
    "accepted.app",
    "accepted.p",
    "accepted.nes",
    "all.app",
    "edits.accepted",
    "edits.valid",
    "reward:reward",
)


def dimensions(evaluation: Evaluation) -> Table | None:
    """By how much each system changes the probability of each dimension: negative is better."""
    common = evaluation.common
    found = {variant: _changes(common, variant) for variant in VARIANTS}
    names = list(dict.fromkeys(name for changes in found.values() for one in changes for name in one))
    if not names:
        return None
    names.sort(key=lambda name: DIMENSIONS.index(name) if name in DIMENSIONS else len(DIMENSIONS))
    nothing = np.zeros((len(common.ids), 2))
    pairs = np.array([[[one.get(name, nothing) for name in names] for one in found[variant]] for variant in VARIANTS])
    resampled = resampled_means(pairs, evaluation.draws, common.owners)  # (resamples, variants, systems, dimensions)
    rows = [
        row(
            name,
            {f"s{s}": _mean(pairs[v, s, d], resampled[:, v, s, d]) for s in range(len(common.systems))},
            VARIANTS[variant],
        )
        for v, variant in enumerate(VARIANTS)
        for d, name in enumerate(names)
    ]
    columns = [column(f"s{s}", system.name, 3, "lower") for s, system in enumerate(common.systems)]
    caption = (
        "Mean change of each dimension's probability from the original to the edited argument, with 95 % intervals."
    )
    return table("dimensions", "Change by dimension", caption, columns, rows)


def _changes(common: Common, variant: str) -> list[dict[str, np.ndarray[Any, Any]]]:
    """For each system, by dimension, (n, 2): the change of the probability and 1, or zeros where either value is missing."""
    changes = []
    for system in common.systems:
        pairs: dict[str, np.ndarray[Any, Any]] = {}
        for i, identifier in enumerate(common.ids):
            before = probabilities_before(system.records[identifier])
            after = probabilities_after(system.records[identifier], variant)
            for name in before or ():  # in the record's order: the table keeps it for dimensions that we do not know
                if after and name in after:
                    found = pairs.setdefault(name, np.zeros((len(common.ids), 2)))
                    found[i] = (after[name] - before[name], 1.0)  # type: ignore[index]  # both have the name
        changes.append(pairs)
    return changes


def _mean(pairs: np.ndarray[Any, Any], resampled: np.ndarray[Any, Any]) -> Cell:
    value = ratio(pairs)
    return (
        cell(value, int(pairs[:, 1].sum()), *(interval(resampled) or (None, None))) if value is not None else cell(None)
    )


def rounds(evaluation: Evaluation, references: References) -> Table | None:
    """The metrics of every system after each of its rounds; None where no system has several."""
    rows = []
    metrics = [metric for metric in ARGUMENT_METRICS if evaluation.values.present(f"accepted.{metric.key}")]
    for system in evaluation.common.systems:
        if len(system.rounds) < 2:
            continue
        for number, found in sorted(_carried(system.rounds, evaluation.common.ids).items()):
            at = evaluate(compare([replace(system, rounds={number: found})]), evaluation.draws, references)
            cells = {metric.key: mean_cell(at.mean(0, f"accepted.{metric.key}"), metric) for metric in metrics}
            rows.append(row(f"round {number}", cells, system.name))
    if not rows:
        return None
    caption = (
        "After the accepted edits of each round, against the true original; an argument that is done keeps its last."
    )
    return table("rounds", "Rounds", caption, map(tables.metric_column, metrics), rows)


def _carried(
    rounds: Mapping[int, Mapping[Id, Mapping[str, Any]]], ids: Sequence[Id]
) -> dict[int, dict[Id, Mapping[str, Any]]]:
    """The records of the common ids after each round; an id without a record in a round keeps its latest one."""
    found: dict[int, dict[Id, Mapping[str, Any]]] = {}
    last: dict[Id, Mapping[str, Any]] = {}
    wanted = set(ids)
    for number, records in sorted(rounds.items()):
        last |= {identifier: record for identifier, record in records.items() if identifier in wanted}
        found[number] = dict(last)
    return found


def issues(evaluation: Evaluation) -> Table | None:
    """The metrics by issue, the most frequent first."""
    first = evaluation.common.systems[0]
    of = [str(first.records[identifier]["issue"]).strip() for identifier in evaluation.common.ids]
    counts = Counter(of)
    if len(counts) < 2:
        return None
    kept = [issue for issue, count in counts.most_common(ISSUES) if count >= ENOUGH]
    if not kept:
        return None
    groups = {issue: [i for i, one in enumerate(of) if one == issue] for issue in kept}
    if rest := [i for i, one in enumerate(of) if one not in groups]:
        others = len(counts) - len(kept)
        groups[f"{others} other issue{'s' * (others > 1)}"] = rest
    return _by(evaluation, "issues", "By issue", "Means by issue, the most frequent first.", groups)


def lengths(evaluation: Evaluation) -> Table | None:
    """The metrics by quartile of the original's length in words."""
    first = evaluation.common.systems[0]
    words = np.array([len(first.records[identifier]["argument"].split()) for identifier in evaluation.common.ids])
    cuts = np.unique(np.quantile(words, [0, 0.25, 0.5, 0.75, 1], method="lower"))
    if len(cuts) < 3:
        return None
    groups = {}
    for k, (low, high) in enumerate(pairwise(cuts)):
        last = k == len(cuts) - 2
        inside = (words >= low) & ((words <= high) if last else (words < high))
        groups[f"{low}–{high if last else high - 1} words"] = np.flatnonzero(inside).tolist()
    return _by(
        evaluation, "lengths", "By length", "Means by length of the original, in parts of about equal size.", groups
    )


def _by(evaluation: Evaluation, id: str, title: str, caption: str, groups: Mapping[str, Sequence[int]]) -> Table:
    keys = [key for key in BROKEN_DOWN if evaluation.values.present(key)]
    chosen = {key: metric for key, metric in _labelled() if key in keys}
    rows = [
        row(label, {key: _part(evaluation.values.of(key)[s, list(members)]) for key in chosen}, system.name)
        for s, system in enumerate(evaluation.common.systems)
        for label, members in groups.items()
    ]
    columns = [column(key, label, digits, better, help) for key, (label, digits, better, help) in chosen.items()]
    return table(id, title, caption + " No intervals: parts are small.", columns, rows)


def _part(pairs: np.ndarray[Any, Any]) -> Cell:
    return cell(ratio(pairs), round(float(pairs[:, 1].sum())))


def _labelled() -> Iterable[tuple[str, tuple[str, int, str | None, str]]]:
    for key, metric, group in tables.compared_metrics():
        label = f"{metric.label}, all edits" if key.startswith("all.") else metric.label
        yield key, (label, metric.digits, metric.better, f"{metric.help} ({group})")


def reasons(evaluation: Evaluation) -> Table | None:
    """The shares of valid, accepted and improving edits, by the reason that edits state."""
    tests: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Any]] = {
        "valid": lambda edit, _: edit["valid"],
        "accepted": lambda edit, _: edit["accepted"],
        "app": lambda _, found: found.get("app"),
        "strict": lambda edit, found: found.get("strict") if edit["reasoned"] else None,
        "relaxed": lambda edit, found: found.get("relaxed") if edit["reasoned"] else None,
    }
    rows = []
    for system in evaluation.common.systems:
        edits = [pair for one in evaluation.common.ids for pair in _with_found(system.records[one])]
        for name in (*REASONS, "another", "none stated"):
            chosen = [pair for pair in edits if _named(pair[0].get("reason")) == name]
            if chosen:
                cells = {key: _share([test(*pair) for pair in chosen]) for key, test in tests.items()}
                rows.append(row(name, {"edits": cell(len(chosen), len(chosen)), **cells}, system.name))
    labels = {"valid": "valid", "accepted": "accepted", "app": "app", "strict": "reason", "relaxed": "relaxed"}
    used = [key for key in tests if any(one["cells"][key]["value"] is not None for one in rows)]
    columns = [column("edits", "edits", 0), *(column(key, labels[key], 3, "higher") for key in used)]
    return (
        table("reasons", "By stated reason", "Shares of the edits that state each reason.", columns, rows)
        if rows
        else None
    )


def _with_found(record: Mapping[str, Any]) -> Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    found = evaluation_of(record).get("edits") or [{}] * len(record["edits"])
    known = decided(record)
    edits = [
        {**edit, "accepted": edit["accepted"] if known else None, "reasoned": is_reasoned(record, edit)}
        for edit in record["edits"]
    ]
    return zip(edits, found, strict=False)


def _named(reason: Any) -> str:
    if not reason:
        return "none stated"
    return reason if reason in REASONS else "another"


def _share(values: Sequence[Any]) -> Cell:
    known = [bool(value) for value in values if value is not None]
    return cell(sum(known) / len(known), len(known)) if known else cell(None)
