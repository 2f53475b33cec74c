"""Where results go: the interface of sinks, and the sink for standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import IO, Any, Protocol

import orjson

from rewards.errors import RewardsError
from rewards.files.reading import KEPT, Line
from rewards.stderr import discard_writes, ignoring_stderr_errors

NOTHING: Mapping[str, Any] = MappingProxyType({})


def dump(record: Mapping[str, Any]) -> bytes:
    """The record as one line of JSON."""
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)


def rejection(line: Line) -> dict[str, Any]:
    """The entry of a bad line in the rejects file."""
    error = line.error
    return {
        "line": line.number,
        "field": error.field or None if error else None,
        "reason": error.reason if error else "",
        "text": line.raw[:KEPT].decode("utf-8", "replace").rstrip("\n"),
        "text_cut": len(line.raw) > KEPT or None,
    }


class Sink(Protocol):
    """Where results go."""

    done: int
    made: Mapping[str, Any]
    digest: str

    def write(self, records: Iterable[Mapping[str, Any]], made: Mapping[str, Any] = NOTHING) -> None:
        """Write one chunk of output records; `made` says how they and all before them were made."""

    def reject(self, line: Line) -> None:
        """Write one bad line."""

    def finish(self, header: Mapping[str, Any]) -> None:
        """Make the results final, with the header beside them."""

    def abandon(self) -> None:
        """Close after an error; what is written stays, so that the run can be resumed."""


class Stream:
    """Results to standard output (as it is when this is created), rejects to standard error; no header is written.

    Raises RewardsError where standard output is closed.
    """

    done = 0
    made: Mapping[str, Any] = NOTHING
    digest = ""

    def __init__(self) -> None:
        if sys.stdout is None:
            raise RewardsError("standard output is closed; give -o OUT to write to a file")
        sys.stdout.flush()
        try:  # a duplicate of the descriptor, which stays when standard output is redirected because of plugins
            self._out: IO[bytes] = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
        except (AttributeError, OSError, ValueError):  # one without a descriptor, as in tests and notebooks
            self._out = sys.stdout.buffer

    def write(self, records: Iterable[Mapping[str, Any]], made: Mapping[str, Any] = NOTHING) -> None:
        """Write one chunk of output records."""
        lines = [dump(record) for record in records]
        try:
            self._out.writelines(lines)
            self._out.flush()
        except OSError as error:
            # The rest of the buffer would fail again when the process ends.
            with suppress(OSError, ValueError):
                discard_writes(self._out.fileno())
            if isinstance(error, BrokenPipeError):  # the reader closed the pipe, which is no error
                raise
            raise RewardsError(
                f"standard output cannot be written: {error.strerror or error}; give -o OUT to write to a file"
            ) from error

    def reject(self, line: Line) -> None:
        """Write one bad line, as the rejects file would hold it."""
        if sys.stderr is not None:  # None where the user closed it
            with ignoring_stderr_errors():
                sys.stderr.buffer.write(b"rejected: " + dump(rejection(line)))

    def finish(self, header: Mapping[str, Any]) -> None:
        """Do nothing: everything is written, and no header is."""

    def abandon(self) -> None:
        """Do nothing: a stream cannot be resumed."""
