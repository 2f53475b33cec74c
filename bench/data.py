"""The data sets that a measurement reads: missing files are reported before anything is measured."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

SYSTEMS = ("base", "v11")
"""The systems of the reference."""


def need(folder: Path, names: Iterable[str]) -> None:
    """Exit with one line where the folder lacks one of these files."""
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise SystemExit(
            f"{folder} lacks {', '.join(missing)}: docs/fitting.md says what they hold and where they are from"
        )
