"""Logging to a terminal: control characters are escaped, and repeated messages suppressed."""

from __future__ import annotations

import logging
import sys
import traceback
from collections import Counter
from collections.abc import Hashable

from rewards.stderr import ignoring_stderr_errors
from rewards.text.plain import plain


class PlainFormatter(logging.Formatter):
    """Formats log records, tracebacks included, with control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text with control characters escaped."""
        return plain(super().format(record))


class FloodFilter(logging.Filter):
    """Lets each message pass only a few times, because an error may occur for every record of a large file.

    Two messages are taken for the same one where logger and first line are equal. With an exception, its type and the lines
    of its traceback count in place of the text, which may contain data that differs for every record.
    """

    def __init__(self, passes: int = 3, tracked: int = 10_000) -> None:
        super().__init__()
        self._passes, self._tracked = passes, tracked
        self._seen: Counter[tuple[str, Hashable]] = Counter()
        self._lines: dict[tuple[str, Hashable], str] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this message may still be logged."""
        try:
            line = record.getMessage().partition("\n")[0]
        except Exception:  # noqa: BLE001  (arguments that do not fit the message: the handler reports that)
            return True
        key = record.name, _place(record) or line
        if key in self._seen or len(self._seen) < self._tracked:
            self._seen[key] += 1
            self._lines.setdefault(key, line)
        return self._seen[key] <= self._passes

    def report(self) -> None:
        """Print on stderr which messages were suppressed, and how often."""
        for key, count in self._seen.items():
            if count > self._passes:
                with ignoring_stderr_errors():
                    print(plain(f"{key[0]}: {self._lines[key]} ({count - self._passes:,} more times)"), file=sys.stderr)
        self._seen.clear()
        self._lines.clear()


def _place(record: logging.LogRecord) -> Hashable:
    """The type of the logged exception and the lines of code in its traceback; None without an exception."""
    if not isinstance(record.exc_info, tuple) or record.exc_info[0] is None:
        return None
    frames = traceback.walk_tb(record.exc_info[2])
    return record.exc_info[0], frozenset((frame.f_code.co_filename, line) for frame, line in frames)


def log_to_terminal() -> FloodFilter:
    """Log warnings on stderr with this formatter and filter; returns the filter, for its `report` at the end."""
    handler, flood = logging.StreamHandler(sys.stderr), FloodFilter()
    handler.setFormatter(PlainFormatter("%(levelname)s %(name)s: %(message)s"))
    handler.addFilter(flood)
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    return flood


def log_level(new: int | None = None) -> int:
    """The level from which this package logs, first set to `new` where that is given."""
    logger = logging.getLogger("rewards")
    if new is not None:
        logger.setLevel(new)
    return logger.level
