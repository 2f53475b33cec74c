"""Everything a plugin can do, on one page. A plugin is a module (or object) named by an entry point of group `rewards`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import typer

    from rewards.contract import Reward
    from rewards.formats import Format

hookspec = pluggy.HookspecMarker("rewards")
hookimpl = pluggy.HookimplMarker("rewards")


@hookspec
def register_rewards(register: Callable[[Reward], None]) -> None:
    """Call `register(reward)` once for each reward, a function decorated with `rewards.reward`."""


@hookspec
def register_suites(register: Callable[[Path], None]) -> None:
    """Call `register(path)` once for each suite, a YAML file named after the suite."""


@hookspec
def register_formats(register: Callable[[Format], None]) -> None:
    """Call `register(format)` once for each format in which completions state their edits."""


@hookspec
def register_commands(app: typer.Typer) -> None:
    """Add commands to the command line: `app.command()(function)` or `app.add_typer(…)`."""
