"""`rewards score`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rewards.cli.logs import log_level, log_to_terminal
from rewards.cli.options import (
    Cache,
    DType,
    Format,
    Limit,
    Models,
    Profile,
    Resume,
    Rewards,
    Settings,
    SuiteName,
    TokenBudget,
    countable,
    settings_of,
)
from rewards.cli.terminal import results_alone, stop_where_complete
from rewards.engine.device import parse_devices
from rewards.errors import ConfigError
from rewards.plan import SuitePlan, check_format, parse_models
from rewards.stderr import take_stdout

if TYPE_CHECKING:
    from rewards.suite import Suite


def score(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSONL, JSONL.gz or Parquet; - for standard input.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Result file. [default: standard output]")] = None,
    suite: SuiteName = None,
    reward: Rewards = None,
    set_: Settings = None,
    format: Format = None,
    profile: Profile = None,
    model: Models = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu or cuda:N; several, separated by commas, run one process each.")
    ] = "auto",
    dtype: DType = "auto",
    append: Annotated[
        bool, typer.Option("--append", help="Add --reward to FILE, a scored file; in place unless -o is given.")
    ] = False,
    resume: Resume = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first record on which a reward fails.")] = False,
    limit: Limit = None,
    cache: Cache = None,
    batch_size: Annotated[
        int, typer.Option(min=1, callback=countable, help="Records to score together; the unit that --resume keeps.")
    ] = 64,
    token_budget: TokenBudget = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no closing table.")] = False,
) -> None:
    """Score the edits in FILE: one output record per input record, in order."""
    # Imported here: `rewards --help` must not pay for pydantic and numpy.
    from rewards.cli.progress import Display
    from rewards.files import append as appending
    from rewards.files import pipeline, targets
    from rewards.files.reading import beside, identity, rejected_path
    from rewards.files.sink import Stream
    from rewards.files.workers import Workers
    from rewards.files.writing import File
    from rewards.summary import Summary

    rewards, settings = settings_of(reward or (), set_ or ())
    models, devices = parse_models(model), parse_devices(device, dtype)
    if append:
        _check_append(file, rewards, suite, settings, limit, format, devices)
    target = targets.target_of(file, out, resume, append)
    plan = SuitePlan(suite, rewards, settings, profile, models, devices[0], dtype, token_budget, cache, strict)
    chosen = plan.load()
    check_format(format)
    fingerprint = {
        "job": {"input": identity(file), "format": format, "append": append, "limit": limit},
        "engine": {"device": device, "dtype": dtype, "token_budget": token_budget},
        **(chosen.identify() if target else {}),  # this fetches and hashes the models
        "versions": pipeline.installed(),
    }
    if resume and target is not None:
        stop_where_complete(target, targets.complete(file, target, fingerprint, batch_size))
    if append:
        appending.check(file, [component.name for component in chosen.components])
    summary = Summary()
    job = pipeline.FileJob(file, chosen, format, limit, batch_size)
    kept = beside(Path(file), rejected_path) if append else None
    sink = File(target, fingerprint, batch_size, resume, summary.add, kept) if target else Stream()
    with results_alone(), Display(file, quiet) as display:
        chosen.engine.progress = display.on_texts
        try:
            if append:
                header = appending.run(job, sink, summary, display.report)
            elif len(devices) > 1:
                with Workers(partial(_suite_of_worker, log_level(), plan), devices) as workers:
                    header = pipeline.run(job, sink, summary, display.report, workers)
            else:
                header = pipeline.run(job, sink, summary, display.report)
        except BaseException:
            sink.abandon()
            raise
    if not quiet:
        display.table(header, chosen, summary, target)
    if summary.failed or summary.rejected:
        raise typer.Exit(1)


def _check_append(
    file: str,
    rewards: list[str],
    suite: str | None,
    settings: dict[str, dict[str, Any]],
    limit: int | None,
    format: str | None,
    devices: Sequence[str],
) -> None:
    from rewards.files.reading import is_stream

    if not rewards or suite:
        raise ConfigError("--append adds single rewards to a scored file: name them with --reward, leave out --suite")
    if len(devices) > 1:
        raise ConfigError("--append works on one device")
    if is_stream(file):
        raise ConfigError("--append reads its file twice, so it cannot be standard input or a pipe")
    if limit is not None:
        raise ConfigError("--append keeps every record, so it takes no --limit")
    if format is not None:
        raise ConfigError("--append takes edits as they were read when the file was scored, so it takes no --format")
    for name, given in settings.items():
        for key in {"gate", "together", "weight", "empty"} & set(given):
            raise ConfigError(f"--set {name}.{key}: with --append what was accepted and paid stays as it is")


def _suite_of_worker(level: int, plan: SuitePlan, device: str) -> Suite:
    """The suite in a worker process, with logging and standard output set up as in this one."""
    sys.stdout = sys.stderr  # standard output is for results
    take_stdout()
    log_to_terminal()
    log_level(level)
    return replace(plan, device=device).load()
