"""Options that several commands share, and how their values are parsed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from rewards.errors import ConfigError
from rewards.plan import pairs

LARGEST = 2**63 - 1
"""The largest whole number that files, slices and generators of random numbers take."""


def countable(value: int | None) -> int | None:
    """The value of an integer option. Raises BadParameter where its magnitude is above LARGEST."""
    if value is not None and abs(value) > LARGEST:
        raise typer.BadParameter(f"{value} is beyond {LARGEST:,}, which nothing here counts to")
    return value


SuiteName = Annotated[str | None, typer.Option("--suite", help="Name of a suite, or a YAML file. [default: default]")]
Profile = Annotated[str | None, typer.Option(help="Models: embedded or full. [default: the suite's]")]
Models = Annotated[
    list[str] | None, typer.Option(metavar="ROLE=MODEL", help="Fill a model role with a hub id or folder. Repeatable.")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda:N.")]
DType = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
Rewards = Annotated[
    list[str] | None,
    typer.Option(
        "--reward",
        metavar="NAME[.KEY=VALUE]",
        help="Measure this reward, alone or in addition to --suite. Repeatable."
        " NAME.params=DIR takes parameters of `rewards fit`.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME.KEY=VALUE",
        help="Set a reward's argument, or its gate, together, weight, threshold, empty or params.",
    ),
]
Format = Annotated[
    str | None, typer.Option(help="Format of the completions; `edits` reads the list of edits. [default: detected]")
]
TokenBudget = Annotated[
    int, typer.Option(min=0, callback=countable, help="Padded tokens per forward pass; 0 chooses by device.")
]
Limit = Annotated[int | None, typer.Option(min=0, callback=countable, help="Read only the first N records.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue a stopped run with the same -o.")]
Cache = Annotated[Path | None, typer.Option(help="Folder to keep computed features in between runs.")]


def settings_of(rewards: Sequence[str], settings: Sequence[str]) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """The names in `--reward NAME[.KEY=VALUE]`, and the settings in it and in `--set NAME.KEY=VALUE`, by reward."""
    names = [text.partition(".")[0] if "=" in text else text for text in rewards]
    return names, parse_settings([*(text for text in rewards if "=" in text), *settings])


def parse_settings(given: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The settings in `--set NAME.KEY=VALUE`, by reward. Raises ConfigError for any other form."""
    from rewards.config import parse_value  # pydantic and yaml, which `rewards --help` need not pay for

    settings: dict[str, dict[str, Any]] = {}
    form = "NAME.KEY=VALUE, e.g. brevity.factor=0.8"
    for path, value in pairs(given, "--set", form).items():
        reward, _, key = path.partition(".")
        if not reward or not key:
            raise ConfigError(f"--set '{path}={value}': expected {form}")
        parsed = parse_value(value)
        if isinstance(parsed, float) and not math.isfinite(parsed):
            raise ConfigError(f"--set '{path}={value}': the value must be finite")
        settings.setdefault(reward, {})[key] = parsed
    return settings
