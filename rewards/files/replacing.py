"""A file that is there whole or not at all: it is written beside its place first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def partial_of(path: Path) -> Path:
    """Where a file lies while it is written."""
    return path.with_name(f"{path.name}.partial")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The file to write, which becomes `path` where nothing is raised in here."""
    partial = partial_of(path)
    yield partial
    partial.replace(path)
