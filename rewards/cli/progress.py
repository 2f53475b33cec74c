"""Progress on stderr, and the closing table of a file that was scored."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from rewards.files.pipeline import ProgressHooks
from rewards.files.reading import rejected_path
from rewards.formats import EDITS
from rewards.formats.json_edits import NO_REASON
from rewards.stderr import ignoring_stderr_errors
from rewards.suite import Suite
from rewards.summary import Mean, Summary
from rewards.text.plain import plain

_LEAST = 20  # columns that the names of rewards keep on the narrowest terminal
_MOST = 5  # causes of failures and rejections that are listed
_BETWEEN = 30  # seconds between two lines where there is no terminal for a bar


class Display:
    """A progress bar with rate and time left; where stderr is not a terminal, only a line now and then."""

    def __init__(self, source: str, quiet: bool, verb: str = "scoring", unit: str = "texts") -> None:
        self._console = Console(stderr=True, highlight=False)
        self._quiet = quiet
        self._began = time.monotonic()
        self._printed = self._began
        self._texts = 0
        self._records = 0
        self._verb, self._unit = verb, unit
        path = Path(source)
        self._size = path.stat().st_size if path.is_file() else None
        self._consumed = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn(f"{{task.fields[records]:,}} records, {{task.fields[texts]:,}} {unit}"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._task = self._progress.add_task("loading models", total=self._size, records=0, texts=0, rate="")
        self.report = ProgressHooks(self._on_bytes, self._on_records)

    def __enter__(self) -> Display:
        """Start the bar."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the bar."""
        self._progress.stop()

    def on_texts(self, texts: int) -> None:
        """Count texts that a model has just finished: the only number that changes within a chunk."""
        self._texts += texts
        self._progress.update(self._task, description=self._verb, texts=self._texts)
        self._tell()

    def _on_bytes(self, consumed: int) -> None:
        self._consumed = consumed

    def _on_records(self, records: int) -> None:
        self._records = records
        rate = f"{records / max(1e-9, time.monotonic() - self._began):,.1f}/s"
        # The bar advances with the records: bytes that were read but not scored yet do not count.
        self._progress.update(self._task, description=self._verb, completed=self._consumed, records=records, rate=rate)
        self._tell()

    def _tell(self) -> None:
        """Print a line now and then, where there is no terminal for a bar."""
        now = time.monotonic()
        if not self._quiet and not self._console.is_terminal and now - self._printed > _BETWEEN:
            self._printed = now
            share = f" ({100 * self._consumed // self._size} % of the file)" if self._size and self._records else ""
            done = f"{self._records:,} records{share}, {self._texts:,} {self._unit}"
            with ignoring_stderr_errors():
                print(f"{self._verb}: {done} in {now - self._began:,.0f} s", file=sys.stderr)

    def table(self, header: dict[str, Any], suite: Suite, summary: Summary, out: Path | None) -> None:
        """Print the closing table: counts, means with their n, pass rates, features."""
        table = self._rewards("appended" in header, suite, summary)
        whole = self._console.measure(table, options=self._console.options.update(width=1_000)).maximum
        folded = whole - max((len(component.name) for component in suite.components), default=0) + _LEAST
        self._console.width = max(self._console.width, folded)  # a narrower terminal wraps the lines itself
        with ignoring_stderr_errors():
            self._console.print(table)
            for line in _closing(header, summary, out):
                self._console.print(escape(plain(line)), soft_wrap=True)

    def _rewards(self, appended: bool, suite: Suite, summary: Summary) -> Table:
        title = "appended" if appended else f"suite {suite.name}"
        table = Table(title=escape(plain(title)), title_justify="left", box=None, padding=(0, 2, 0, 0))
        table.caption = "mean over n records; passed: share of the edits or sentences scored"
        table.caption_justify = "left"
        for name in ("reward", "weight", "mean", "n", "passes", "passed", "of"):
            named = name == "reward"
            table.add_column(name, justify="left" if named else "right", no_wrap=not named, overflow="fold")
        for component in suite.components:
            passed = summary.passed.get(component.name, Mean())
            sign = "≥" if component.reward.higher_is_better else "≤"
            mean = summary.rewards[component.name]
            table.add_row(
                component.name,
                ", ".join(["gate"] * component.gate + [f"{component.weight:g}"] * bool(component.weight)),
                _number(mean.mean),
                f"{mean.n:,}",
                f"{sign} {component.threshold.value:.4g}" if component.threshold and passed.n else "",
                f"{passed.mean:.1%}" if passed.mean is not None else "",
                f"{passed.n:,}" if passed.n else "",
            )
        paid = any(component.weight for component in suite.components)
        total = (_number(summary.reward.mean), f"{summary.reward.n:,}") if paid else ("pays nothing", "")
        table.add_row("total", "", *total, style="bold")
        return table


@contextmanager
def counting(doing: str, unit: str, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left; where stderr is no terminal, a line now and then. Yields a function of (done, total)."""
    console = Console(stderr=True, highlight=False)
    live = not quiet and console.is_terminal
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    printed = time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=not live) as bar:
        task = bar.add_task(doing, total=None)

        def report(done: int, total: int) -> None:
            nonlocal printed
            bar.update(task, completed=done, total=total)
            if not quiet and not live and time.monotonic() - printed > _BETWEEN:
                printed = time.monotonic()
                with ignoring_stderr_errors():
                    print(f"{doing}: {done:,} of {total:,} {unit}", file=sys.stderr)

        yield report


def _closing(header: dict[str, Any], summary: Summary, out: Path | None) -> list[str]:
    """The lines below the closing table."""
    own = header["appended"][-1] if "appended" in header else header  # of this run only
    counts = own["features"]
    lines = [
        f"{summary.records:,} records ({summary.failed:,} failed), {summary.rejected:,} rejected,"
        f" {summary.edits:,} edits: {summary.valid:,} valid, {summary.accepted:,} accepted",
    ]
    if summary.down_together:
        lines.append(
            f"{summary.down_together:,} edits pass every gate alone, but not together with others of their sentence"
        )
    if summary.invalid:
        causes = _by_count(summary.invalid)
        lines.append("invalid edits: " + "; ".join(f"{count:,} {cause}" for cause, count in causes))
        if causes[0][0] == NO_REASON and summary.formats.get(EDITS):
            lines.append('edits need a `reason`, except in records that say "format": "rewrite" (or "compact")')
        if not summary.valid:
            lines.append(
                f"warning: none of the {summary.edits:,} edits is valid, so every argument was scored as it was"
            )
    if len(summary.formats) > 1:
        read = _by_count(summary.formats)
        lines.append("read as: " + ", ".join(f"{name} {count:,}" for name, count in read))
    if summary.unread:
        lines.append(f"completions not read in full: {summary.unread:,}")
    if counts["requested"]:
        saved = counts["requested"] - counts["computed"]
        lines.append(
            f"features: {counts['requested']:,} asked for, {counts['computed']:,} computed"
            f" ({saved / counts['requested']:.0%} shared or cached), {counts['truncated_texts']:,} texts truncated"
        )
    if not summary.records and not summary.rejected:
        lines.append("there were no records to score")
    lines += [*_commonest("failed", summary.errors), *_commonest("rejected", summary.rejections)]
    lines.append(f"{own['seconds']:.1f} s" + (f"; results in {out}" if out else ""))
    # A file that --append adds to may have lost its rejects file.
    if summary.rejected and out and (rejected := rejected_path(out)).exists():
        lines.append(f"rejected lines, with the reason for each, in {rejected}")
    return lines


def _commonest(what: str, causes: Mapping[str, int]) -> Iterator[str]:
    """A line for each of the commonest causes, and one with the number of all others."""
    listed = _by_count(causes)
    for cause, count in listed[:_MOST]:
        yield f"{what} {count:,}×: {cause}"
    if others := listed[_MOST:]:
        yield f"{what} {sum(count for _, count in others):,}× for other reasons"


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The causes with their counts, the commonest first; equal counts stay in their order of occurrence."""
    return sorted(counts.items(), key=lambda item: -item[1])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
