"""Terminal output: tables with control characters escaped, and what plugins print kept apart from results."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import typer

from rewards.stderr import ignoring_stderr_errors, stdout_taken
from rewards.text.plain import plain

_COMFORT = 30  # columns: where the folded column would get fewer, the spare column is dropped
_LEAST = 20  # columns that the folded column keeps on the narrowest terminal
_HEAD = 10  # columns that a line of a stacked heading may take, unless a word is longer


@contextmanager
def results_alone() -> Iterator[None]:
    """Redirect what plugins, C libraries and child processes write to standard output to standard error.

    Only a `Stream` that was created before still writes to standard output.
    """
    with stdout_taken(), redirect_stdout(sys.stderr):
        yield


def stop_where_complete(file: Path, complete: bool | None) -> None:
    """Exit where `complete` is not None, so that nothing is left to resume: with 0 where all was scored, else with 1."""
    if complete is not None:
        with ignoring_stderr_errors():
            print(f"{file} is complete: nothing to resume", file=sys.stderr)
        raise typer.Exit(0 if complete else 1)


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], wraps: str, spare: str | None = None
) -> None:
    """Print aligned columns. On a terminal column `wraps` is folded to the width left, after column `spare` was dropped.

    Elsewhere each row is one line.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    title, columns, wraps = plain(title), [plain(name) for name in columns], plain(wraps)
    cells = [[plain(" ".join(cell.split())) for cell in row] for row in rows]
    widths = {
        name: max(map(cell_len, [*name.split("\n"), *(row[i] for row in cells)])) + 2 for i, name in enumerate(columns)
    }
    console = Console(highlight=False)
    fixed = sum(widths.values()) - widths[wraps]
    if on_terminal():
        if spare in widths and console.width - fixed < min(_COMFORT, widths[wraps]):
            fixed -= widths.pop(spare)
        console.width = max(console.width, fixed + _LEAST)  # a narrower terminal wraps the lines itself
    else:
        console.width = sum(widths.values()) + len(title)
    table = Table(title=Text(title), title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in widths:
        table.add_column(Text(name), no_wrap=name != wraps, overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for name, cell in zip(columns, row, strict=True) if name in widths))
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def on_terminal() -> bool:
    """Whether standard output is a terminal, where a table is made to fit."""
    return sys.stdout is not None and sys.stdout.isatty()


def print_wide_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a column of names and many columns of numbers. On a terminal headings are stacked, and wide tables split.

    Elsewhere each row is one line.
    """
    from rich.cells import cell_len
    from rich.console import Console

    if not on_terminal():
        print_table(title, columns, rows, columns[0])
        return
    heads = [columns[0], *(stacked(plain(name)) for name in columns[1:])]
    cells = list(zip(*([plain(cell) for cell in row] for row in rows), strict=True)) or [()] * len(columns)
    widths = [max(map(cell_len, [*head.split("\n"), *column])) + 2 for head, column in zip(heads, cells, strict=True)]
    parts: list[list[int]] = []
    room = 0
    for i in range(1, len(columns)):
        if not parts or widths[i] > room:
            parts.append([0])
            room = Console().width - widths[0]
        parts[-1].append(i)
        room -= widths[i]
    for number, part in enumerate(parts):
        heading = title if len(parts) == 1 else f"{title} ({number + 1} of {len(parts)})"
        print("\n" * (number > 0), end="")
        print_table(heading, [heads[i] for i in part], [[row[i] for i in part] for row in rows], heads[0])


def stacked(name: str) -> str:
    """The name broken after underscores and at spaces into lines of at most _HEAD columns, unless a word is longer."""
    lines = [""]
    for piece in re.findall(r"[^_ ]*[_ ]*", name):
        if lines[-1] and len(lines[-1] + piece.rstrip()) > _HEAD:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)
