"""`rewards list`, `rewards show`, `rewards plugins`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from rewards.cli.terminal import plain
from rewards.plugins import Registry, registry


def list_all() -> None:
    """List the rewards, suites and formats that are installed."""
    from rich.table import Table

    found = registry()
    table = Table(title="rewards", title_justify="left")
    for column in ("name", "level", "gates", "measures", "from"):
        table.add_column(column, overflow="fold")
    for name, reward, origin in found.rewards:
        gates = " ".join(f"{_sign(reward)} {t.value:.4g} ({p})" for p, t in reward.thresholds.items())
        table.add_row(name, reward.level, gates, reward.summary, origin.distribution)
    _print(table)
    table = Table("name", "description", "from", title="suites", title_justify="left")
    for name, path, origin in found.suites:
        table.add_row(name, _description(path), origin.distribution)
    _print(table)
    table = Table("name", "description", "from", title="formats", title_justify="left")
    for name, format_, origin in found.formats:
        table.add_row(name, format_.description, origin.distribution)
    _print(table)
    _warn(found)


def show(name: Annotated[str, typer.Argument(help="A reward or a suite.")]) -> None:
    """Print what a reward measures: arguments, models, data, threshold, source; or a suite's file."""
    found = registry()
    rewards, suites = {n for n, _, _ in found.rewards}, {n for n, _, _ in found.suites}
    if name not in rewards and name in suites:
        print(found.suite(name)[0].read_text(encoding="utf-8"), end="")
        return
    reward, origin = found.reward(name)
    import inspect

    print(f"{reward.name}: a reward at {reward.level} level, from {origin}\n")
    print(inspect.getdoc(reward.function) or "(no description)")
    low, high = reward.range
    print(f"\nrange      [{low:g}, {high:g}], {'higher' if reward.higher_is_better else 'lower'} is better")
    for profile, threshold in reward.thresholds.items():
        print(
            f"passes     {_sign(reward)} {threshold.value:.6g} in profile {profile}: {threshold.source or 'set in code'}"
        )
    for argument, field in reward.arguments.model_fields.items():
        kind = getattr(field.annotation, "__name__", str(field.annotation))
        default = "required" if field.is_required() else f"default {field.default!r}"
        print(f"argument   {argument}: {kind}, {default}")
    for model in reward.models:
        for profile, spec in model.profiles.items():
            print(f"model      {model.role} ({profile}): {_model(spec)}")
    for key, value in reward.card.items():
        _print_card(key, value, 0)


def plugins(
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where a failed plugin failed.")] = False,
) -> None:
    """List the installed plugins, what each registers, and what failed to load and why."""
    from rich.table import Table

    found = registry()
    table = Table(title="plugins", title_justify="left")
    for column in ("plugin", "distribution", "version", "state", "registers"):
        table.add_column(column, overflow="fold")
    for plugin in found.plugins:
        state = f"failed: {plugin.failed}" if plugin.failed else "; ".join(plugin.problems) or "loaded"
        origin = plugin.origin
        table.add_row(origin.plugin, origin.distribution, origin.version, state, ", ".join(plugin.registered))
    _print(table)
    if traceback:
        for plugin in found.failed:
            print(f"\n{plugin.origin}:\n{plugin.traceback}", file=sys.stderr)
    if _warn(found):
        raise typer.Exit(1)


def _warn(found: Registry) -> bool:
    """Say on stderr what is wrong with the installed plugins; whether anything is."""
    problems = [f"plugin {p.origin} failed to load: {p.failed}" for p in found.failed]
    problems += [f"plugin {p.origin}: {text}" for p in found.plugins for text in p.problems]
    for shelf in (found.rewards, found.suites, found.formats):
        problems += shelf.clashes()
    for problem in problems:
        print(plain(f"warning: {problem}"), file=sys.stderr)
    return bool(problems)


def _print(table: Any) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:  # a pipe has no width: do not fold the cells
        console.width = 200
    for column in table.columns:
        column._cells = [_escaped(cell) for cell in column._cells]  # names and errors of strangers are not markup
    console.print(table)


def _escaped(cell: Any) -> Any:
    from rich.markup import escape

    return escape(plain(cell)) if isinstance(cell, str) else cell


def _sign(reward: Any) -> str:
    return "≥" if reward.higher_is_better else "≤"


def _description(path: Any) -> str:
    from rewards.config import read_yaml
    from rewards.errors import ConfigError

    try:
        return str(read_yaml(path).get("description", ""))
    except ConfigError as error:
        return f"broken: {error}"


def _model(spec: Any) -> str:
    from rewards.models.specs import Checkpoint, Wheel

    if not isinstance(spec, Checkpoint):
        return f"{spec.name}, parameters {spec.digest[:16]}"
    source = spec.source
    if source is None:
        return "none is published; --model ROLE=FOLDER_OR_HUB_ID"
    return f"{source.name} (PyPI {source.requirement}, {source.licence})" if isinstance(source, Wheel) else source.id


def _print_card(key: str, value: Any, depth: int) -> None:
    indent = "  " * depth
    if isinstance(value, dict):
        print(f"{indent}{key}:")
        for inner, item in value.items():
            _print_card(str(inner), item, depth + 1)
    elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        print(f"{indent}{key}:")
        for number, item in enumerate(value, 1):
            _print_card(str(number), item, depth + 1)
    else:
        print(f"{indent}{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
