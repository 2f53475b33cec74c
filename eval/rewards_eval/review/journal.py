"""The file of decisions: one line each, on the disk before the page gets its answer; the last line on a subject holds."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from rewards.errors import RewardsError
from rewards.files import lock
from rewards.files.reading import read_lines

VERSION = 1
CLEARED = "clear"
"""The decision that withdraws the previous one."""

DECISIONS = {
    "edit": ("accept", "reject", "amend", CLEARED),
    "comparison": ("left", "right", "tie", CLEARED),
}
"""The possible decisions on each kind of subject."""

Line = Mapping[str, Any]
# The required keys of a line of each kind, with their types: a reader needs no other file.
SHAPE: dict[str, dict[str, type | tuple[type, ...]]] = {
    "edit": {
        "reviewer": str, "id": (str, int), "system": str, "edit": int, "sentence_id": int, "before": str, "after": str,
        "decision": str,
    },
    "comparison": {"reviewer": str, "id": (str, int), "left_system": str, "right_system": str, "decision": str},
}  # fmt: skip
TEXTS = ("left_text", "right_text")
"""The optional keys of a comparison."""


def subject(line: Line) -> tuple[Any, ...]:
    """The key of what a line decides on. Of two lines on one subject by one reviewer the later holds."""
    if line["kind"] == "comparison":
        sides = sorted((line[f"{side}_system"], line.get(f"{side}_text", "")) for side in ("left", "right"))
        return ("comparison", type(line["id"]), line["id"], *sides)
    return ("edit", type(line["id"]), line["id"], line["system"], line["edit"], line["before"], line["after"])


def latest(lines: Iterable[Line]) -> list[Line]:
    """The decisions that hold, in the order in which they were first taken; those taken back are left out."""
    found: dict[Any, Line] = {}
    for line in lines:
        found[line["reviewer"], subject(line)] = line
    return [line for line in found.values() if line["decision"] != CLEARED]


def read_decisions(path: Path) -> Iterator[Line]:
    """Every line of a file of decisions, in order; a torn last line is left out.

    Raises RewardsError that names the first line that is no decision.
    """
    torn = _torn(path.read_bytes()) if path.is_file() else b""
    for line in read_lines(str(path)):
        if line.error is not None and torn and line.raw == torn:
            return
        problem = str(line.error) if line.error is not None else _problem(line.record)
        if problem:
            raise RewardsError(f"{path}, line {line.number}: {problem}; this is not a file that `rewards review` wrote")
        yield line.record


def _problem(record: Any) -> str | None:
    shape = SHAPE.get(str(record.get("kind"))) if isinstance(record, Mapping) else None
    if shape is None:
        return "kind: expected edit or comparison"
    for key, kind in shape.items():
        if not isinstance(record.get(key), kind):
            return f"{key} is missing or of the wrong type"
    for key in TEXTS:
        if not isinstance(record.get(key, ""), str):
            return f"{key} is no text"
    known = DECISIONS[record["kind"]]
    if record["decision"] not in known:
        return f"decision: expected one of {', '.join(known)}; found {record['decision']!r}"
    return None


def _torn(data: bytes) -> bytes:
    """The bytes after the last line break, if they are not valid JSON; else none."""
    tail = data[data.rfind(b"\n") + 1 :]
    try:
        orjson.loads(tail or b"null")
    except orjson.JSONDecodeError:
        return tail
    return b""


class Journal:
    """A file of decisions, open for appending, by one process at a time.

    A line torn by a crash is moved to PATH.torn. Raises RewardsError where the file is not one of decisions, is in use,
    or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.Lock()
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
        except OSError as error:
            raise _refused(path, error) from error
        try:
            if not lock.take(self._file):
                raise RewardsError(f"{path} is in use by another `rewards review`; end that one, or give another -o")
            self._mend()
            self.lines: list[Line] = list(read_decisions(path))
            _sync_folder(path)
        except BaseException as error:
            os.close(self._file)
            if isinstance(error, OSError):
                raise _refused(path, error) from error
            raise

    def append(self, make: Callable[[], Line]) -> None:
        """Append the line that `make` returns, and sync it to the disk, so that it survives a crash once this returns.

        Raises OSError, and restores the file, where the disk refuses.
        """
        with self._guard:
            if self._file < 0:
                raise OSError(errno.EBADF, "it is closed")
            line = make()
            data = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
            size = os.fstat(self._file).st_size
            try:
                if os.write(self._file, data) != len(data):
                    raise OSError(28, "no space left for the whole line")
                os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, size)
                raise
            self.lines.append(line)

    def close(self) -> None:
        """Wait for a line that is being written, then close the file, which releases its lock."""
        with self._guard:
            os.close(self._file)
            self._file = -1  # another file may get the same descriptor

    def _mend(self) -> None:
        data = self.path.read_bytes()
        torn = _torn(data)
        if torn:
            aside = self.path.with_name(f"{self.path.name}.torn")
            with aside.open("ab") as file:
                file.write(torn + b"\n")
            os.ftruncate(self._file, len(data) - len(torn))
            print(
                f"{self.path}: the last line was cut off by a crash; its {len(torn)} bytes are in {aside}",
                file=sys.stderr,
            )
        elif data and not data.endswith(b"\n"):
            os.write(self._file, b"\n")


def _refused(path: Path, error: OSError) -> RewardsError:
    return RewardsError(f"{path} cannot be written: {error.strerror or error}")


def _sync_folder(path: Path) -> None:
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
