"""Locks that keep a file to one process."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import IO

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def take(file: int) -> bool:
    """Lock an open file, until it is closed or the process ends; False where another process holds the lock.

    On Windows and on file systems without locks nothing is locked, and the result is always True.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def remove(path: Path, held: IO[bytes]) -> None:
    """Remove the locked file `held` and only then release its lock, so that no other process gets it in between.

    Windows cannot remove an open file, and has no such lock: there the file is closed first.
    """
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        held.close()
        path.unlink(missing_ok=True)
    held.close()
