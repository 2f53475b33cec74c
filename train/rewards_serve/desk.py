"""One thread scores the completions of many requests together: those that arrive during a pass are scored in the next one."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import Self

from rewards.errors import RewardsError, tell
from rewards.result import Result
from rewards.suite import Suite
from rewards.types import Revision

log = logging.getLogger("rewards.serve")


class Full(Exception):  # noqa: N818  (it says what happened to the request)
    """No room for more work now; the reason says what to do."""


@dataclass(slots=True, eq=False)
class WaitingRequest:
    """The revisions of one request, the results so far, and the future for all of them."""

    revisions: Sequence[Revision]
    future: Future[list[Result]] = field(default_factory=Future)
    results: list[Result] = field(default_factory=list)

    def part(self, most: int) -> Part:
        """The next revisions to score, no more than `most`."""
        return self, self.revisions[len(self.results) :][:most]


Part = tuple[WaitingRequest, Sequence[Revision]]


class Desk:
    """Takes the revisions of requests, at most `limit` at a time, and scores up to `batch` of them together.

    A pass begins at once, with the requests that are there. A request that does not fit into one pass takes turns with the
    others. As a context manager: on exit requests that have begun are completed, the others are cancelled. `problem` is why
    the last pass failed as a whole, None where it did not.
    """

    def __init__(self, suite: Suite, limit: int, batch: int) -> None:
        self.limit = limit
        self.waiting = 0  # revisions that are accepted, and neither scored nor cancelled
        self.scored = 0
        self.problem: str | None = None
        self._suite, self._batch = suite, batch
        self._queue: deque[WaitingRequest] = deque()
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._serve, name="rewards-serve", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closing = True
            left = [work for work in self._queue if not work.results]
            self._queue = deque(work for work in self._queue if work.results)
            self._changed.notify_all()
        for work in left:
            work.future.cancel()
        self._thread.join()

    def check_room(self, size: int) -> None:
        """Raise Full where so many revisions are too many beside those that wait, or the server is stopping."""
        if self._closing:
            raise Full("the server is stopping")
        if self.waiting + size > self.limit:
            raise Full(
                f"{self.waiting:,} completions are waiting, of at most {self.limit:,} (--max-waiting): ask again in a moment"
            )

    def submit(self, revisions: Sequence[Revision]) -> Future[list[Result]]:
        """A future for the results, one per revision, in order. If it is cancelled, no further pass computes any.

        It ends with a RewardsError where the pass failed for a known reason, and with a RuntimeError for any other. Raises
        Full where there is no room.
        """
        work = WaitingRequest(revisions)
        with self._changed:
            self.check_room(len(revisions))
            self.waiting += len(revisions)
            self._queue.append(work)
            self._changed.notify_all()
        # The future's first callback: when others run, the room is free.
        work.future.add_done_callback(lambda _: self._free(work))
        return work.future

    def _free(self, work: WaitingRequest) -> None:
        with self._changed:
            self.waiting -= len(work.revisions)
            with suppress(ValueError):  # a pass has taken it already
                self._queue.remove(work)

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closing)
                if not self._queue:
                    return
                parts = self._take()
            if parts:
                self._score(parts)
                with self._changed:
                    self._queue.extend(work for work, _ in parts if not work.future.done())

    def _take(self) -> list[Part]:
        """The next revisions of the requests, in order, until they fill a batch."""
        parts: list[Part] = []
        room = self._batch
        while self._queue and room:
            work = self._queue.popleft()
            if not work.future.cancelled():
                parts.append(work.part(room))
                room -= len(parts[-1][1])
        return parts

    def _score(self, parts: Sequence[Part]) -> None:
        """Score in one pass, and set the results of requests that are complete.

        Where the pass fails, each part is tried by itself, so that a request fails alone.
        """
        began = time.monotonic()
        try:
            found = iter(self._suite.score([revision for _, part in parts for revision in part]))
        except BaseException as error:  # noqa: BLE001  (whatever it is: the client must get an answer, and others theirs)
            if len(parts) > 1:
                for one in parts:
                    self._score([one])
            else:
                self.problem = tell(error)
                future = parts[0][0].future
                if future.set_running_or_notify_cancel():
                    future.set_exception(error if isinstance(error, RewardsError) else _unexpected(error))
            return
        self.problem = None
        for work, part in parts:
            work.results += islice(found, len(part))
            self.scored += len(part)
            if len(work.results) == len(work.revisions) and work.future.set_running_or_notify_cancel():
                work.future.set_result(work.results)
        size = sum(len(part) for _, part in parts)
        message = "%d completions of %d requests in %.2f s, %d so far"
        log.info(message, size, len(parts), time.monotonic() - began, self.scored)


def _unexpected(error: BaseException) -> RuntimeError:
    """The error as a RuntimeError: in a future some other types end the event loop that awaits it, or get lost."""
    wrapped = RuntimeError(tell(error))
    wrapped.__cause__ = error
    return wrapped
