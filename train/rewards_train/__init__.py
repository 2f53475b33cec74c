"""GRPO on any suite, through TRL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rewards

if TYPE_CHECKING:
    import typer


@rewards.hookimpl
def register_commands(app: typer.Typer) -> None:
    """Add the command."""
