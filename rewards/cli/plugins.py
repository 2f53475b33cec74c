"""`rewards list`, `rewards show`, `rewards plugins`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from rewards.cli.kinds import kind_of
from rewards.cli.suites import print_suites, text_of
from rewards.cli.terminal import print_table
from rewards.contract import Reward
from rewards.errors import ConfigError, PluginError, nearest
from rewards.models.specs import PROFILES, Checkpoint, Spec, Wheel
from rewards.paths import user_path
from rewards.plugins import Plugin, Registry, registry
from rewards.text.plain import plain


def list_all() -> None:
    """List the rewards, suites and formats that are installed."""
    found = registry()
    rewards = [(n, r.level, _gate(r), r.summary, origin.distribution) for n, r, origin in found.rewards]
    formats = [(name, format_.description, origin.distribution) for name, format_, origin in found.formats]
    print_table("rewards", ("name", "level", "passes", "measures", "from"), rewards, "measures", "from")
    print()
    print_suites(found)
    print()
    print_table("formats", ("name", "description", "from"), formats, "description", "from")
    print("\npasses: from where, embedded/full where profiles differ; rewards show NAME: more")
    _warn(found)


def show(
    name: Annotated[
        str, typer.Argument(help="A reward or a suite. NAME.params=DIR shows it with parameters of `rewards fit`.")
    ],
) -> None:
    """Print what a reward measures: arguments, models, data, threshold, source; or a suite's file."""
    found = registry()
    rewards, suites = {n for n, _, _ in found.rewards}, {n for n, _, _ in found.suites}
    if name not in rewards and name in found.suites:  # where two suites clash, the error names both
        print(text_of(name), end="")
        return
    name, given, folder = name.partition(".params=")
    if given and not folder:
        raise ConfigError(f"{name}.params= names no folder; give one of `rewards fit`")
    if name not in found.rewards and not folder and not found.failed:
        raise PluginError(_nothing_called(name, [*rewards, *suites]))
    reward, origin = found.reward(name)
    from pydantic.fields import FieldInfo

    from rewards.fitting.params import load_params
    from rewards.fitting.run import fit_of, options_of

    if folder:
        reward, _ = load_params(reward, user_path(folder))
    print(f"{reward.name}: a reward at {reward.level} level, from {origin}\n")
    print(inspect.getdoc(reward.function) or "(no description)")
    low, high = reward.range
    print(f"\nrange      [{low:g}, {high:g}], {'higher' if reward.higher_is_better else 'lower'} is better")
    for profile, threshold in reward.thresholds.items():
        print(
            f"passes     {_sign(reward)} {threshold.value:.6g} in profile {profile}: {threshold.source or 'set in code'}"
        )
    for argument, field in reward.arguments.model_fields.items():
        kind = kind_of(field.annotation, field.metadata)
        default = "required" if field.is_required() else f"default {field.default!r}"
        print(f"argument   {argument}: {kind}, {default}")
    if reward.fitter or reward.level != "global":  # a global reward is never a gate
        print(f"fit        rewards fit {name} --data FILE -o DIR")
        for option, (annotation, default) in options_of(name, fit_of(reward)).items():
            info = FieldInfo.from_annotation(annotation)
            stated = "required" if default is ... else f"default {default!r}"
            print(f"option     {option}: {kind_of(info.annotation, info.metadata)}, {stated}")
    for model in reward.models:
        for profile, spec in model.profiles.items():
            print(f"model      {model.role} ({profile}): {_model(spec)}")
    for key, value in _parts(reward):
        _print_card(key, value, 0)


def plugins(
    traceback: Annotated[bool, typer.Option("--traceback", help="Show the traceback of plugins that failed.")] = False,
) -> None:
    """List the installed plugins, what each registers, and why any failed to load."""
    found = registry()
    _note_more(found)
    rows = [(p.origin.plugin, p.origin.distribution, p.origin.version, _state(p)) for p in found.plugins]
    print_table("plugins", ("plugin", "distribution", "version", "registers"), rows, "registers", "version")
    if traceback:
        for plugin in found.failed:
            print(plain(f"\n{plugin.origin}:\n{plugin.traceback}"), file=sys.stderr)
    if _warn(found):
        raise typer.Exit(1)


def _nothing_called(name: str, known: Sequence[str]) -> str:
    """The message that no reward or suite has this name, with the nearest one; for a suite's file, how to use it."""
    message = f"no reward or suite is called {name!r}"
    if name.endswith((".yaml", ".yml")) and user_path(name).is_file():
        return f"{message}; a suite in a file of your own is used with --suite {name}"
    return f"{message}{nearest(name, known)}. `rewards list` shows what there is"


def _note_more(found: Registry) -> None:
    """Add to the plugins' problems: cards and arguments of rewards that cannot be read, and hooks that register nothing."""
    plugins = {plugin.origin: plugin for plugin in found.plugins}
    for _, reward, origin in found.rewards:
        if reward.card_path is not None and reward.card_path.is_file():  # a file that is missing is noted already
            try:
                _ = reward.card
            except PluginError as error:
                plugins[origin].note(str(error))
        try:
            reward.parse_arguments({})
        except PluginError as error:
            plugins[origin].note(str(error))
        except ConfigError:  # an argument has no default
            pass
    for plugin in found.plugins:
        if not (plugin.failed or plugin.registered or plugin.problems):
            plugin.note("its hooks register nothing")


def _warn(found: Registry) -> bool:
    """Print the problems of the installed plugins on stderr; returns whether there are any."""
    problems = [f"plugin {p.origin} failed to load: {p.failed}" for p in found.failed]
    problems += [f"plugin {p.origin}: {text}" for p in found.plugins for text in p.problems]
    for shelf in (found.rewards, found.suites, found.formats):
        problems += shelf.clashes()
    for problem in problems:
        print(plain(f"warning: {problem}"), file=sys.stderr)
    return bool(problems)


def _state(plugin: Plugin) -> str:
    """What a plugin registers, grouped by kind, and its problems."""
    if plugin.failed:
        return f"failed: {plugin.failed}"
    kinds: dict[str, list[str]] = {}
    for entry in plugin.registered:
        kind, _, name = entry.partition(" ")
        kinds.setdefault(kind, []).append(name)
    registered = [f"{kind} {', '.join(names)}" for kind, names in kinds.items()]
    return "; ".join([*registered, *(f"problem: {text}" for text in plugin.problems)])


def _gate(reward: Reward) -> str:
    """The thresholds in brief: `≥ 0.647/0.614` where the profiles differ, the profile's name where only one gates."""
    values = {profile: f"{threshold.value:.3g}" for profile, threshold in reward.thresholds.items()}
    if not values:
        return ""
    distinct = "/".join(dict.fromkeys(values[profile] for profile in PROFILES if profile in values))
    return f"{_sign(reward)} {distinct}" + ("" if len(values) == len(PROFILES) else f" ({', '.join(values)})")


def _sign(reward: Reward) -> str:
    return "≥" if reward.higher_is_better else "≤"


def _model(spec: Spec) -> str:
    if not isinstance(spec, Checkpoint):
        return f"{spec.name}, parameters {spec.digest[:16]}"
    source = spec.source
    if source is None:
        return "none is published; --model ROLE=FOLDER_OR_HUB_ID"
    return f"{source.name} (PyPI {source.requirement}, {source.licence})" if isinstance(source, Wheel) else source.id


def _parts(reward: Reward) -> Iterator[tuple[str, Any]]:
    """The entries of the card; those of `limits.json`, `limits` and `failures`, stand on the same level."""
    for key, value in reward.card.items():
        yield from value.items() if key == "limits" and isinstance(value, dict) else [(key, value)]


def _print_card(key: str, value: Any, depth: int) -> None:
    indent = "  " * depth
    if isinstance(value, dict):
        print(f"{indent}{key}:")
        for inner, item in value.items():
            _print_card(str(inner), item, depth + 1)
    elif isinstance(value, list) and any(isinstance(item, (dict, list)) or " " in str(item) for item in value):
        print(f"{indent}{key}:")
        for number, item in enumerate(value, 1):
            _print_card(str(number), item, depth + 1)
    else:
        print(f"{indent}{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
