"""A suite behind HTTP: `rewards serve`, for trainers and programs that score from other processes or machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rewards

if TYPE_CHECKING:
    import typer


@rewards.hookimpl
def register_commands(app: typer.Typer) -> None:
    """Add `rewards serve`."""
    from rewards_serve.command import serve

    app.command("serve")(serve)
