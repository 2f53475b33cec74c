"""What is logged, on a terminal: said, not repeated, and never obeyed."""

from __future__ import annotations

import logging
import sys
import traceback
from collections import Counter
from collections.abc import Hashable

from rewards.stderr import ignoring_stderr_errors
from rewards.text.plain import plain


class PlainFormatter(logging.Formatter):
    """Log lines, tracebacks included, in which a terminal finds nothing to obey."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text without control characters."""
        return plain(super().format(record))


class FloodFilter(logging.Filter):
    """Lets each message pass a few times: what fails for every record of a large file is said, not repeated.

    A message is known by its logger and first line, and where it comes with an exception by that one's type and the lines of
    code that led to it: the text may hold data, and be another one for every record.
    """

    def __init__(self, passes: int = 3, tracked: int = 10_000) -> None:
        super().__init__()
        self._passes, self._tracked = passes, tracked
        self._seen: Counter[tuple[str, Hashable]] = Counter()
        self._lines: dict[tuple[str, Hashable], str] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this message has not been logged often enough."""
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
        """Say on stderr what was held back, and how often."""
        for key, count in self._seen.items():
            if count > self._passes:
                with ignoring_stderr_errors():
                    print(plain(f"{key[0]}: {self._lines[key]} ({count - self._passes:,} more times)"), file=sys.stderr)
        self._seen.clear()
        self._lines.clear()


def _place(record: logging.LogRecord) -> Hashable:
    """The type of the exception that is logged, and every line of code that its traceback goes through; None without one."""
    if not isinstance(record.exc_info, tuple) or record.exc_info[0] is None:
        return None
    frames = traceback.walk_tb(record.exc_info[2])
    return record.exc_info[0], frozenset((frame.f_code.co_filename, line) for frame, line in frames)


def log_to_terminal() -> FloodFilter:
    """Let this process log warnings on stderr through what is above; its filter, to be asked for a report at the end."""
    handler, flood = logging.StreamHandler(sys.stderr), FloodFilter()
    handler.setFormatter(PlainFormatter("%(levelname)s %(name)s: %(message)s"))
    handler.addFilter(flood)
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    return flood


def log_level(new: int | None = None) -> int:
    """From which level this package logs; `new` where it is given."""
    logger = logging.getLogger("rewards")
    if new is not None:
        logger.setLevel(new)
    return logger.level
