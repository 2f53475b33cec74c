"""Can a suite be gamed? Scores attacks beside honest edits, and looks for reward hacking in scored files and logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rewards

if TYPE_CHECKING:
    import typer


@rewards.hookimpl
def register_commands(app: typer.Typer) -> None:
    """Add `rewards audit`."""
    from rewards_audit.command import audit

    app.command("audit")(audit)
