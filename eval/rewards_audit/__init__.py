"""Can a suite be gamed? Attacks scored beside honest edits, and what scored files and training logs show of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rewards

if TYPE_CHECKING:
    import typer


@rewards.hookimpl
def register_commands(app: typer.Typer) -> None:
    """Add the command."""
    from rewards_audit.command import audit

    app.command("audit")(audit)
