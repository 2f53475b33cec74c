"""GRPO on any suite, through TRL: `rewards train`, and the suite as TRL's reward functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rewards

if TYPE_CHECKING:
    import typer


@rewards.hookimpl
def register_commands(app: typer.Typer) -> None:
    """Add `rewards train` and `rewards recipe`."""
    from rewards_train import cli

    app.command("train")(cli.train)
    app.command("train-worker", hidden=True)(cli.worker)
    app.add_typer(cli.recipes, name="recipe")
