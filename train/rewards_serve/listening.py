"""From a loaded suite to a server that listens, and to its end."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
from dataclasses import replace
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from rewards.engine.cache import MemoryCache
from rewards.errors import ModelError
from rewards.records import read_revision
from rewards.suite import Suite

log = logging.getLogger("rewards.serve")
FIRST = {
    "issue": "Should lunch be longer?",
    "argument": "That is a stupid idea.",
    "edits": [
        {"sentence_id": 1, "inappropriate_part": "a stupid", "rewritten_part": "a weak", "reason": "Toxic Emotions"}
    ],
}


class Server(uvicorn.Server):
    """Says what it waits for when it is asked to stop."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop taking requests; the second time, at once."""
        if not self.should_exit:
            print("answering what was taken in; once more to stop at once", file=sys.stderr)
        super().handle_exit(sig, frame)


def warm_up(suite: Suite) -> None:
    """Load every model by scoring one edit, whatever a cache on the disk knows.

    Raises ModelError where nothing can be paid for it, or, of a suite that pays nothing, where any reward fails.
    """
    fresh = replace(suite, engine=replace(suite.engine, cache=MemoryCache()))
    (result,) = fresh.score([read_revision(FIRST)])
    pays = any(component.weight for component in suite.components)
    if result.error is not None and (result.reward is None or not pays):
        raise ModelError(f"the rewards fail: {result.error}")
    if result.error is not None:
        log.warning("a reward that pays nothing fails: %s", result.error)


def run(app: Starlette, listening: socket.socket, host: str, name: str) -> None:
    """Answer on this socket until SIGINT or SIGTERM, and then what was taken in."""
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, lifespan="off")
    listening.listen(2048)
    shown = f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{listening.getsockname()[1]}", flush=True)
    print(f"serving suite {name!r}; end it with Ctrl-C", file=sys.stderr)
    with contextlib.suppress(KeyboardInterrupt):
        Server(config).run(sockets=[listening])
