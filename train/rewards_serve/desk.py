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
from types import TracebackType
from typing import Self

from rewards.errors import RewardsError, tell
from rewards.result import Result
from rewards.suite import Suite
from rewards.types import Revision

log = logging.getLogger("rewards.serve")


class Full(Exception):  # noqa: N818  (it says what happened to the request)
    """No room for more work now; the reason says what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class WaitingRequest:
    """The revisions of one request, and the future for their results."""

    revisions: Sequence[Revision]
    future: Future[list[Result]] = field(default_factory=Future)


class Desk:
    """Takes the revisions of requests, at most `limit` at a time, and scores up to `batch` of them together.

    A pass begins at once, with the requests that are there. As a context manager: on exit the running pass is completed, and
    requests that wait are cancelled. `problem` is why the last pass failed as a whole, None where it did not.
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
            left = list(self._queue)
            self._queue.clear()
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
        """A future for the results, one per revision, in order. If it is cancelled before its turn, nothing is computed.

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
                taken = self._take()
            if wanted := [work for work in taken if work.future.set_running_or_notify_cancel()]:
                self._score(wanted)

    def _take(self) -> list[WaitingRequest]:
        """Whole requests, in order, until they fill a batch."""
        taken = [self._queue.popleft()]
        while self._queue and sum(len(work.revisions) for work in taken) < self._batch:
            taken.append(self._queue.popleft())
        return taken

    def _score(self, wanted: Sequence[WaitingRequest]) -> None:
        """Set each request's results. Where a pass fails, those without are tried one by one, so that one fails alone."""
        began, open_ = time.monotonic(), deque(wanted)
        revisions = [revision for work in wanted for revision in work.revisions]
        results: list[Result] = []
        try:
            for at in range(0, max(1, len(revisions)), self._batch):
                results += self._suite.score(revisions[at : at + self._batch])
                while open_ and len(open_[0].revisions) <= len(results):
                    self._settle(open_.popleft(), results)
        except BaseException as error:  # noqa: BLE001  (whatever it is: the client must get an answer, and others theirs)
            if len(open_) > 1:
                for work in open_:
                    self._score([work])
            else:
                self.problem = tell(error)
                open_[0].future.set_exception(error if isinstance(error, RewardsError) else _unexpected(error))
            return
        self.problem = None
        message = "%d completions of %d requests in %.2f s, %d so far"
        log.info(message, len(revisions), len(wanted), time.monotonic() - began, self.scored)

    def _settle(self, work: WaitingRequest, results: list[Result]) -> None:
        size = len(work.revisions)
        self.scored += size
        work.future.set_result(results[:size])
        del results[:size]


def _unexpected(error: BaseException) -> RuntimeError:
    """The error as a RuntimeError: in a future some other types end the event loop that awaits it, or get lost."""
    wrapped = RuntimeError(tell(error))
    wrapped.__cause__ = error
    return wrapped
