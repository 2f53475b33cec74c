"""Standard error: what takes in all that is no result, and may be full or gone itself, which is no reason to lose results."""

from __future__ import annotations

import ctypes
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
            lead_nowhere(sys.stderr.fileno())


def hold_closed() -> None:
    """Let no file that is opened get the number of a standard output or error that was closed: plugins may write to that."""
    for number in (1, 2):
        try:
            os.fstat(number)
        except OSError:
            lead_nowhere(number)


def take_stdout() -> None:
    """From here on, what this process and those it starts write to standard output goes to standard error.

    It goes nowhere where that was closed. A standard output that was closed stays as it is: a file may have its number.
    """
    if sys.__stdout__ is not None and sys.__stderr__ is not None:
        os.dup2(2, 1)
    elif sys.__stdout__ is not None:
        lead_nowhere(1)


def lead_nowhere(number: int) -> None:
    """From here on, what is written to this descriptor is lost, and can fail no more."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    if nothing == number:
        os.set_inheritable(number, True)
    else:
        os.dup2(nothing, number)  # which can be inherited
        os.close(nothing)


@contextmanager
def stdout_taken() -> Iterator[None]:
    """The same for a while: what the block writes to descriptor 1 goes to standard error."""
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
    """Write out what Python and C libraries hold back of standard output, while it still goes where it was meant to."""
    with suppress(OSError, ValueError):
        if sys.__stdout__ is not None:
            sys.__stdout__.flush()
    with suppress(AttributeError, OSError, TypeError):  # where the C library goes by another name
        ctypes.CDLL(None).fflush(None)
