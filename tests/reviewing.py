"""`rewards review` as a process of its own, which can be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class Serving:
    """A running `rewards review`: its address, its port, and how to end it."""

    def __init__(self, *arguments: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rewards", "review", *map(str, arguments), "--no-open"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise AssertionError(self.process.communicate()[1])
        self.port = urlsplit(self.url).port or 0
        self.token = self.url.partition("token=")[2]

    def kill(self) -> None:
        """Kill it, so that it cannot clean up."""
        self.process.kill()
        self.process.communicate()

    def interrupt(self) -> tuple[int, str]:
        """End it as Ctrl-C does; its exit code and standard error."""
        self.process.send_signal(signal.SIGINT)
        said = self.process.communicate(timeout=30)[1]
        return self.process.returncode, said


@contextlib.contextmanager
def serving(*arguments: Any) -> Iterator[Serving]:
    """A running `rewards review` that ends with the block."""
    server = Serving(*arguments)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()


def score_file(path: Path, records: list[dict[str, Any]]) -> Path:
    """A scored file of these records."""
    from tests.conftest import write_lines

    return write_lines(path, *records)
