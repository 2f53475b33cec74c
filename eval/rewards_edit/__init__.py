"""Lets a policy edit arguments, in one or several rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rewards

if TYPE_CHECKING:
    import typer


@rewards.hookimpl
def register_commands(app: typer.Typer) -> None:
    """Add `rewards edit`."""
    from rewards_edit.command import edit

    app.command("edit")(edit)
