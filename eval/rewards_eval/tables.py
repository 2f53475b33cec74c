"""The tables of a report as plain data, which is then rendered for the terminal, CSV, LaTeX and HTML."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np

from rewards_eval import statistics
from rewards_eval.evaluation import Evaluation, Mean
from rewards_eval.statistics import MetricComparison
from rewards_eval.values import (
    ARGUMENT_METRICS,
    EDIT_METRICS,
    REFERENCE_METRICS,
    VARIANTS,
    Metric,
    gates,
    pass_metric,
    reward_metric,
)

Table = dict[str, Any]
Cell = dict[str, Any]
COMPARED = ("app", "p", "sim", "nes", "ppl", "flips")


def cell(
    value: float | str | None, n: int | None = None, low: float | None = None, high: float | None = None, note: str | None = None
) -> Cell:  # fmt: skip
    """One cell of a table."""
    return {"value": value, "n": n, "low": low, "high": high, "note": note}


def column(key: str, label: str, digits: int, better: str | None = None, help: str = "") -> dict[str, Any]:
    """One column of a table."""
    return {"key": key, "label": label, "digits": digits, "better": better, "help": help}


def row(label: str, cells: dict[str, Cell], group: str | None = None) -> dict[str, Any]:
    """One row of a table."""
    return {"label": label, "group": group, "cells": cells}


def table(id: str, title: str, caption: str, columns: Iterable[dict[str, Any]], rows: Iterable[Any]) -> Table:
    """A table."""
    return {"id": id, "title": title, "caption": caption, "columns": list(columns), "rows": list(rows)}


def mean_cell(mean: Mean, metric: Metric | None = None) -> Cell:
    """A mean as a cell; for a metric that is shown as a total, the mean times n."""
    factor = mean.n if metric is not None and metric.total else 1
    values = [None if value is None else value * factor for value in (mean.value, mean.low, mean.high)]
    return cell(values[0], mean.n, values[1], values[2])


def metric_column(metric: Metric) -> dict[str, Any]:
    """The column of a metric."""
    return column(metric.key, metric.label, metric.digits, metric.better, metric.help)


def arguments(evaluation: Evaluation) -> Table:
    """Argument level: the metrics of each system after its accepted edits, and after all valid ones."""
    metrics = [metric for metric in ARGUMENT_METRICS if _known(evaluation, metric.key)]
    rows = [
        row(
            system.name,
            {m.key: mean_cell(evaluation.mean(s, f"{variant}.{m.key}"), m) for m in metrics},
            VARIANTS[variant],
        )
        for variant in VARIANTS
        for s, system in enumerate(evaluation.common.systems)
    ]
    return table("arguments", "Arguments", _means_of(evaluation), map(metric_column, metrics), rows)


def _known(evaluation: Evaluation, key: str) -> bool:
    wanted = ("app", "sim", "ppl") if key == "gm" else (key,)
    return any(all(evaluation.values.present(f"{v}.{name}") for name in wanted) for v in VARIANTS)


def edits(evaluation: Evaluation) -> Table:
    """Edit level: rates over all edits of a system."""
    passed = [key.removeprefix("edits.pass:") for key in evaluation.values.keys if key.startswith("edits.pass:")]
    order = [*EDIT_METRICS[:3], *map(pass_metric, passed), EDIT_METRICS[4], EDIT_METRICS[3], *EDIT_METRICS[5:]]
    metrics = [metric for metric in order if evaluation.values.present(f"edits.{metric.key}")]
    rows = [
        row(system.name, {m.key: mean_cell(evaluation.mean(s, f"edits.{m.key}"), m) for m in metrics})
        for s, system in enumerate(evaluation.common.systems)
    ]
    caption = f"Rates over all edits stated; an edit that cannot be applied passes nothing. {_gates(evaluation)}"
    caption += _intervals(evaluation)
    return table("edits", "Edits", caption, map(metric_column, metrics), rows)


def _gates(evaluation: Evaluation) -> str:
    """A sentence on the gates that accept edits; empty where headers name none, or not the same ones."""
    systems = evaluation.common.systems
    stated = {(gates(system.header), gates(system.header, "together")) for system in systems}
    named, together = stated.pop() if len(stated) == 1 else ((), ())
    if not named:
        return ""
    alone = ", ".join(name for name in named if name not in together)
    once_more = f"; several of one sentence pass {f'all but {alone}' if alone else 'all'} as one edit too"
    return f"Accepted is what passes {', '.join(named)}{once_more if together else ''}. "


def rewards(evaluation: Evaluation) -> Table | None:
    """The mean of every reward in the records, as scored."""
    names = [key.removeprefix("reward:") for key in evaluation.values.keys if key.startswith("reward:")]
    headers = [system.header for system in evaluation.common.systems]
    metrics = [metric for name in names if evaluation.values.present((metric := reward_metric(name, headers)).key)]
    if not metrics:
        return None
    rows = [
        row(system.name, {m.key: mean_cell(evaluation.mean(s, m.key)) for m in metrics})
        for s, system in enumerate(evaluation.common.systems)
    ]
    return table("rewards", "Rewards", _means_of(evaluation), map(metric_column, metrics), rows)


def against_references(evaluation: Evaluation) -> Table | None:
    """Argument level: the metrics against human rewrites of the same arguments."""
    metrics = [m for m in REFERENCE_METRICS if any(evaluation.values.present(f"{v}.{m.key}") for v in VARIANTS)]
    if not metrics:
        return None
    rows = [
        row(system.name, {m.key: mean_cell(evaluation.mean(s, f"{v}.{m.key}")) for m in metrics}, VARIANTS[v])
        for v in VARIANTS
        for s, system in enumerate(evaluation.common.systems)
    ]
    caption = "Means over the arguments that have a human rewrite. " + _intervals(evaluation)
    return table("references", "Against human rewrites", caption, map(metric_column, metrics), rows)


def comparisons(evaluation: Evaluation) -> Table | None:
    """Every pair of systems on every metric: difference, test, correction, effect size, wins."""
    systems = evaluation.common.systems
    chosen = [(key, metric, group) for key, metric, group in compared_metrics() if _worth_testing(evaluation, key)]
    pairs = list(combinations(range(len(systems)), 2))
    if not pairs or not chosen:
        return None
    tests = [(key, metric, group, later, earlier) for key, metric, group in chosen for earlier, later in pairs]
    of = evaluation.values.of
    found = statistics.compare(
        np.stack([of(key)[later] for key, _, _, later, _ in tests]),
        np.stack([of(key)[earlier] for key, _, _, _, earlier in tests]),
        [metric.better == "lower" for _, metric, *_ in tests],
        evaluation.draws,
        evaluation.common.owners,
    )
    known = [(one, result) for one, result in zip(tests, found, strict=True) if result is not None]
    corrected = statistics.holm([result.p for _, result in known])
    rows = []
    for ((_, metric, group, later, earlier), result), p in zip(known, corrected, strict=True):
        what = f"share of {metric.label}" if metric.total else metric.label
        label = f"{what}: {systems[later].name} − {systems[earlier].name}"
        rows.append(row(label, _comparison_cells(result, p, metric), group))
    return table(
        "comparisons", "Differences between systems", _tests(evaluation, len(known), len(tests)), _COMPARISON, rows
    )


def _worth_testing(evaluation: Evaluation, key: str) -> bool:
    """Whether a metric has values, and not those of another one: a `p` that is always 0 or 1 would repeat App."""
    variant, _, name = key.partition(".")
    if not evaluation.values.present(key):
        return False
    p = evaluation.values.of(key)[..., 0]
    return name != "p" or variant not in VARIANTS or bool(((p != 0) & (p != 1)).any())


_COMPARISON = (
    column("difference", "difference", 3, None, "mean of the first minus mean of the second, over arguments with both"),
    column("p", "p", 4, "lower", "two-sided paired permutation test"),
    column("p_holm", "p (Holm)", 4, "lower", "corrected for all tests of this table"),
    column(
        "effect", "d", 2, None, "the difference in standard deviations of what single arguments add to it (Cohen's d)"
    ),
    column("wins", "wins", 0, "higher", "arguments on which the first is better (higher, where neither is better)"),
    column("ties", "ties", 0, None, "arguments on which both are equal"),
    column("losses", "losses", 0, "lower", "arguments on which the second is better (higher, where neither is better)"),
)


def compared_metrics() -> list[tuple[str, Metric, str]]:
    """The (key, metric, group) of everything that systems are compared on."""
    chosen = [metric for metric in ARGUMENT_METRICS if metric.key in COMPARED]
    argument = [(f"{variant}.{metric.key}", metric, VARIANTS[variant]) for variant in VARIANTS for metric in chosen]
    edit = [(f"edits.{metric.key}", metric, "edits") for metric in EDIT_METRICS if metric.key != "edits"]
    return [*argument, *edit, ("reward:reward", reward_metric("reward"), "rewards")]


def _comparison_cells(result: MetricComparison, p: float, metric: Metric) -> dict[str, Cell]:
    notes = {"lower": f"lower {metric.label} is better", None: "neither is better: wins are higher values"}
    return {
        "difference": cell(result.difference, result.n, result.low, result.high, notes.get(metric.better)),
        "p": cell(result.p, result.n),
        "p_holm": cell(p, result.n),
        "effect": cell(result.effect, result.n),
        **{key: cell(getattr(result, key), result.n) for key in ("wins", "ties", "losses")},
    }


def _tests(evaluation: Evaluation, count: int, planned: int) -> str:
    """The caption on tests: Holm corrects for the `count` that were possible, but permutations are drawn for all planned."""
    return (
        "Paired by argument: means over those where both systems have a value. Intervals: bootstrap over arguments,"
        f" {evaluation.draws.resamples:,} draws; p: paired permutation test, {statistics.swaps(evaluation.draws, planned):,}"
        f" draws, or all swaps where these are fewer; seed {evaluation.draws.seed}. Holm's correction covers all {count}"
        " tests."
    )


def _means_of(evaluation: Evaluation) -> str:
    common = evaluation.common
    several = "" if common.arguments == len(common.ids) else f"{len(common.ids):,} completions of the "
    noun = "argument" if common.arguments == 1 else "arguments"
    shared = f"the {several}{common.arguments:,} {noun} that all systems have"
    return f"Means over {shared}, each over those with a value (n). " + _intervals(evaluation)


def _intervals(evaluation: Evaluation) -> str:
    return f"Intervals: 95 %, bootstrap over arguments, {evaluation.draws.resamples:,} draws, seed {evaluation.draws.seed}."
