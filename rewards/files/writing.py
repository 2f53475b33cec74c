"""Writes results chunk by chunk to OUT.partial, renamed when complete; a run resumes after its last whole chunk."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice, takewhile
from pathlib import Path
from typing import IO, Any

import orjson

from rewards.errors import DISK_FULL, RewardsError, tell
from rewards.files import lock
from rewards.files.reading import Line, header_path, misshapen, read_header, rejected_path
from rewards.files.replacing import partial_of, replacing
from rewards.files.sink import NOTHING, dump, rejection


def real_file(path: Path) -> Path:
    """The path to write to: for a link, its target.

    Raises RewardsError for a folder, and for a special file (a pipe, a device), which writing would replace.
    """
    with _disk(path):
        real = Path(os.path.realpath(path)) if path.is_symlink() else path
        if real.is_dir():
            raise RewardsError(f"{path} is a folder; -o wants the file to write")
        if str(path) == "-" or real.is_symlink() or (path.exists() and not path.is_file()):
            raise RewardsError(f"{path} is no regular file; leave out -o to write to standard output")
    return real


def sidecars(path: Path) -> list[Path]:
    """The files that are written or deleted beside an output file."""
    final = (path, header_path(path), rejected_path(path))
    return [*final[1:], _settings_of(path), *map(partial_of, final)]


def check_folder(path: Path) -> None:
    """Raise RewardsError where the folder of the file does not exist."""
    if not path.parent.is_dir():
        raise RewardsError(f"{path}: the folder {path.parent} does not exist")


def finished(path: Path, fingerprint: Mapping[str, Any], chunk: int) -> bool | None:
    """Whether everything in a finished file was scored; None where it is not there or still being written.

    Raises RewardsError where it was made with other settings or another input, and so is not the result of this run.
    Removes the log that a run has left beside it where it died after everything was in place.
    """
    path = real_file(path)
    if not path.exists() or partial_of(path).exists():
        return None
    meta = header_path(path)
    try:
        header = orjson.loads(meta.read_bytes())
        same = header["fingerprint"] == _digest(_settings(fingerprint, chunk))
        whole = same and not header["counts"]["failed"] and not header["counts"]["rejected"]
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise RewardsError(f"{path} exists, but {meta} does not say how it was made; give another -o") from error
    if not same:
        found = "; ".join(islice(_differences(header, orjson.loads(_settings(fingerprint, chunk))), 3))
        raise RewardsError(
            f"{path} was made with other settings or another input{f' ({found})' if found else ''};"
            " give another -o, or delete it"
        )
    _clear(_settings_of(path))
    return whole


def replaced(path: Path, fingerprint: Mapping[str, Any], chunk: int) -> bool | None:
    """As `finished`, for a file that its own results replace. None also where the run that did so ended normally.

    The input is gone, so that a run that died is recognised by the log it left: its settings, ignoring `job.input`.
    """
    path = real_file(path)
    noted = _settings_of(path)
    if partial_of(path).exists() or not noted.exists():
        return None
    stated = noted.read_bytes().partition(b"\n")[0]
    if (read_header(path) or {}).get("fingerprint") != _digest(stated):
        return None  # it died before it replaced the header
    settings: dict[str, Any] = orjson.loads(stated)
    if _without_input(settings) != _without_input(orjson.loads(_settings(fingerprint, chunk))):
        return None
    return finished(path, settings, settings["batch_size"])


def _without_input(settings: Mapping[str, Any]) -> dict[str, Any]:
    job = settings.get("job")
    return {**settings, "job": {**job, "input": None} if isinstance(job, Mapping) else job}


def changes(before: Any, now: Any, name: str = "") -> Iterator[str]:
    """The differences between two JSON values: `models.encoder.digest was "…", is "…"`."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            yield from changes(before.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif before != now:
        was, found = (orjson.dumps(value).decode()[:80] for value in (before, now))
        yield f"{name} was {was}, is {found}"


def _differences(header: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """The differences in settings that a header states too; of an appended file, those of the last run that appended."""
    last = {**header, **(header.get("appended") or [{}])[-1]}
    for key in ("suite", "rewards", "profile", "versions", "batch_size"):
        if key in last and key in now and type(last[key]) is type(now[key]):
            yield from changes(last[key], now[key], key)


def _settings(fingerprint: Mapping[str, Any], chunk: int) -> bytes:
    return orjson.dumps({**fingerprint, "batch_size": chunk}, option=orjson.OPT_SORT_KEYS)


def _digest(settings: bytes) -> str:
    return hashlib.sha256(settings).hexdigest()


def _clear(settings: Path) -> None:
    """Remove the log that a run left, unless another process has started and locked it."""
    with suppress(OSError), settings.open("rb") as log:
        if lock.take(log.fileno()):
            lock.remove(settings, log)


class File:
    """Results to OUT, rejects to OUT.rejected.jsonl, the header to OUT.meta.json; atomic, resumable.

    `fingerprint` identifies what is being computed, and the header states its `digest`. `done` is the number of output
    records that an earlier run left and that are kept, always a multiple of `chunk`; `made` is what was written with the
    last of them, and `seen` is called with each. `rejected` is the rejects file of a file that is appended to: it stays, or
    is copied. Only one process at a time can write to OUT, which may be a link to a file.
    """

    def __init__(
        self,
        path: Path,
        fingerprint: Mapping[str, Any],
        chunk: int,
        resume: bool,
        seen: Callable[[Mapping[str, Any]], None] = lambda _: None,
        rejected: Path | None = None,
    ) -> None:
        path = real_file(path)
        check_folder(path)
        self.path = path
        self.done = 0
        self.made: Mapping[str, Any] = NOTHING
        self._partial = partial_of(path)
        self._settings = _settings_of(path)
        self._rejected = rejected_path(path)
        self._rejected_before = rejected
        self._fingerprint = _settings(fingerprint, chunk)
        self.digest = _digest(self._fingerprint)
        self._log = self._locked()
        try:
            if self._partial.exists() and (self._log.tell() or self._partial.stat().st_size):
                if self._log.tell() and not resume:
                    raise RewardsError(
                        f"{self._partial} is left from a run that did not end: add --resume, or delete it"
                    )
                self._keep_whole_chunks(chunk, seen)
            with _disk(path):
                if not self.done:
                    self._log.truncate(0)
                    self._log.write(self._fingerprint + b"\n")
                    self._log.flush()
                self._out: IO[bytes] = self._partial.open("ab" if self.done else "wb")
        except BaseException:
            if not os.fstat(self._log.fileno()).st_size:  # opening it has created it
                lock.remove(self._settings, self._log)
            self._log.close()
            raise
        self._wrote = bool(self.done)
        # A resumed run finds the bad lines again, so their file always starts empty.
        self._bad: IO[bytes] | None = None

    def _locked(self) -> IO[bytes]:
        """The log that says how OUT is made, locked by this process. Raises RewardsError where another one holds it."""
        while True:
            with _disk(self.path):
                log = self._settings.open("ab")
            if not lock.take(log.fileno()):
                log.close()
                raise RewardsError(
                    f"{self.path} is being written by another process; wait for it or end it, or give another -o"
                )
            if self._settings.exists() and os.path.samestat(os.fstat(log.fileno()), self._settings.stat()):
                return log
            log.close()  # removed by a process that ended in between: open a new one

    def _keep_whole_chunks(self, chunk: int, seen: Callable[[Mapping[str, Any]], None]) -> None:
        """Truncate both files after the last whole chunk before any damaged line, as a power cut may leave.

        Raises RewardsError where a run with other settings wrote them, or they were changed.
        """
        stated, *made = self._settings.read_bytes().split(b"\n")
        if not _whole(stated):
            raise RewardsError(f"nothing beside {self._partial} says how it was made; delete it to start over")
        if stated != self._fingerprint:
            found = islice(changes(orjson.loads(stated), orjson.loads(self._fingerprint)), 3)
            raise RewardsError(
                f"{self._partial} was made with other settings or another input ({'; '.join(found)});"
                " give the same, or delete it to start over"
            )
        made = list(takewhile(_whole, made[:-1]))  # what follows the last line break is incomplete
        kept = end = position = 0
        with self._partial.open("rb") as file:
            for line in takewhile(_whole, file):
                position += len(line)
                kept += 1
                if kept % chunk == 0 and kept // chunk <= len(made) and line.endswith(b"\n"):
                    self.done, end = kept, position
        os.truncate(self._partial, end)
        if self.done:
            self.made = orjson.loads(made[self.done // chunk - 1])
            wrong = misshapen(self.made) or ("seconds" if self.made and "seconds" not in self.made else None)
            if wrong:
                where = f"{self._settings}, line {self.done // chunk + 1}: {wrong}"
                raise RewardsError(f"{where} is not as this run wrote it; delete {self._partial} to start over")
            os.truncate(self._settings, sum(len(line) + 1 for line in (stated, *made[: self.done // chunk])))
        with self._partial.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    seen(orjson.loads(line))
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    raise RewardsError(
                        f"{self._partial}, line {number} is not as this run wrote it ({tell(error)}); delete it to start over"
                    ) from error

    def write(self, records: Iterable[Mapping[str, Any]], made: Mapping[str, Any] = NOTHING) -> None:
        """Append one chunk; it survives the death of the process once this returns."""
        with _disk(self.path):
            self._log.write(dump({**made}))  # first, so that every whole chunk has such an entry
            self._log.flush()
            self._out.writelines(dump(record) for record in records)
            self._out.flush()
        self._wrote = True

    def abandon(self) -> None:
        """Close the files; delete them where no chunk was written, because there is nothing to resume."""
        for file in filter(None, (self._bad, self._out)):
            with suppress(OSError):  # on a full disk, the rest of the buffer fails again
                file.close()
        if not self._wrote:
            for path in (self._partial, partial_of(self._rejected)):
                path.unlink(missing_ok=True)
            with suppress(OSError):
                lock.remove(self._settings, self._log)
        with suppress(OSError):
            self._log.close()

    def reject(self, line: Line) -> None:
        """Append one bad line to the rejects file."""
        with _disk(self._rejected):
            if self._bad is None:
                self._bad = partial_of(self._rejected).open("wb")
            self._bad.write(dump(rejection(line)))

    def finish(self, header: Mapping[str, Any]) -> None:
        """Put everything in place: rejects and header first, so that OUT is there only when all is."""
        with _disk(self.path):
            self._out.flush()
            os.fsync(self._out.fileno())  # the slow step, before the quick renames
            self._out.close()
            if self._bad is not None:
                self._bad.close()
                partial_of(self._rejected).replace(self._rejected)
            elif self._rejected_before is None or not self._rejected_before.exists():
                self._rejected.unlink(missing_ok=True)
            elif not self._rejected.exists() or not self._rejected.samefile(self._rejected_before):
                with replacing(self._rejected) as copy:
                    shutil.copyfile(self._rejected_before, copy)
            header = {**header, "fingerprint": self.digest}
            with replacing(header_path(self.path)) as meta:
                meta.write_bytes(orjson.dumps(header, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
            self._partial.replace(self.path)
            lock.remove(self._settings, self._log)


def _settings_of(path: Path) -> Path:
    """The path of the log beside a partial file: its first line has the settings, the others how each chunk was made."""
    return path.with_name(f"{path.name}.partial.json")


def _whole(line: bytes) -> bool:
    """Whether a line is a complete JSON object: after a power cut it may be cut off, or zeros."""
    with suppress(orjson.JSONDecodeError):
        return isinstance(orjson.loads(line), dict)
    return False


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Turn an OSError into a RewardsError that names the file, and for a full disk says how to resume."""
    try:
        yield
    except BrokenPipeError:  # the reader closed the pipe, which is no failure of the disk
        raise
    except OSError as error:
        remedy = "; free some space and add --resume to go on" if error.errno in DISK_FULL else ""
        raise RewardsError(f"{path} cannot be written: {error.strerror or error}{remedy}") from error
