"""GRPO on any suite, through TRL: `rewards train`, and the suite as TRL's reward functions."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import rewards

if TYPE_CHECKING:
    import typer

    from rewards_train.adapter import RewardPlan, Scorer
    from rewards_train.remote import RemoteTotal

_HOMES = {
    "RemoteTotal": "rewards_train.remote",
    "RewardPlan": "rewards_train.adapter",
    "Scorer": "rewards_train.adapter",
}

__all__ = ["RemoteTotal", "RewardPlan", "Scorer"]


if not TYPE_CHECKING:  # a type checker would take it for any name, misspelt ones too

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'rewards_train' has no attribute {name!r}")
        return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "register_commands"]  # where pluggy looks for hooks


@rewards.hookimpl
def register_commands(app: typer.Typer) -> None:
    """Add `rewards train` and `rewards recipe`."""
    from rewards_train import cli

    app.command("train")(cli.train)
    app.command("train-worker", hidden=True)(cli.worker)
    app.add_typer(cli.recipes, name="recipe")
