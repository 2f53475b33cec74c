"""Errors named by the boundary that was crossed. Each message says what is wrong, where, and what to do."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rewards.text.surrogates import without_surrogates

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers for a full disk, an exhausted quota and a file that is too large."""


class RewardsError(Exception):
    """An error the user can act on; the CLI prints its message without a traceback and exits with 2."""


class RecordError(RewardsError):
    """An input record that cannot be scored. `field` is the offending key, or "" for the line as a whole."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.reason = reason
        self.field = field


class ConfigError(RewardsError):
    """A suite, setting or command-line value that does not fit."""


class PluginError(RewardsError):
    """A plugin that cannot be loaded, clashes with another, or breaks its contract."""


class RewardFailed(PluginError):  # noqa: N818  (it says what happened to the reward)
    """A reward that failed on a record in a strict run (`--strict`); the CLI exits with 1."""


class ModelError(RewardsError):
    """Model files that are missing, corrupt or not of the expected kind. `role` is the role of the model, where known."""

    def __init__(self, reason: str, role: str = "") -> None:
        super().__init__(reason)
        self.role = role


@contextmanager
def failing_as(to_error: Callable[[BaseException], RewardsError], *own: type[BaseException]) -> Iterator[None]:
    """Raise the error that `to_error` makes of an exception raised inside. The types `own` and KeyboardInterrupt pass through.

    So nothing that a plugin raises, not even SystemExit or CancelledError, ends the run.
    """
    passing: tuple[type[BaseException], ...] = (KeyboardInterrupt, *own)
    try:
        yield
    except passing:
        raise
    except BaseException as error:
        raise to_error(error) from error


def tell(error: BaseException) -> str:
    """An exception of plugin code as text without lone surrogates: `ValueError: no such word`.

    For a PluginError the message alone; for an exception whose `__str__` raises, the name of its type.
    """
    kind = type(error).__name__
    try:
        text = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  (its `__str__` may raise anything, too)
        return kind
    return without_surrogates(text if isinstance(error, PluginError) else f"{kind}: {text}")


def unknown(kind: str, given: object, known: Sequence[str]) -> str:
    """The message `no profile is called 'ful' (did you mean 'full'?); there are embedded, full`; empty for a known name."""
    if given in known:
        return ""
    return f"no {kind} is called {given!r}{nearest(str(given), known)}; there are {', '.join(known)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint ` (did you mean 'x'?)` for the closest known name, or one that starts with `name`; empty without one."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1) or [
        one for one in names if len(name) > 2 and one.startswith(name)
    ]
    return f" (did you mean {close[0]!r}?)" if close else ""
