"""What Windows refuses, refused here too: to sync what is open for reading, to remove or replace what is in use."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rewards.errors import ConfigError, RewardsError
from rewards.files.reading import Line
from rewards.files.replacing import replacing
from rewards.files.writing import File, finished
from rewards_eval.review.command import _reviewer
from rewards_serve.command import _listen

OPEN = Path("/proc/self/fd")
COUNTS = {"counts": {"failed": 0, "rejected": 0}}


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """File operations of this process as they are on Windows, and no locks."""
    if not OPEN.exists():
        pytest.skip("which files are open is told by /proc alone")

    def refusing(work: Callable[..., None]) -> Callable[..., None]:
        def working(*paths: Any, **more: Any) -> None:
            held = {os.path.realpath(one) for one in OPEN.iterdir()}
            for path in map(os.path.realpath, paths):
                if path in held:
                    raise PermissionError(errno.EACCES, "used by another process", path)
            work(*paths, **more)

        return working

    def fsync(file: int, sync: Callable[[int], None] = os.fsync) -> None:
        info = Path(f"/proc/self/fdinfo/{file}").read_text(encoding="utf-8")
        flags = int(next(line for line in info.splitlines() if line.startswith("flags:")).split()[1], 8)
        if flags & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        sync(file)

    for name in ("unlink", "remove", "rename", "replace"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setitem(sys.modules, "fcntl", None)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.usefixtures("windows")
def test_the_emulation_refuses_what_windows_refuses(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb"), pytest.raises(PermissionError):
        path.unlink()
    with path.open("rb") as file, pytest.raises(OSError, match="Bad file descriptor"):
        os.fsync(file.fileno())
    path.unlink()


@pytest.mark.usefixtures("windows")
def test_a_file_is_replaced(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with replacing(tmp_path / "file") as file:
            file.write_text(text, encoding="utf-8")
        assert (tmp_path / "file").read_text(encoding="utf-8") == text


@pytest.mark.usefixtures("windows")
def test_a_run_leaves_its_results_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    for _ in range(2):
        sink = File(path, {}, 1, resume=False)
        sink.reject(Line(1, None, None, b"{"))
        sink.write([{"id": 1}])
        sink.finish(COUNTS)
        assert files(tmp_path) == {"out.jsonl", "out.jsonl.meta.json", "out.jsonl.rejected.jsonl"}
    (tmp_path / "out.jsonl.partial.json").write_bytes(b"{}\n")  # of a run that died once all was in place
    assert finished(path, {}, 1)
    assert "out.jsonl.partial.json" not in files(tmp_path)


@pytest.mark.usefixtures("windows")
def test_a_run_that_fails_leaves_what_can_be_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    early = File(path, {}, 1, resume=False)
    early.reject(Line(1, None, None, b"{"))
    early.abandon()
    assert files(tmp_path) == set()
    sink = File(path, {}, 1, resume=False)
    sink.write([{"id": 1}])
    sink.abandon()
    again = File(path, {}, 1, resume=True)
    assert again.done == 1
    again.write([{"id": 2}])
    again.finish(COUNTS)
    assert path.read_bytes() == b'{"id":1}\n{"id":2}\n'


@pytest.mark.usefixtures("windows")
def test_what_cannot_be_gone_on_with_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl.partial").write_bytes(b'{"id":1}\n')
    with pytest.raises(RewardsError, match="nothing beside .* says how it was made"):
        File(tmp_path / "out.jsonl", {}, 1, resume=True)
    assert files(tmp_path) == {"out.jsonl.partial"}


def test_one_port_has_one_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows SO_REUSEADDR gives the port to a second one too."""
    for system, shared in (("posix", True), ("nt", False)):
        with monkeypatch.context() as patched:
            patched.setattr(os, "name", system)
            listening = _listen("127.0.0.1", 0)
        with listening:
            assert bool(listening.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)) is shared


def test_a_system_without_login_names_asks_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "pwd", None)
    with pytest.raises(ConfigError, match="the login name is not known here; give --reviewer NAME"):
        _reviewer(None)
