"""`rewards serve` as a process of its own, with a plugin that is slow, interrupts or fails where a record asks for it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from tests.conftest import installed

PLUGIN = """
import time
import rewards


@rewards.reward(level="edit", range=(0, 1), threshold=0.5)
def shorter(edits):
    "1 where the edit shortens its sentence."
    return [float(len(e.sentence_after) < len(e.sentence_before)) for e in edits]


@rewards.reward(level="global", range=(0, 1))
def patient(arguments):
    "1, after a while for each pass in which an issue says `slow`; breaks out where one says `leave`."
    issues = [a.issue for a in arguments]
    if "leave" in issues:
        raise KeyboardInterrupt("seven")
    time.sleep(1.5 if "slow" in issues else 0)
    return [1.0 for _ in arguments]


@rewards.reward(level="global", range=(0, 1))
def fragile(arguments):
    "Fails on one issue."
    return [1 / (a.issue != "boom") for a in arguments]


@rewards.hookimpl
def register_rewards(register):
    for reward in (shorter, patient, fragile):
        register(reward)
"""
SUITE = """
description: toy
rewards:
  shorter: {gate: true}
  patient: {weight: 1.0, empty: zero}
  fragile: {weight: 0.5, empty: zero}
  format: {}
"""


class Served:
    """A running `rewards serve`: its address, and how to end it."""

    def __init__(self, *arguments: Any, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rewards", "--verbose", "serve", "--port", "0", *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment},
        )  # fmt: skip
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise AssertionError(self.process.communicate()[1])

    def post(self, path: str, body: Any, **more: Any) -> requests.Response:
        """One request with this body as JSON."""
        return requests.post(f"{self.url}{path}", json=body, timeout=60, **more)

    def health(self) -> dict[str, Any]:
        """The answer of `/health`."""
        return dict(requests.get(f"{self.url}/health", timeout=60).json())

    def busy(self, records: int = 1) -> None:
        """Return once `records` completions wait or are being scored."""
        ends = time.monotonic() + 30
        while self.health()["waiting"] < records:
            assert time.monotonic() < ends
            time.sleep(0.01)

    def interrupt(self) -> tuple[int, str]:
        """End it as Ctrl-C does; its exit code and standard error."""
        return self.end(signal.SIGINT)

    def end(self, *signals: signal.Signals) -> tuple[int, str]:
        """End it by signals, one after the other; its exit code and standard error."""
        for one in signals:
            self.process.send_signal(one)
            time.sleep(0.3)
        said = self.process.communicate(timeout=60)[1]
        return self.process.returncode, said


@contextlib.contextmanager
def running(server: Served) -> Iterator[Served]:
    """The server, which ends with the block."""
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()


def serving(folder: Path, *arguments: Any, **environment: str) -> contextlib.AbstractContextManager[Served]:
    """A server of the toy suite that ends with the block; `folder` gets the suite and the plugin."""
    if not (folder / "toy.yaml").exists():
        installed(folder, "toy_rewards", PLUGIN)
        (folder / "toy.yaml").write_text(SUITE, encoding="utf-8")
    search = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return running(Served("--suite", folder / "toy.yaml", *arguments, PYTHONPATH=search, **environment))


def asked(issue: str = "lunch", edit: str = "way too -> too", identifier: Any = 1) -> dict[str, Any]:
    """A record with one edit."""
    before, after = edit.split(" -> ")
    part = {"sentence_id": 1, "inappropriate_part": before, "rewritten_part": after, "reason": "Toxic Emotions"}
    return {"id": identifier, "issue": issue, "argument": "Lunch is way too short, duh.", "edits": [part]}
