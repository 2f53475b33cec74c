"""What is logged, on a terminal: said, not repeated, and never obeyed."""

from __future__ import annotations

import logging
import sys
from collections import Counter

from rewards.cli.terminal import plain


class PlainFormatter(logging.Formatter):
    """Log lines, tracebacks included, in which a terminal finds nothing to obey."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text without control characters."""
        return plain(super().format(record))


class FloodFilter(logging.Filter):
    """Lets each message pass a few times: what fails for every record of a large file is said, not repeated."""

    def __init__(self, passes: int = 3, tracked: int = 10_000) -> None:
        super().__init__()
        self._passes, self._tracked = passes, tracked
        self._seen: Counter[tuple[str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this message (its logger and first line) has not been logged often enough."""
        try:
            key = record.name, record.getMessage().partition("\n")[0]
        except Exception:  # noqa: BLE001  (arguments that do not fit the message: the handler reports that)
            return True
        if key in self._seen or len(self._seen) < self._tracked:
            self._seen[key] += 1
        return self._seen[key] <= self._passes

    def report(self) -> None:
        """Say on stderr what was held back, and how often."""
        for (name, line), count in self._seen.items():
            if count > self._passes:
                print(plain(f"{name}: {line} ({count - self._passes:,} more times)"), file=sys.stderr)
        self._seen.clear()


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
