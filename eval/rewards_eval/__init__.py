"""The offline evaluator: compares systems with the same suites that train policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rewards

if TYPE_CHECKING:
    import typer


@rewards.hookimpl
def register_commands(app: typer.Typer) -> None:
    """Add `rewards eval` and `rewards review`."""
    from rewards_eval import command
    from rewards_eval.review.command import review

    app.command("eval")(command.evaluate)
    app.command("review")(review)
