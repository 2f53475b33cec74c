"""A policy at work: suggestions for arguments, in rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rewards

if TYPE_CHECKING:
    import typer


@rewards.hookimpl
def register_commands(app: typer.Typer) -> None:
    """Add the command."""
    from rewards_edit.command import edit

    app.command("edit")(edit)
