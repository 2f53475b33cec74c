"""Standard error takes all output that is no result. It may be full or closed, which must not cost any results."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def ignoring_stderr_errors() -> Iterator[None]:
    """Ignore failures to write to standard error inside this context; after the first, all output to it is discarded."""
    try:
        yield
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        if sys.stderr is None:
            raise
        with suppress(OSError, ValueError):  # the rest of the buffer would fail again when the process ends
            discard_writes(sys.stderr.fileno())


def hold_closed() -> None:
    """Open the null device in place of a closed standard output or error: plugins may write to these descriptors.

    Otherwise the next file that is opened would get such a descriptor.
    """
    for number in (1, 2):
        try:
            os.fstat(number)
        except OSError:
            discard_writes(number)


def take_stdout() -> None:
    """Redirect the standard output of this process and of those it starts to standard error, from here on.

    Discards it where standard error was closed. A standard output that was closed is left alone: a file may have its
    descriptor.
    """
    if sys.__stdout__ is not None and sys.__stderr__ is not None:
        os.dup2(2, 1)
    elif sys.__stdout__ is not None:
        discard_writes(1)


def discard_writes(number: int) -> None:
    """Redirect a descriptor to the null device: from here on, writes to it are discarded and cannot fail."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    if nothing == number:
        os.set_inheritable(number, True)
    else:
        os.dup2(nothing, number)  # makes it inheritable
        os.close(nothing)


@contextmanager
def stdout_taken() -> Iterator[None]:
    """Redirect descriptor 1 to standard error while the block runs."""
    if sys.__stdout__ is None:
        yield
        return
    kept = os.dup(1)
    try:
        _flush()
        take_stdout()
        yield
    finally:
        _flush()
        os.dup2(kept, 1)
        os.close(kept)


def _flush() -> None:
    """Flush the buffers of Python and the C library for standard output, before it is redirected or restored."""
    with suppress(OSError, ValueError):
        if sys.__stdout__ is not None:
            sys.__stdout__.flush()
    with suppress(AttributeError, OSError, TypeError):  # where `CDLL(None)` does not give the C library
        ctypes.CDLL(None).fflush(None)
