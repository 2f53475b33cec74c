"""Paths as users write them, and what tells files apart."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rewards.errors import ConfigError


def user_path(name: str) -> Path:
    """The path that a name stands for, `~` being the home folder. Raises ConfigError where nobody of that name has one."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{name}: nobody of that name has a home folder; write the whole path") from error


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
