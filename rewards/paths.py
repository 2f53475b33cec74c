"""Paths as users write them, and the text and digest of files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from rewards.errors import ConfigError
from rewards.text.surrogates import without_surrogates


def user_path(name: str) -> Path:
    """The path with `~` or `~user` expanded. Raises ConfigError where that user has no home folder."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{name}: nobody of that name has a home folder; write the whole path") from error


def as_text(path: Path | str) -> str:
    r"""The path as text that JSON can hold: bytes that are not UTF-8 are escaped, as `\xff`; no file has other surrogates."""
    try:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # YAML can state a lone surrogate
        return without_surrogates(str(path))


def read_utf8(path: Path) -> str:
    """The text of a file. Raises OSError, and ValueError that names the line where it is not UTF-8."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8; save the file in UTF-8") from error


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
