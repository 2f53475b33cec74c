"""One thread scores what many requests bring, together: while it computes one batch, the next one gathers."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rewards.result import Result
from rewards.suite import Suite
from rewards.types import Revision

log = logging.getLogger("rewards.serve")


class Full(Exception):  # noqa: N818  (it says what happened to the request)
    """No room for more work now; the reason says what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What one request wants scored, and where its results go."""

    revisions: Sequence[Revision]
    future: Future[list[Result]] = field(default_factory=Future)


class Desk:
    """Takes in the work of requests, at most `limit` revisions at a time, and scores `batch` of them in one pass.

    Nobody waits for company: what is there when a pass begins goes into it. A context manager; when it is left, what was
    taken in is still scored.
    """

    def __init__(self, suite: Suite, limit: int, batch: int) -> None:
        self.limit = limit
        self.waiting = 0  # revisions that are taken in and not scored
        self.scored = 0
        self._suite, self._batch = suite, batch
        self._queue: deque[Work] = deque()
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="rewards-serve", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def submit(self, revisions: Sequence[Revision]) -> Future[list[Result]]:
        """The results to come, one per revision, in order. Cancelled before its turn, a future costs nothing.

        Raises Full where the work does not fit beside what waits already.
        """
        work = Work(revisions)
        with self._changed:
            if self._closing:
                raise Full("the server is stopping")
            if self.waiting + len(revisions) > self.limit:
                raise Full(f"{self.waiting:,} completions wait, and {self.limit:,} may: ask again in a moment")
            self.waiting += len(revisions)
            self._queue.append(work)
            self._changed.notify_all()
        return work.future

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closing)
                if not self._queue:
                    return
                taken = self._take()
            wanted = [work for work in taken if work.future.set_running_or_notify_cancel()]
            try:
                self._score(wanted)
            finally:
                with self._changed:
                    self.waiting -= sum(len(work.revisions) for work in taken)

    def _take(self) -> list[Work]:
        """The work of one pass: whole requests, in order, until there is enough for a batch."""
        taken = [self._queue.popleft()]
        while self._queue and sum(len(work.revisions) for work in taken) < self._batch:
            taken.append(self._queue.popleft())
        return taken

    def _score(self, wanted: Sequence[Work]) -> None:
        began = time.monotonic()
        try:
            results = self._results([revision for work in wanted for revision in work.revisions])
        except BaseException as error:  # noqa: BLE001  (whatever it is: who waits must hear of it, and others go on)
            if len(wanted) > 1:
                for work in wanted:
                    self._score([work])
            elif wanted:
                ordinary = isinstance(error, Exception)  # another kind would end the loop that waits for it
                wanted[0].future.set_exception(error if ordinary else RuntimeError(f"{type(error).__name__}: {error}"))
            return
        at = 0
        for work in wanted:
            work.future.set_result(results[at : at + len(work.revisions)])
            at += len(work.revisions)
        self.scored += at
        log.info("%d completions of %d requests in %.2f s", at, len(wanted), time.monotonic() - began)

    def _results(self, revisions: Sequence[Revision]) -> list[Result]:
        pieces = [revisions[at : at + self._batch] for at in range(0, len(revisions), self._batch)]
        return [result for piece in pieces for result in self._suite.score(piece)]
