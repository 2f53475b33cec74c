"""Paths as users write them."""

from __future__ import annotations

from pathlib import Path

from rewards.errors import ConfigError


def user_path(name: str) -> Path:
    """The path that a name stands for, `~` being the home folder. Raises ConfigError where nobody of that name has one."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{name}: nobody of that name has a home folder; write the whole path") from error
