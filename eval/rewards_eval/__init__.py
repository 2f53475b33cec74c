"""The offline evaluator: the suite that trains also judges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rewards

if TYPE_CHECKING:
    import typer


@rewards.hookimpl
def register_commands(app: typer.Typer) -> None:
    """Add `rewards eval`."""
    from rewards_eval import command

    app.command("eval")(command.evaluate)
