"""A suite: which rewards, which of them gate, what is paid. The same object scores files, trains and evaluates."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rewards.config import Number, as_json, parse, read_yaml
from rewards.contract import Reward, Threshold
from rewards.declaring import SETTINGS
from rewards.engine import roles
from rewards.engine.engine import Engine
from rewards.errors import ConfigError, RewardsError, nearest
from rewards.fitting.params import Params, load_params
from rewards.models.specs import DEFAULT_PROFILE, Profile
from rewards.paths import as_text, user_path
from rewards.plugins import Origin, Registry, registry
from rewards.result import Result
from rewards.scoring import score
from rewards.types import FLOAT32, Revision

Empty = Literal["original", "zero"]
IN_PROCESS = Origin("none", "this process", "")
"""The origin of a reward that was passed as an object, not found by name."""


class Setting(BaseModel):
    """How a suite uses one reward."""

    model_config = ConfigDict(extra="forbid")

    gate: bool = False
    together: bool = False  # the gate also judges a sentence's accepted edits as one edit: all or none stay accepted
    weight: Number = Field(default=0.0, ge=-FLOAT32, le=FLOAT32, allow_inf_nan=False)
    threshold: Number | None = Field(default=None, allow_inf_nan=False)
    empty: Empty = "original"
    params: str | None = None  # a folder of `rewards fit`
    arguments: dict[str, Any] = Field(default_factory=dict)


class SuiteFile(BaseModel):
    """A suite as its YAML file states it; folders in it are relative to that file."""

    model_config = ConfigDict(extra="forbid")

    description: str
    profile: Profile | None = None
    models: dict[str, str] = Field(default_factory=dict)
    rewards: dict[str, Setting | None] = Field(examples=["{fluency: {gate: true}, appropriateness: {weight: 1}}"])


@dataclass(frozen=True, slots=True)
class Component:
    """One reward of a suite with its checked settings. `weight` 0 measures without paying."""

    reward: Reward
    origin: Origin
    arguments: Mapping[str, Any]
    gate: bool = False
    together: bool = False
    weight: float = 0.0
    threshold: Threshold | None = None
    empty: Empty = "original"
    params: Params | None = None

    @property
    def name(self) -> str:
        """The reward's name."""
        return self.reward.name

    def describe(self) -> dict[str, Any]:
        """The settings of this component for result files, complete enough to rebuild it."""
        return {
            "level": self.reward.level,
            "gate": self.gate,
            "together": self.together,
            "weight": self.weight,
            "threshold": self.threshold.value if self.threshold else None,
            "threshold_source": self.threshold.source if self.threshold else None,
            "higher_is_better": self.reward.higher_is_better,
            "range": [bound if math.isfinite(bound) else None for bound in self.reward.range],
            "empty": self.empty,
            "arguments": as_json(self.arguments),
            "params": {"folder": as_text(self.params.folder), "digest": self.params.digest} if self.params else None,
            "distribution": self.origin.distribution,
            "version": self.origin.version,
        }


@dataclass(frozen=True)
class Suite:
    """Rewards with their gates, weights and thresholds, on one engine."""

    name: str
    description: str
    components: tuple[Component, ...] = field(repr=False)
    engine: Engine = field(default_factory=Engine, repr=False)
    strict: bool = False

    def __repr__(self) -> str:
        uses = [f"{c.name}{' gate' * c.gate}{f' {c.weight:g}' if c.weight else ''}" for c in self.components]
        return f"<suite {self.name!r}: {', '.join(uses)}>"

    def score(self, revisions: Iterable[Revision]) -> list[Result]:
        """One Result per revision, in order. All revisions are scored as one batch.

        A reward that fails on a revision makes that revision's result `failed`, unless the suite is strict: then the
        error propagates. Raises TypeError where an item is no Revision, ModelError where a model is missing.
        """
        return score(self, revisions)

    def roles(self) -> set[str]:
        """The roles of models that its rewards read."""
        return {model.role for component in self.components for model in component.reward.models}

    def describe(self) -> dict[str, Any]:
        """The suite for result files: every setting, the plugins' versions, the models used so far."""
        return {**self._settings(), **self.engine.describe()}

    def identify(self) -> dict[str, Any]:
        """Everything that scores depend on, known before scoring: every setting, each model's files and precision.

        Raises ModelError where a model is missing.
        """
        models = self.engine.identify(model for component in self.components for model in component.reward.models)
        return {**self._settings(), "profile": self.engine.profile, "models": models}

    def _settings(self) -> dict[str, Any]:
        return {"suite": self.name, "rewards": {one.name: one.describe() for one in self.components}}


def load_suite(
    name: str | Path = "default",
    *,
    rewards: Sequence[str | Reward] = (),
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    engine: Engine | None = None,
    profile: Profile | None = None,
    strict: bool = False,
    plugins: Registry | None = None,
) -> Suite:
    """The suite of this name or YAML file, ready to score.

    `rewards` (names or Reward objects) are measured in addition, with weight 0. `settings` override by reward: gate,
    together, weight, threshold, empty, params, and arguments, either directly by name or under `arguments` as in the file.
    `profile` overrides the suite's; where neither is given, the engine's is used. `engine` also carries device, dtype and
    cache. Raises ConfigError for a file, setting or argument that does not fit, PluginError for a suite or reward that does
    not exist and for a mistake in a reward's declaration.
    """
    plugins = plugins or registry()
    path = user_path(str(name)) if str(name).endswith((".yaml", ".yml")) else plugins.suite(str(name))[0]
    stated = parse(SuiteFile, read_yaml(path, "rewards suite show default"), str(path))
    return _build(path, stated, rewards, settings, engine, profile, strict, plugins)


def suite_of(
    rewards: Sequence[str | Reward],
    *,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    engine: Engine | None = None,
    profile: Profile | None = None,
    strict: bool = False,
    plugins: Registry | None = None,
) -> Suite:
    """A suite of these rewards alone (names or Reward objects): no gates, so every valid edit is accepted; all weights 0.

    `settings` can change both, as in `load_suite`. Raises ConfigError and PluginError as `load_suite`.
    """
    stated = SuiteFile(description="these rewards alone", rewards={})
    return _build(None, stated, rewards, settings, engine, profile, strict, plugins or registry())


def _build(
    path: Path | None,
    stated: SuiteFile,
    extra: Sequence[str | Reward],
    settings: Mapping[str, Mapping[str, Any]] | None,
    engine: Engine | None,
    profile: Profile | None,
    strict: bool,
    plugins: Registry,
) -> Suite:
    name, settings, engine = as_text(path.stem) if path else "custom", settings or {}, engine or Engine()
    extra = _checked(extra, settings, engine)
    chosen = {reward: _beside(path, setting or Setting()) for reward, setting in stated.rewards.items()}
    declared = {one.name: (one, IN_PROCESS) for one in extra if isinstance(one, Reward)}
    for one in extra:
        chosen.setdefault(one.name if isinstance(one, Reward) else one, Setting())
    for reward in settings:
        if reward not in chosen:
            raise ConfigError(
                f"{reward}.{next(iter(settings[reward]), '…')} is set, but suite {name!r} has no reward"
                f" {reward!r}{nearest(reward, chosen)}; it has {', '.join(chosen)}"
            )
    if not chosen:
        raise ConfigError(f"{f'{path}: ' if path else ''}suite {name!r} names no rewards")
    # A view of the engine: loaded models and cache are shared, but two suites may differ in profile and models.
    engine = replace(engine, profile=profile or _profile(path, stated, engine), models=_models(path, stated, engine))
    components = []
    for reward, setting in chosen.items():
        given = settings.get(reward, {})
        with _in_file(path if reward in stated.rewards else None, [f"{reward}.{key}" for key in given]):
            found = declared.get(reward) or plugins.reward(reward)
            components.append(_component(*found, _override(setting, given, reward), engine.profile))
    suite = Suite(name, stated.description, tuple(components), engine, strict)
    with _in_file(path, ()):
        roles.check(stated.models, suite.roles(), "models.")
    engine.check_roles(suite.roles())
    _check_models(components)
    return suite


def _checked(extra: Any, settings: Any, engine: Any) -> list[str | Reward]:
    """The rewards as a list. Raises ConfigError where an argument of a call in Python has the wrong type."""
    given: list[Any] = list(extra) if isinstance(extra, Iterable) and not isinstance(extra, str) else [None]
    if not all(isinstance(one, str | Reward) for one in given):
        raise ConfigError(f"rewards={extra!r:.100}: expected a list of names or rewards, e.g. ['fluency', brevity]")
    if not isinstance(engine, Engine):
        raise ConfigError(f"engine={engine!r:.100}: expected an Engine, e.g. rewards.Engine(device='cpu')")
    own = [one.name for one in given if isinstance(one, Reward)]
    if twice := {name for name in own if own.count(name) > 1}:
        raise ConfigError(f"two of the rewards are called {min(twice)!r}")
    if not isinstance(settings, Mapping) or not all(isinstance(one, Mapping) for one in settings.values()):
        raise ConfigError(f"settings={settings!r:.100}: expected a mapping for each reward: {{NAME: {{'weight': 1}}}}")
    return given


@contextlib.contextmanager
def _in_file(path: Path | None, overridden: Sequence[str]) -> Iterator[None]:
    """Errors raised inside name the suite's file and the overrides."""
    try:
        yield
    except RewardsError as error:
        if path is None:
            raise
        more = f", with {', '.join(overridden)} set" if overridden else ""
        raise type(error)(f"{path}{more}: {error}") from error


def _profile(path: Path | None, stated: SuiteFile, engine: Engine) -> Profile:
    """The suite's profile, else the engine's. Raises ConfigError where they differ and the engine's is not the default."""
    if stated.profile and engine.profile not in (stated.profile, DEFAULT_PROFILE):
        raise ConfigError(
            f"{path}: its profile is {stated.profile!r}, the engine's is {engine.profile!r};"
            " say which: load_suite(…, profile=…)"
        )
    return stated.profile or engine.profile


def _models(path: Path | None, stated: SuiteFile, engine: Engine) -> dict[str, str]:
    """The models by role: those of the suite's file, whose folders are relative to it, overridden by the engine's."""
    found = dict(stated.models)
    for role, name in found.items():
        if path and (folder := path.parent / user_path(name)).is_dir():
            found[role] = str(folder)
    return {**found, **engine.models}


def _beside(path: Path | None, setting: Setting) -> Setting:
    """The setting with its `params` folder taken as relative to the suite's file."""
    if path is None or setting.params is None:
        return setting
    return setting.model_copy(update={"params": str(path.parent / user_path(setting.params))})


def _override(setting: Setting, given: Mapping[str, Any], reward: str) -> Setting:
    data, stated = setting.model_dump(), given.get("arguments", {})
    if not isinstance(stated, Mapping):
        raise ConfigError(f"reward {reward!r}: arguments={stated!r:.100}: expected a mapping, e.g. {{'factor': 0.5}}")
    data |= {key: value for key, value in given.items() if key in SETTINGS}
    bare = {key: value for key, value in given.items() if key not in (*SETTINGS, "arguments")}
    return parse(Setting, {**data, "arguments": {**data["arguments"], **stated, **bare}}, f"reward {reward!r}")


def _component(reward: Reward, origin: Origin, setting: Setting, profile: Profile) -> Component:
    name, params = reward.name, None
    if setting.params is not None:
        reward, params = load_params(reward, user_path(setting.params))
    threshold = reward.thresholds.get(profile)
    if setting.threshold is not None:
        threshold = Threshold(setting.threshold, "set by the suite or the command line")
    if setting.gate and reward.level == "global":
        raise ConfigError(f"reward {name!r} is global: it sees the argument after the gates, so it cannot be one")
    if setting.together and not (setting.gate and reward.level == "edit"):
        found = f"{'a gate' if setting.gate else 'no gate, and'} at {reward.level} level"
        raise ConfigError(f"reward {name!r}: `together` is for gates at edit level; this one is {found}")
    if setting.gate and threshold is None:
        raise ConfigError(f"reward {name!r} gates, but has no threshold in profile {profile!r}; set one")
    low, high = reward.range
    if threshold is not None and not low <= threshold.value <= high:
        raise ConfigError(
            f"reward {name!r}: the threshold {threshold.value:g} lies outside its range [{low:g}, {high:g}]"
        )
    if setting.weight > 0 and not reward.higher_is_better:
        raise ConfigError(f"reward {name!r}: lower values are better, so a positive weight pays for bad ones")
    if setting.empty == "zero" and reward.level != "global":
        raise ConfigError(f"reward {name!r}: `empty` is for global rewards; this one is at {reward.level} level")
    arguments = reward.parse_arguments(setting.arguments)
    return Component(
        reward, origin, arguments, setting.gate, setting.together, setting.weight, threshold, setting.empty, params
    )


def _check_models(components: Sequence[Component]) -> None:
    """Raise ConfigError where two rewards use different models for one role, which happens when one of them has params."""
    seen: dict[str, tuple[Any, Component]] = {}
    for component in components:
        for model in component.reward.models:
            known, other = seen.setdefault(model.role, (model, component))
            if known != model and (component.params or other.params):
                raise ConfigError(
                    f"rewards {other.name!r} and {component.name!r} share the model of role {model.role!r}: give both the same"
                    f" folder as {other.name}.params and {component.name}.params"
                )
