"""Keeping a file to one process."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import IO

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def take(file: int) -> bool:
    """Take the lock of an open file, which the system lets go of with the process; False where another one holds it.

    On Windows and on file systems without locks nothing keeps two processes from one file, and it is always taken.
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
    """Remove the file whose lock is held, and only then let go of it, so that nobody takes it meanwhile.

    Windows removes no file that is open, and has no such lock: there it is let go of first.
    """
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        held.close()
        path.unlink(missing_ok=True)
    held.close()
