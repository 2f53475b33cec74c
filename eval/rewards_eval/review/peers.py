"""Whose a connection within this machine is, as far as Linux says."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from pathlib import Path

TABLES = ("tcp", "tcp6")
"""A program may come to an address of IPv4 through a socket of IPv6."""


def owner(there: tuple[str, int], here: tuple[str, int]) -> int | None:
    """The id of the user whose program has connected from `there` to `here`, both of IPv4; None where nobody says."""
    ends = _written(there), _written(here)
    for table in TABLES:
        with suppress(OSError):  # no Linux
            for line in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
                _, *found, _, _, _, _, user = line.split()[:8]
                if all(one.endswith(end) for one, end in zip(found, ends, strict=True)):
                    return int(user)
    return None


def _written(end: tuple[str, int]) -> str:
    """An end of a connection as the tables write it: the address in the machine's order of bytes, and the port."""
    address, port = end
    return f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}:{port:04X}"
