"""Scores chunks on several devices: one process each; results come in the order of the chunks."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from rewards.engine.device import pick_device
from rewards.errors import RewardsError
from rewards.files.pipeline import summed, usage_of
from rewards.suite import Suite
from rewards.types import Revision

Make = Callable[[str], Suite]
"""A function that makes the suite for a device; must be picklable."""
SAFE_PATH = "PYTHONSAFEPATH"
EXIT_CODE_WAIT = 5.0  # seconds to wait for the exit code of a dead process


@dataclass(frozen=True, slots=True)
class Done:
    """A chunk's output records, and what the worker's engine has used so far."""

    records: list[dict[str, Any]]
    worker: int
    used: Mapping[str, Any]


class Workers:
    """Processes that score chunks, one for each device. Processes on the CPU share its cores.

    Raises ConfigError for a device that does not exist, even if there were no work for it.
    """

    def __init__(self, make: Make, devices: Sequence[str]) -> None:
        devices = [pick_device(device) for device in devices]
        context = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA
        with _safe_path():
            free = context.SimpleQueue()
        for device in devices:
            free.put(device)
        threads = max(1, (os.cpu_count() or 1) // len(devices))
        self._ahead = 2 * len(devices)  # chunks to submit in advance, so that no process has to wait
        self._others = set(multiprocessing.active_children())
        self._mine: set[Any] = set()
        given = os.environ.get(SAFE_PATH)
        self._pool = ProcessPoolExecutor(len(devices), context, _start, (make, free, threads, given))
        self._last: dict[int, Done] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:  # the results of running chunks are not wanted any more
            for process in set(multiprocessing.active_children()) - self._others:
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def score(self, chunks: Iterator[Sequence[Revision]]) -> Iterator[list[dict[str, Any]]]:
        """The output records of each chunk, in order. Raises RewardsError where a process dies."""
        waiting: deque[Future[Done]] = deque()
        for chunk in chunks:
            with self._alive(), _safe_path():
                waiting.append(self._pool.submit(_score, chunk))
                self._mine = self._mine or set(multiprocessing.active_children()) - self._others
            if len(waiting) > self._ahead:
                yield self._taken(waiting.popleft())
        while waiting:
            yield self._taken(waiting.popleft())

    def describe(self) -> dict[str, Any]:
        """Models with their devices, roles, and counts of features over all processes, for the header."""
        return summed(done.used for done in self._last.values())

    def _taken(self, result: Future[Done]) -> list[dict[str, Any]]:
        with self._alive():
            done = result.result()
        self._last[done.worker] = done
        return done.records

    @contextmanager
    def _alive(self) -> Iterator[None]:
        """Turn the error of any call that finds a process dead into a RewardsError that says what to do."""
        try:
            yield
        except BrokenProcessPool as error:
            ends = time.monotonic() + EXIT_CODE_WAIT
            while any(process.exitcode is None for process in self._mine) and time.monotonic() < ends:
                time.sleep(0.01)  # its pipes close before its exit code can be read
            # The pool ends the other processes by SIGTERM.
            codes = {process.exitcode for process in self._mine} - {None, 0, -signal.SIGTERM}
            how = f" (exit code {codes.pop()})" if len(codes) == 1 else ""
            raise RewardsError(
                f"a process that scores died{how}, perhaps for lack of memory, or a reward ended it; give fewer devices or a"
                " smaller --token-budget"
            ) from error


@contextmanager
def _safe_path() -> Iterator[None]:
    """Set PYTHONSAFEPATH: processes started inside must not import modules from the current folder by mistake."""
    given = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        _restore_safe_path(given)


def _restore_safe_path(given: str | None) -> None:
    """Restore the variable as the user had set it, for processes that a reward may start."""
    if given is None:
        os.environ.pop(SAFE_PATH, None)
    else:
        os.environ[SAFE_PATH] = given


class _Worker:
    """The state that a process of `Workers` keeps between chunks."""

    make: Make
    device: str
    suite: Suite | None = None


def _start(make: Make, free: Any, threads: int, safe_path: str | None) -> None:
    _restore_safe_path(safe_path)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # only the parent process, which writes the results, handles Ctrl-C
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    _Worker.make, _Worker.device = make, free.get()
    if _Worker.device == "cpu":  # processes on a GPU leave the setting alone
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # which torch reads when the first model imports it
            os.environ[name] = str(threads)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(threads)


def _leave_with_parent() -> None:
    """End this process when its parent has ended, even by kill -9: it would wait for chunks forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _score(chunk: Sequence[Revision]) -> Done:
    if _Worker.suite is None:  # not in `_start`, where the message of an error would be lost
        _Worker.suite = _Worker.make(_Worker.device)
    engine = _Worker.suite.engine
    engine.cache.clear()
    records = [result.to_record() for result in _Worker.suite.score(chunk)]
    return Done(records, os.getpid(), usage_of(engine))
