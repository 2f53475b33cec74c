"""What options of several commands mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rewards.errors import ConfigError

if TYPE_CHECKING:
    from rewards.engine.engine import Engine

Profile = Annotated[str | None, typer.Option(help="Models: embedded or full. [default: the suite's]")]
Models = Annotated[
    list[str] | None, typer.Option(metavar="ROLE=MODEL", help="Hub id or folder for a model's role. Repeatable.")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda:N.")]
DType = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
Cache = Annotated[Path | None, typer.Option(help="Folder for a cache of features that outlives the run.")]


def build_engine(
    device: str = "auto",
    dtype: str = "auto",
    token_budget: int = 0,
    cache: Path | None = None,
    models: Sequence[str] = (),
    profile: str | None = None,
) -> Engine:
    """The engine that these options ask for; `models` as `ROLE=MODEL`. Raises ConfigError for what does not fit."""
    from rewards.engine.cache import DiskCache, MemoryCache
    from rewards.engine.engine import DTYPES, Engine
    from rewards.models.specs import PROFILES

    if dtype not in DTYPES:
        raise ConfigError(f"--dtype {dtype!r}: expected one of {', '.join(DTYPES)}")
    if profile is not None and profile not in PROFILES:
        raise ConfigError(f"--profile {profile!r}: expected one of {', '.join(PROFILES)}")
    chosen = {}
    for text in models:
        role, equals, name = text.partition("=")
        if not equals or not role or not name:
            raise ConfigError(f"--model {text!r}: expected ROLE=MODEL, e.g. encoder=./my-model")
        chosen[role] = name
    store = DiskCache(cache) if cache else MemoryCache()
    chosen_profile = profile or PROFILES[0]
    return Engine(chosen_profile, device, dtype, token_budget, store, chosen)  # type: ignore[arg-type]  # checked above
