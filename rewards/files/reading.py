"""Records of a JSONL, JSONL.gz or Parquet file, or of standard input, one at a time; memory does not grow with the file."""

from __future__ import annotations

import gzip
import io
import os
import re
import sys
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from rewards.errors import RecordError, RewardsError
from rewards.files import other_kinds
from rewards.paths import as_text, file_digest
from rewards.values import doubled_key

MAX_LINE = 5_000_000  # bytes; a longer line is rejected without being held in memory
KEPT = 2_000  # bytes of a bad line that go into its rejection
PARQUET = b"PAR1"
HEADER: dict[str, dict[str, Any]] = {
    "rewards": {
        "gate": bool,
        "together": bool,
        "weight": (int, float, type(None)),
        "threshold": (int, float, type(None)),
    },
    "models": {"truncated_texts": int, "device": str},
}


@dataclass(frozen=True, slots=True)
class Line:
    """One record, or the error why it could not be read. `number` counts lines, or rows of a Parquet file, from 1."""

    number: int
    record: Any
    error: RecordError | None = None
    raw: bytes = b""


def header_path(path: Path) -> Path:
    """The path of the header of a scored file."""
    return path.with_name(f"{path.name}.meta.json")


def rejected_path(path: Path) -> Path:
    """The path of the rejects of a scored file: the input lines that could not be used."""
    return path.with_name(f"{path.name}.rejected.jsonl")


def beside(path: Path, place: Callable[[Path], Path]) -> Path:
    """The path that `place` gives for a scored file; where nothing is there and the file is a link, that for its target."""
    found = place(path)
    return found if found.exists() or not path.is_symlink() else place(Path(os.path.realpath(path)))


def read_header(path: Path) -> dict[str, Any] | None:
    """The header of a scored file; None where there is none. Raises RewardsError where it is not a valid header."""
    meta = beside(path, header_path)
    try:
        header = orjson.loads(meta.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError) as error:
        raise RewardsError(f"{meta} cannot be read: {error}; delete it to go without it") from error
    if not isinstance(header, dict):
        raise RewardsError(f"{meta} is not the header of a scored file; delete it to go without it")
    if wrong := misshapen(header):
        raise RewardsError(f"{meta}: {wrong} is not as `rewards score` writes it; score the file again, or delete it")
    return header


def misshapen(header: Mapping[str, Any]) -> str | None:
    """The first part of a header that is of the wrong type; None where every part that is there can be read."""
    if not isinstance(header.get("seconds", 0.0), (int, float)):
        return "seconds"
    for key in ("rewards", "models", "roles", "features", "counts", "versions"):
        if not isinstance(header.get(key, {}), dict):
            return key
    for key, kinds in HEADER.items():
        for name, one in header.get(key, {}).items():
            if not isinstance(one, dict):
                return f"{key}.{name}"
            for part, kind in kinds.items():
                if part in one and not isinstance(one[part], kind):
                    return f"{key}.{name}.{part}"
    for name, count in header.get("features", {}).items():
        if type(count) is not int:
            return f"features.{name}"
    threads = header.get("threads", [])
    if not isinstance(threads, list) or not all(type(count) is int for count in threads):
        return "threads"
    counts = header.get("counts", {})
    if type(counts.get("rejected", 0)) is not int:
        return "counts.rejected"
    reasons = counts.get("rejections", {})
    if not isinstance(reasons, dict) or not all(type(count) is int for count in reasons.values()):
        return "counts.rejections"
    return None if isinstance(header.get("appended", []), list) else "appended"


def read_lines(source: str, report: Callable[[int], None] = lambda _: None, *, written: bool = False) -> Iterator[Line]:
    """Every record of `source` (a path, or `-`). `report` is called with the number of bytes of the file consumed so far.

    `written` says that this toolkit wrote the file, so that the check for duplicate keys is skipped. Raises RewardsError
    where the file as a whole cannot be read; a single bad line comes back as a Line with its error.
    """
    if source == "-":
        if sys.stdin is None:
            raise RewardsError("standard input is closed; give a file, or something to read on standard input")
        try:
            with os.fdopen(sys.stdin.fileno(), "rb", closefd=False) as file:
                yield from _unpacked(file, "standard input", lambda: 0, report, written)
        except OSError as error:
            raise RewardsError(f"standard input cannot be read: {error.strerror or error}") from error
        return
    path = Path(source)
    try:
        if path.is_dir():
            raise RewardsError(other_kinds.folder(path))
        # Opened only once: a pipe (`<(…)`) can be read only once. It has no position either.
        with path.open("rb") as file:
            head = file.peek(4)
            if not file.seekable():
                yield from _unpacked(file, source, lambda: 0, report, written)
            elif head.startswith(PARQUET):
                yield from _parquet(path, report)
            elif problem := other_kinds.unreadable(path, head):
                raise RewardsError(problem)
            else:
                yield from _unpacked(file, source, file.tell, report, written)
    except FileNotFoundError as error:
        raise RewardsError(f"{source}: no such file") from error
    except OSError as error:
        raise RewardsError(f"{source} cannot be read: {error.strerror or error}") from error


def identity(source: str) -> list[Any]:
    """Identifies an input for --resume: path, size and time of change. A stream never equals another."""
    path = Path(source)
    if source == "-" or not path.is_file():
        return [as_text(source), uuid.uuid4().hex]
    stat = path.stat()
    return [as_text(path.resolve()), stat.st_size, stat.st_mtime_ns]


def digest(source: str) -> str | None:
    """The SHA-256 of the source; None for a stream and for a file that cannot be read, which reading the records reports."""
    with suppress(OSError):
        return file_digest(Path(source)) if source != "-" and Path(source).is_file() else None
    return None


def is_stream(source: str) -> bool:
    """Whether the source (a path, or `-`) can be read only once."""
    path = Path(source)
    return source == "-" or (path.exists() and not path.is_file() and not path.is_dir())


def _unpacked(
    file: io.BufferedReader, name: str, position: Callable[[], int], report: Callable[[int], None], written: bool
) -> Iterator[Line]:
    """The records of JSON lines, gzipped or not. Raises RewardsError for any other kind of file."""
    head = file.peek(4)
    if head.startswith(b"\x1f\x8b"):
        with gzip.open(file) as unpacked, _readable(name):
            yield from _json_lines(unpacked, position, report, written)
    elif head.startswith(PARQUET):
        raise RewardsError(f"{name} gives Parquet, which is read from files only: save it, and give the file")
    elif problem := other_kinds.packed(head):
        raise RewardsError(f"{name} {problem}")
    else:
        yield from _json_lines(file, position, report, written)


def _json_lines(
    file: IO[bytes] | gzip.GzipFile, position: Callable[[], int], report: Callable[[int], None], written: bool
) -> Iterator[Line]:
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE and not line.endswith(b"\n"):
            head = line[:KEPT]
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE)
            yield Line(number, None, RecordError(f"the line is longer than {MAX_LINE:,} bytes"), head)
            continue
        if number == 1 and line.startswith(b"\xef\xbb\xbf"):
            line = line[3:]
        if not line.strip():
            continue
        if number % 8 == 0:
            report(position())
        yield _parse(number, line, written)
    report(position())


def _parse(number: int, line: bytes, written: bool) -> Line:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Line(number, None, RecordError(no_json(line, error)), line)
    if not written and (key := doubled_key(line, record)) is not None:
        return Line(number, None, RecordError("stands twice in one object; leave one of the two out", key[:80]), line)
    return Line(number, record, None, line)


NO_NUMBERS = re.compile(rb"[:,\[]\s*-?(?:NaN|Infinity)\s*[,\]}]")


def no_json(text: bytes, error: orjson.JSONDecodeError) -> str:
    """Why the text is not valid JSON, from the parser's error."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as bad:
        return f"not valid UTF-8 at byte {bad.start}"
    if NO_NUMBERS.search(text):
        return "not JSON, which has no NaN and no Infinity: write null"
    # The parser counts lines within the text: for a record on one line, its "line 1" would be misleading.
    return f"not JSON: {error}" if b"\n" in text.rstrip() else f"not JSON: {error.msg}: column {error.pos + 1}"


def _parquet(path: Path, report: Callable[[int], None]) -> Iterator[Line]:
    from pyarrow import ArrowException, parquet  # takes 100 MB, which a JSONL file does not need

    try:
        with parquet.ParquetFile(path) as file:
            rows, size = max(1, file.metadata.num_rows), path.stat().st_size
            number = 0
            for batch in file.iter_batches(batch_size=256):
                for row in _rows(batch):
                    number += 1
                    yield Line(number, *row)
                report(size * number // rows)
    except (ArrowException, OSError, UnicodeDecodeError) as error:
        raise RewardsError(f"{path} cannot be read as Parquet: {error}") from error


def _rows(batch: Any) -> Iterator[tuple[Any, RecordError | None]]:
    """A pair for each row of a batch: the record, without null cells, and None; or None and the error where it is unreadable."""
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except (ValueError, OverflowError) as error:  # text that is not UTF-8, or a time that Python cannot represent
        if batch.num_rows > 1:
            for index in range(batch.num_rows):
                yield from _rows(batch.slice(index, 1))
            return
        yield None, RecordError(f"a value cannot be read: {error}")
        return
    for row in rows:
        yield {name: value for name, value in row.items() if value is not None}, None


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RewardsError(f"{name} cannot be read as gzip: {error}; it may be cut off") from error
