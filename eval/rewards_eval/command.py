"""`rewards eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rewards.cli.options import Cache, Device, DType, Models, countable
from rewards.plan import SuitePlan, parse_models
from rewards.text.plain import plain


def evaluate(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Records, scored or not; one file per system.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="Folder for all output."),
    ],
    name: Annotated[
        list[str] | None, typer.Option(help="A system's name; one for each FILE, in order. [default: the file's]")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Human rewrites {id, rewrite}: adds SARI and ROUGE, with --measure BERTScore."
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Labels {id, edit, label}, decisions, or a scored file: do rewards agree?"),
    ] = None,
    suite: Annotated[str | None, typer.Option(help="Suite that scores unscored files. [default: default]")] = None,
    measure: Annotated[
        bool | None,
        typer.Option(
            "--measure/--no-measure",
            help="Measure Sim, PPL, App and single edits with models. [default: if a FILE is unscored]",
            show_default=False,
        ),
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Models: embedded or full. [default: embedded]")] = None,
    model: Models = None,
    device: Device = "auto",
    dtype: DType = "auto",
    cache: Cache = None,
    seed: Annotated[int, typer.Option(min=0, callback=countable, help="Seed of intervals and tests.")] = 0,
    resamples: Annotated[
        int,
        typer.Option(
            min=100,
            max=1_000_000,
            help="Bootstrap draws for intervals, and the minimum number of permutations for tests.",
        ),
    ] = 10_000,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse failed, rejected and missing records.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no tables.")] = False,
) -> None:
    """Compare systems on the arguments they have in common: the paper's tables, with intervals and tests.

    Repeat the command to continue a run that was stopped.
    """
    # Imported here: `rewards --help` must not pay for numpy and what follows.
    from rewards_eval import outputs
    from rewards_eval.run import Options, run
    from rewards_eval.statistics import Draws

    plan = SuitePlan(suite, profile=profile, models=parse_models(model), device=device, dtype=dtype, cache=cache)
    draws = Draws(seed, resamples)
    report = run(Options(files, out, tuple(name or ()), reference, labels, measure, plan, draws, strict, quiet))
    if not quiet:
        outputs.print_report(report)
        print(plain(f"\neverything is in {out}: report.html, report.json, tables (.csv, .tex) and plots (.svg, .png)"))
    if any(system["failed"] or system["rejected"] for system in report["systems"]):
        raise typer.Exit(1)
