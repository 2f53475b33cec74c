"""Reports on files, printed."""

from __future__ import annotations

from rewards.cli.terminal import print_table
from rewards.text.plain import plain
from rewards_audit.compare import Comparison
from rewards_audit.show import number, percent, role
from rewards_audit.trends import FileReport, direction

SHOWN = 5  # failures by cause


def print_file(report: FileReport) -> None:
    """Print the columns, the correlations of held-out rewards, and the warnings."""
    rows = [
        (
            column.name,
            role(column.weight, column.gate),
            f"{column.n:,}",
            *map(number, (column.mean, column.sd, column.low, column.high)),
            percent(column.share),
            percent(column.share_within),
            _drift(column.first, column.last, column.interval),
        )
        for column in report.columns
    ]
    heads = ("column", "weight", "n", "mean", "sd", "min", "max", "of variance", "within groups", "first → last third")
    unit = "records" if report.steps is None else f"completions of {report.steps:,} steps"
    print_table(f"{report.source}: {report.records:,} {unit}", heads, rows, "column")
    if report.held_out:
        print()
        cells = [
            (each.name, f"{each.n:,}", *map(number, (each.pearson, each.spearman, each.within, each.first, each.last)))
            for each in report.held_out
        ]
        kinds = ("held out", "n", "Pearson", "Spearman", "within groups", "first third", "last third")
        print_table("correlation with the total", kinds, cells, "held out")
    print()
    lines = [f"groups of two or more: {report.groups:,}, without spread of the total: {report.stale:,}"]
    lines += [f"failed {count:,}×: {reason}" for reason, count in list(report.failures.items())[:SHOWN]]
    if not report.known_suite:
        lines.append("no header beside the file: weights, gates and held-out rewards are not known")
    _print_lines(lines, report.warnings)


def print_comparison(comparison: Comparison) -> None:
    """Print every column before and after, and the warnings."""
    rows = [
        (
            change.name,
            role(change.weight, change.gate),
            f"{change.n:,}",
            *map(number, (change.before, change.after)),
            "" if change.change is None else f"{change.change:+.4f}",
            _interval(change.interval),
            percent(change.rose),
            "worse" if change.worse else "",
        )
        for change in comparison.changes
    ]
    heads = ("column", "weight", "n", "before", "after", "change", "95 % interval", "rose on", "")
    print_table(f"{comparison.after} against {comparison.before}", heads, rows, "column")
    print()
    lines = [
        f"{comparison.inputs:,} inputs in both; {comparison.only_after:,} only after, {comparison.only_before:,} only before;"
        f" failed {comparison.failed_after:,} after, {comparison.failed_before:,} before"
    ]
    if comparison.unread:
        lines.append(f"{comparison.unread:,} lines could not be read")
    _print_lines(lines, comparison.warnings)


def _print_lines(lines: list[str], warnings: tuple[str, ...]) -> None:
    for line in (*lines, *(f"warning: {warning}" for warning in warnings)):
        print(plain(line))
    if not warnings:
        print("no warnings; what no column measures is not seen here, so read some of the texts too")


def _drift(first: float | None, last: float | None, interval: tuple[float, float] | None) -> str:
    if first is None or last is None:
        return ""
    return f"{first:.3f} → {last:.3f}{' *' if direction(interval) else ''}"


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:+.4f} to {interval[1]:+.4f}"
