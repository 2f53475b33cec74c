"""The user who owns the other end of a local connection, from /proc/net of Linux."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from pathlib import Path

TABLES = ("tcp", "tcp6")
"""Both, since a program can connect to an IPv4 address through an IPv6 socket."""


def owner(there: tuple[str, int], here: tuple[str, int]) -> int | None:
    """The user id of the program that connected from `there` to `here`, both IPv4; None where it is unknown."""
    ends = _written(there), _written(here)
    for table in TABLES:
        with suppress(OSError):  # not Linux
            for line in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
                _, *found, _, _, _, _, user = line.split()[:8]
                if all(one.endswith(end) for one, end in zip(found, ends, strict=True)):
                    return int(user)
    return None


def _written(end: tuple[str, int]) -> str:
    """An end of a connection as in the tables: the address in the machine's byte order, and the port, both in hex."""
    address, port = end
    return f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}:{port:04X}"
