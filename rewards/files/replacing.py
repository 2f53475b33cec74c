"""Atomic writes: a file is written beside its final path and synced to disk, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def partial_of(path: Path) -> Path:
    """The path of a file while it is being written."""
    return path.with_name(f"{path.name}.partial")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields the path of the file to write, which is renamed to `path` at the end, or removed where the block raises."""
    partial = partial_of(path)
    try:
        yield partial
        with partial.open("r+b") as written:  # Windows cannot sync a file that is open for reading only
            os.fsync(written.fileno())  # otherwise the renamed file may be empty after a power cut
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
