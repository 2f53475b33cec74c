"""Runs a server for a loaded suite: it loads the models, answers requests and shuts down in order."""

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
IDLE = 75  # seconds between requests: longer than clients keep a connection, so that none sends into one that we close
GRACE = 30.0  # seconds after the last pass in which the clients of a stopping server can still send and read
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
        """Start the timeout of the first head."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Process the data; a part of a head does not extend its timeout."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timeout."""
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
    """Answers the accepted requests after the first signal, and closes every connection after the second."""

    def __init__(self, config: uvicorn.Config, desk: Desk) -> None:
        super().__init__(config)
        self._desk = desk
        self._at_once = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Accept no more requests; on the second signal, of whichever kind, stop at once."""
        if self.should_exit:
            self._at_once = True  # not uvicorn's `force_exit`, which logs every request that it cancels as an error
            return
        print("answering accepted requests; again to stop at once", file=sys.stderr)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Return once all connections are closed: by clients, `GRACE` seconds after the last pass, or at once if requested."""
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
                    connection.transport.abort()  # its request then ends as if the client had disconnected
            await asyncio.sleep(0.1)


def warm_up(suite: Suite) -> None:
    """Load every model by scoring one edit, without the cache on the disk.

    A reward that fails is only logged: it may work on other texts. Raises ModelError where every reward fails, or a model
    cannot be loaded.
    """
    fresh = replace(suite, engine=replace(suite.engine, cache=MemoryCache()))
    (result,) = fresh.score([read_revision(FIRST)])
    if result.error is None:
        return
    reason = f"on the text that warms the server up: {result.error}"
    if all(component.name in result.failures for component in suite.components):
        raise ModelError(f"the rewards fail {reason}")
    log.warning("not every reward works %s", reason)


def configured(app: Starlette) -> uvicorn.Config:
    """The configuration of uvicorn."""
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
    """Answer on this socket until SIGINT or SIGTERM, and then the requests that the desk has accepted."""
    shown = f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{listening.getsockname()[1]}", flush=True)
    print(f"serving suite {name!r}; end it with Ctrl-C", file=sys.stderr)
    with contextlib.suppress(KeyboardInterrupt):
        Server(configured(app), desk).run(sockets=[listening])
