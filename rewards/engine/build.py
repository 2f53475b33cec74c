"""An engine from what a command line or a configuration says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rewards.engine.cache import DiskCache, MemoryCache
from rewards.engine.engine import Engine
from rewards.errors import ConfigError
from rewards.models.specs import DEFAULT_PROFILE


def build_engine(
    device: str = "auto",
    dtype: str = "auto",
    token_budget: int = 0,
    cache: Path | None = None,
    models: Sequence[str] = (),
    profile: str | None = None,
) -> Engine:
    """The engine that these options ask for; `models` as `ROLE=MODEL`. Raises ConfigError for what does not fit."""
    chosen = {}
    for text in models:
        role, equals, name = text.partition("=")
        if not equals or not role or not name:
            raise ConfigError(f"--model {text!r}: expected ROLE=MODEL, e.g. encoder=./my-model")
        chosen[role] = name
    store = DiskCache(cache) if cache else MemoryCache()
    names: Any = profile or DEFAULT_PROFILE, dtype  # the engine looks whether there are such
    return Engine(names[0], device, names[1], token_budget, store, chosen)
