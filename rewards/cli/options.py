"""What options of several commands mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rewards.errors import ConfigError

if TYPE_CHECKING:
    from rewards.suite import Suite

LARGEST = 2**63 - 1
"""The largest whole number that files, slices and generators of random numbers take."""


def countable(value: int | None) -> int | None:
    """The number an option was given. Raises BadParameter where it is beyond what anything here can count."""
    if value is not None and abs(value) > LARGEST:
        raise typer.BadParameter(f"{value} is beyond {LARGEST:,}, which nothing here counts to")
    return value


Profile = Annotated[str | None, typer.Option(help="Models: embedded or full. [default: the suite's]")]
Models = Annotated[
    list[str] | None, typer.Option(metavar="ROLE=MODEL", help="Hub id or folder for a model's role. Repeatable.")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda:N.")]
DType = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
Rewards = Annotated[
    list[str] | None,
    typer.Option(
        "--reward",
        metavar="NAME[.KEY=VALUE]",
        help="Measure this reward: alone, or besides those of --suite. May be repeated."
        " NAME.params=DIR takes parameters of `rewards fit`.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME.KEY=VALUE", help="Set a reward's argument, gate, weight or threshold."),
]
Format = Annotated[
    str | None, typer.Option(help="Format of the completions; `edits` takes the list of edits. Detected without it.")
]
TokenBudget = Annotated[
    int, typer.Option(min=0, callback=countable, help="Padded tokens in one forward pass; 0 picks by device.")
]
Cache = Annotated[Path | None, typer.Option(help="Folder for a cache of features that outlives the run.")]


@dataclass(frozen=True, slots=True)
class Scoring:
    """What is to be scored with: a suite, or single rewards alone, and what computes for them. It pickles."""

    suite: str | None
    rewards: Sequence[str]
    settings: Mapping[str, Mapping[str, Any]]
    dtype: str
    token_budget: int
    cache: Path | None
    models: Sequence[str]
    profile: str | None
    strict: bool = False

    def on(self, device: str) -> Suite:
        """The suite on a device: the one named, `default` without a name, or the single rewards."""
        from rewards.engine.build import build_engine
        from rewards.suite import load_suite, suite_of

        engine = build_engine(device, self.dtype, self.token_budget, self.cache, self.models, self.profile)
        options: dict[str, Any] = {
            "settings": self.settings,
            "engine": engine,
            "profile": self.profile,
            "strict": self.strict,
        }
        if self.suite is None and self.rewards:
            return suite_of(self.rewards, **options)
        return load_suite(self.suite or "default", rewards=self.rewards, **options)


def settings_of(rewards: Sequence[str], settings: Sequence[str]) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """The names that `--reward NAME[.KEY=VALUE]` says, and what it and `--set NAME.KEY=VALUE` set, by reward."""
    names = [text.partition(".")[0] if "=" in text else text for text in rewards]
    return names, parse_settings([*(text for text in rewards if "=" in text), *settings])


def parse_settings(given: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What `--set NAME.KEY=VALUE` says, by reward. Raises ConfigError for what does not have that form."""
    from rewards.config import parse_value

    settings: dict[str, dict[str, Any]] = {}
    for text in given:
        path, equals, value = text.partition("=")
        reward, dot, key = path.partition(".")
        if not equals or not dot or not reward or not key:
            raise ConfigError(f"--set {text!r}: expected NAME.KEY=VALUE, e.g. brevity.factor=0.8")
        parsed = parse_value(value)
        if isinstance(parsed, float) and not math.isfinite(parsed):
            raise ConfigError(f"--set {text!r}: the value must be finite")
        settings.setdefault(reward, {})[key] = parsed
    return settings


def check_format(name: str | None) -> None:
    """Raise ConfigError, with the nearest name, for a format that nobody registered."""
    from rewards.plugins import registry
    from rewards.records import EDITS

    if name is not None and name != EDITS:
        registry().format(name)
