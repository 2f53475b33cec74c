"""Errors named by the boundary that was crossed. Each message says what is wrong, where, and what to do."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rewards.text.surrogates import without_surrogates

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says where there is no room to write."""


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
    """A reward that failed on a record where that was to be fatal (`--strict`); the CLI exits with 1."""


class ModelError(RewardsError):
    """Model files that are missing, corrupt or not of the expected kind. `role` is what the model was wanted for, where known."""

    def __init__(self, reason: str, role: str = "") -> None:
        super().__init__(reason)
        self.role = role


@contextmanager
def failing_as(told: Callable[[BaseException], RewardsError], *own: type[BaseException]) -> Iterator[None]:
    """What a plugin raises in here becomes the error that `told` makes of it, save what is of one of its `own` kinds.

    A plugin may fail in any way, by an exit or a cancelled task too, and ends nothing but its own work. Ctrl-C stays Ctrl-C.
    """
    passing: tuple[type[BaseException], ...] = (KeyboardInterrupt, *own)
    try:
        yield
    except passing:
        raise
    except BaseException as error:
        raise told(error) from error


def tell(error: BaseException) -> str:
    """What a stranger's code raised, as text that a file can hold: `ValueError: no such word`.

    Of a PluginError the message alone; of what cannot be told (its `__str__` raises) the name of its type.
    """
    kind = type(error).__name__
    try:
        text = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  (it may fail in telling why, too)
        return kind
    return without_surrogates(text if isinstance(error, PluginError) else f"{kind}: {text}")


def unknown(kind: str, given: object, known: Sequence[str]) -> str:
    """`no profile is called 'ful' (did you mean 'full'?); there are embedded, full`; empty where the name is a known one."""
    if given in known:
        return ""
    return f"no {kind} is called {given!r}{nearest(str(given), known)}; there are {', '.join(known)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """The question ` (did you mean 'x'?)` for the closest known name, or one that begins so; nothing where none is close."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1) or [
        one for one in names if len(name) > 2 and one.startswith(name)
    ]
    return f" (did you mean {close[0]!r}?)" if close else ""
