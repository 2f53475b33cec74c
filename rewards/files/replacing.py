"""A file that is there whole or not at all: it is written beside its place, and onto the disk, first."""

from __future__ import annotations

import os
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
    try:
        yield partial
        with partial.open("r+b") as written:  # Windows syncs no file that is open for reading alone
            os.fsync(written.fileno())  # after a power cut the name may otherwise stand for an empty file
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
