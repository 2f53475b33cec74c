"""Standard error, which may be full or gone: no reason to lose results."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def unheard() -> Iterator[None]:
    """What is written to standard error meanwhile is lost where it cannot be written, and so is all after it."""
    try:
        yield
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        if sys.stderr is None:
            raise
        with suppress(OSError, ValueError):  # what is left in the buffer would fail once more at the end of the process
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
