"""Runs `rewards` in a process of its own that is forked from one in which libraries are imported already.

A command starts here like `python -m rewards` (or a program of a test that ends in it), with its own standard streams,
environment, current folder and search path, and ends like the interpreter. Libraries that one command imported are
imported for the next ones; of our own modules only those that every command imports. Unlike in a process from scratch,
the hash seed is the same in all of them, and what libraries do at import (read the environment, print) has been done.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

FROM_SCRATCH = (
    "PYTHON",
    "LC_",
    "LANG",
    "HOME",
    "XDG_",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "OMP_",
    "CUDA_",
    "LOCAL_RANK",
)
"""Prefixes of variables that the interpreter or libraries read at start: where one has another value, nothing is forked."""
PIPE = 32_768
"""The bytes that can be written to any pipe before something reads from it."""


class Started:
    """A forked command; its output goes to temporary files."""

    def __init__(self, line: socket.socket, pid: int, streams: list[IO[bytes]], ended: Callable[[], None]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._line, self._streams, self._ended = line, streams, ended

    def send_signal(self, number: int) -> None:
        """Like that of `subprocess.Popen`."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Like that of `subprocess.Popen`."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Like that of `subprocess.Popen`."""
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("rewards", timeout)
            self.returncode = os.waitstatus_to_exitcode(int(self._line.recv(100)))
            self._ended()
        return self.returncode

    def communicate(self, timeout: float = 300) -> tuple[bytes, bytes]:
        """Like that of `subprocess.Popen`, but only once; kills the process after the timeout, like `subprocess.run`."""
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            os.kill(self.pid, signal.SIGKILL)
            self.wait(10)
            raise
        written = []
        for stream in self._streams:
            with stream:
                stream.seek(0)
                written.append(stream.read())
        out, err = written
        return out, err


class Forks:
    """The process from which commands are forked, one at a time; started with the first command."""

    def __init__(self) -> None:
        self._environment = {**os.environ}
        self._lock = threading.Lock()
        self._line: socket.socket | None = None

    def start(
        self, program: Path | None, arguments: list[str], stdin: bytes, environment: dict[str, str]
    ) -> Started | None:
        """Start `rewards`, or `program`, with these arguments; None where a fork might behave differently, or one runs."""
        names = {name for name, _ in {*environment.items()} ^ {*self._environment.items()}} - {"PYTHONPATH"}
        if sys.platform != "linux" or len(stdin) > PIPE or any(name.startswith(FROM_SCRATCH) for name in names):
            return None
        if _shadows(environment.get("PYTHONPATH", ""), self._environment.get("PYTHONPATH", "")):
            return None
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return self._begin(program, arguments, stdin, environment)
        except BaseException:
            self._lock.release()
            raise

    def _begin(self, program: Path | None, arguments: list[str], stdin: bytes, environment: dict[str, str]) -> Started:
        line = self._line = self._line or self._served()
        streams: list[IO[bytes]] = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115  (`communicate` closes them)
        reader, writer = os.pipe()
        os.write(writer, stdin)
        os.close(writer)
        given = json.dumps([program and str(program), arguments, environment, str(Path.cwd())]).encode()
        socket.send_fds(line, [given], [reader, *(stream.fileno() for stream in streams)])
        os.close(reader)
        return Started(line, int(line.recv(100)), streams, self._lock.release)

    def _served(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self._environment, pass_fds=[theirs.fileno()],
        )  # fmt: skip
        theirs.close()

        def end() -> None:
            ours.close()
            process.communicate()

        atexit.register(end)
        return ours


def _shadows(path: str, ours: str) -> bool:
    """Whether an entry added to the search path shadows an installed library, or runs when the interpreter starts."""
    site = Path(sysconfig.get_path("purelib"))
    added = {*path.split(os.pathsep)} - {*ours.split(os.pathsep), ""}
    names = {entry.stem for folder in added if Path(folder).is_dir() for entry in Path(folder).iterdir()}
    early = {"sitecustomize", "usercustomize"}
    return any(name in early or (site / name).is_dir() or (site / f"{name}.py").exists() for name in names)


def _serve(line: socket.socket) -> str | None:
    """Fork for each command, and import what it imported. Returns in the fork: the program to run, None for `rewards`."""
    from rewards.cli import build
    from rewards.plugins import registry

    line.set_inheritable(False)
    build()  # imports our own plugins, as every command does
    registry.cache_clear()
    while True:
        gc.freeze()  # in the forks the garbage collector would touch these objects, and so copy their pages
        given, streams, _, _ = socket.recv_fds(line, 1 << 20, 3)
        if not given:
            os._exit(0)
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            os.close(reader)
            line.close()
            return _become(writer, streams, *json.loads(given))
        os.close(writer)
        for number in streams:
            os.close(number)
        line.send(str(child).encode())
        with os.fdopen(reader) as learnt:
            names = learnt.read().split()
        line.send(str(os.waitpid(child, 0)[1]).encode())
        for name in names:
            with contextlib.suppress(Exception):  # some modules are only created by the import of others
                importlib.import_module(name)


def _become(
    writer: int, streams: list[int], program: str | None, arguments: list[str], environment: dict[str, str], folder: str
) -> str | None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    added = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    path = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.argv[1:] = arguments
    sys.path[:] = [
        str(Path(program).parent) if program else folder,
        *path,
        *(entry for entry in sys.path[1:] if entry not in added),
    ]
    importlib.invalidate_caches()
    before = {*sys.modules}
    atexit.register(_send_imports, writer, before)
    return program


def _send_imports(writer: int, before: set[str]) -> None:
    """Write the names of imported library modules; without our own, which each process should import in its own order."""
    places = tuple(sysconfig.get_path(name) for name in ("purelib", "stdlib"))
    names = [
        name for name, module in {**sys.modules}.items()
        if name not in before and str(getattr(getattr(module, "__spec__", None), "origin", "")).startswith(places)
    ]  # fmt: skip
    with os.fdopen(writer, "w") as pipe:
        pipe.write("\n".join(names))


def _end(code: Any) -> None:
    """End like the interpreter, but without deallocating everything: the system does that faster."""
    threading._shutdown()  # type: ignore[attr-defined]  # it waits for threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else bool(code))


if __name__ == "__main__":
    path = _serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        if path is None:
            runpy.run_module("rewards", run_name="__main__", alter_sys=True)
        else:
            sys.argv[0] = path
            runpy.run_path(path, run_name="__main__")
    except SystemExit as ended:
        _end(ended.code)
