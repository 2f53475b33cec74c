"""`rewards eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rewards.errors import ConfigError, RewardsError


def evaluate(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Scored or unscored records, one file a system.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for everything that is written.")],
    name: Annotated[
        list[str] | None, typer.Option(help="A system's name, one for each file in order. [default: the file's]")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of intervals and tests.")] = 0,
    resamples: Annotated[int, typer.Option(min=100, help="Draws for intervals and tests.")] = 10_000,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse failed, rejected and missing records.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No tables on the terminal.")] = False,
) -> None:
    """Compare systems on the arguments they have in common: the paper's tables, with intervals and tests."""
    from rewards_eval import evaluation, outputs, report, systems, tables
    from rewards_eval.statistics import Draws

    if out.exists() and not out.is_dir():
        raise ConfigError(f"-o {out} is a file; give a folder")
    out.mkdir(parents=True, exist_ok=True)
    names = systems.choose_names(files, name or [])
    read = [systems.read_system(file, one, systems.detect(file)) for file, one in zip(files, names, strict=True)]
    found = evaluation.evaluate(systems.compare(read), Draws(seed, resamples))
    made = [tables.arguments(found), tables.edits(found), tables.rewards(found), tables.comparisons(found)]
    whole = report.build(found, [one for one in made if one is not None], [], [], {})
    report.write(out, whole)
    if not quiet:
        outputs.print_report(whole)
