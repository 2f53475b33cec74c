"""A suite and its engine as unresolved settings, which all commands share and which can be sent to other processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewards.errors import ConfigError
from rewards.formats import EDITS
from rewards.models.specs import DEFAULT_PROFILE
from rewards.plugins import registry

if TYPE_CHECKING:
    from rewards.contract import Reward
    from rewards.engine.engine import Engine
    from rewards.suite import Suite


@dataclass(frozen=True, slots=True)
class SuitePlan:
    """A suite and its engine as plain values, not checked before `load`. Can be pickled.

    `suite` is a name or a YAML file. `rewards` (names or Reward objects) are measured in addition; without a suite, they are
    measured alone. Without either, the suite is `default`. `cache` is a folder that keeps features between runs. The other
    fields are arguments of `load_suite` and `Engine`.
    """

    suite: str | None = None
    rewards: Sequence[str | Reward] = ()
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    profile: Any = None  # checked by the engine, as is the dtype
    models: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"
    dtype: Any = "auto"
    token_budget: int = 0
    cache: str | Path | None = None
    strict: bool = False

    def engine(self) -> Engine:
        """A new engine. Raises ConfigError for an invalid setting, RewardsError for a cache that cannot be opened."""
        from rewards.engine.cache import DiskCache, MemoryCache
        from rewards.engine.engine import Engine

        cache = DiskCache(self.cache) if self.cache else MemoryCache()
        profile = self.profile or DEFAULT_PROFILE
        return Engine(profile, self.device, self.dtype, self.token_budget, cache, self.models)

    def load(self, engine: Engine | None = None) -> Suite:
        """The suite, on a new engine unless one is given. Raises ConfigError and PluginError as `load_suite`."""
        from rewards.suite import load_suite, suite_of

        shared: dict[str, Any] = {
            "settings": self.settings, "engine": engine or self.engine(), "profile": self.profile, "strict": self.strict,
        }  # fmt: skip
        if self.suite is None and self.rewards:
            return suite_of(self.rewards, **shared)
        return load_suite(self.suite or "default", rewards=self.rewards, **shared)


def pairs(given: Sequence[str], option: str, form: str) -> dict[str, str]:
    """The values of a repeated option `KEY=VALUE`, by key. Raises ConfigError for another form or a repeated key."""
    found: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key or not value.strip():
            raise ConfigError(f"{option} {text!r}: expected {form}")
        if key in found:
            raise ConfigError(f"{option} {key} is given twice")
        found[key] = value
    return found


def parse_models(given: Sequence[str] | None, option: str = "--model") -> dict[str, str]:
    """The values of a repeated option `ROLE=MODEL`, by role. Raises ConfigError for another form or a repeated role."""
    form = "ROLE=MODEL, e.g. encoder=./my-model"
    return pairs(given or (), option, form)


def check_format(name: str | None) -> None:
    """Raise PluginError, with the nearest name, for a format that nobody registered."""
    if name is not None and name != EDITS:
        registry().format(name)
