"""From a loaded suite to a server that listens, and to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
import time
from dataclasses import replace
from types import FrameType

import h11
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from rewards.engine.cache import MemoryCache
from rewards.errors import ModelError
from rewards.records import read_revision
from rewards.suite import Suite
from rewards_serve.desk import Desk

HEAD = 10.0  # seconds that the head of a request may take
IDLE = 75  # seconds between requests: longer than clients keep a connection, so that they send into none that closes
GRACE = 30.0  # seconds after the last pass that a server which ends leaves its clients, to send and to read
log = logging.getLogger("rewards.serve")
FIRST = {
    "issue": "Should lunch be longer?",
    "argument": "That is a stupid idea.",
    "edits": [
        {"sentence_id": 1, "inappropriate_part": "a stupid", "rewritten_part": "a weak", "reason": "Toxic Emotions"}
    ],
}


class Protocol(H11Protocol):
    """Closes a connection on which the whole head of a request does not come within `HEAD` seconds."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Wait for the first head."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take in what came; a part of a head does not prolong the wait for it."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        super().connection_lost(exc)
        self._forget()

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._late is None:
            self._late = self.loop.call_later(HEAD, self.transport.abort)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class Server(uvicorn.Server):
    """Answers what was taken in when it is asked to stop, and says so; asked once more, it closes every connection."""

    def __init__(self, config: uvicorn.Config, desk: Desk) -> None:
        super().__init__(config)
        self._desk = desk
        self._at_once = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop taking requests; the second time, whichever signal it is, at once."""
        if self.should_exit:
            self._at_once = True  # not uvicorn's `force_exit`, which logs every request that it cancels as an error
            return
        print("answering accepted requests; again to stop at once", file=sys.stderr)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Return once every connection is closed: by itself, `GRACE` seconds after the last pass, or at once where asked."""
        closing = asyncio.ensure_future(self._close_late())
        try:
            await super().shutdown(sockets)
        finally:
            closing.cancel()

    async def _close_late(self) -> None:
        ends = time.monotonic() + GRACE
        while True:
            if self._desk.waiting:
                ends = time.monotonic() + GRACE
            if self._at_once or time.monotonic() >= ends:
                for connection in list(self.server_state.connections):
                    connection.transport.abort()  # whoever waits for it then hears that the client has gone
            await asyncio.sleep(0.1)


def warm_up(suite: Suite) -> None:
    """Load every model by scoring one edit, whatever a cache on the disk knows.

    A reward that fails is warned of: it may work on other texts. Raises ModelError where every reward fails, or a model cannot
    be had.
    """
    fresh = replace(suite, engine=replace(suite.engine, cache=MemoryCache()))
    (result,) = fresh.score([read_revision(FIRST)])
    if result.error is None:
        return
    told = f"on the text that warms the server up: {result.error}"
    if all(component.name in result.failures for component in suite.components):
        raise ModelError(f"the rewards fail {told}")
    log.warning("not every reward works %s", told)


def configured(app: Starlette) -> uvicorn.Config:
    """How uvicorn serves."""
    return uvicorn.Config(
        app,
        http=Protocol,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_keep_alive=IDLE,
    )


def run(app: Starlette, listening: socket.socket, host: str, name: str, desk: Desk) -> None:
    """Answer on this socket until SIGINT or SIGTERM, and then what the desk has taken in."""
    shown = f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{listening.getsockname()[1]}", flush=True)
    print(f"serving suite {name!r}; end it with Ctrl-C", file=sys.stderr)
    with contextlib.suppress(KeyboardInterrupt):
        Server(configured(app), desk).run(sockets=[listening])
