"""Feature caches: in memory with a byte limit, and on disk in one SQLite file. Keys are digests, values float32 arrays."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rewards.errors import RewardsError
from rewards.models.backend import Array
from rewards.paths import user_path

WAIT = 60  # seconds to wait for the lock of another process
ENTRY = 300  # bytes of overhead per array: its key, the array object, the slot in the dict


class Cache(Protocol):
    """Stores features between passes, with a mark on those of texts that were cut. Thread-safe."""

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Array]:
        """The arrays of those keys that are present."""
        ...

    def cut(self, keys: Iterable[bytes]) -> set[bytes]:
        """Those keys that are present and marked: their text was cut because it was too long for its model."""
        ...

    def put(self, items: Mapping[bytes, Array], cut: Collection[bytes] = ()) -> None:
        """Keep these arrays; `cut` are the keys of those whose text was cut."""
        ...

    def clear(self) -> None:
        """Called after each batch of records: drop what later batches do not need."""


class MemoryCache:
    """An LRU cache in memory, of at most `limit` bytes."""

    def __init__(self, limit: int = 512 * 2**20) -> None:
        self._limit = limit
        self._size = 0
        self._items: OrderedDict[bytes, Array] = OrderedDict()
        self._cut: set[bytes] = set()
        self._lock = threading.Lock()

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Array]:
        """The arrays of those keys that are present."""
        found = {}
        with self._lock:
            for name in keys:
                if name in self._items:
                    self._items.move_to_end(name)
                    found[name] = self._items[name]
        return found

    def cut(self, keys: Iterable[bytes]) -> set[bytes]:
        """Those keys that are present and whose text was cut."""
        with self._lock:
            return self._cut.intersection(keys)

    def put(self, items: Mapping[bytes, Array], cut: Collection[bytes] = ()) -> None:
        """Keep these arrays, dropping the least recently used ones where the limit is exceeded."""
        # A view of a batch's array would keep the whole batch in memory, which `_size` does not count.
        own = {name: array if array.base is None else array.copy() for name, array in items.items()}
        for array in own.values():
            array.setflags(write=False)  # rewards share this array
        with self._lock:
            for name, array in own.items():
                if name not in self._items:
                    self._items[name] = array
                    self._size += array.nbytes + ENTRY
            self._cut.update(cut)
            while self._size > self._limit and self._items:
                name, dropped = self._items.popitem(last=False)
                self._size -= dropped.nbytes + ENTRY
                self._cut.discard(name)

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._items.clear()
            self._cut.clear()
            self._size = 0


class DiskCache:
    """One SQLite file in a folder, safe to share between processes; survives the run."""

    def __init__(self, folder: str | Path) -> None:
        folder = user_path(str(folder))
        self.path = folder / "features.sqlite"
        self._lock = threading.Lock()
        try:
            if folder.exists() and not folder.is_dir():
                raise RewardsError(f"the cache {folder} is a file; give a folder, which is made where there is none")
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self.path, timeout=WAIT, check_same_thread=False)
            _write_ahead(self._database)
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS features (key BLOB PRIMARY KEY, shape TEXT NOT NULL, data BLOB NOT NULL)"
            )
            # A table and not a column: nearly always empty, and files of earlier releases get it without a migration.
            self._database.execute("CREATE TABLE IF NOT EXISTS cut (key BLOB PRIMARY KEY)")
        except (OSError, sqlite3.Error) as error:
            remedy = _remedy(error, "give another folder for it or delete it")
            raise RewardsError(f"the cache {self.path} cannot be opened: {error}; {remedy}") from error

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Array]:
        """The arrays of those keys that are present."""
        found: dict[bytes, Array] = {}
        for name, shape, data in self._select("key, shape, data", "features", keys):
            with _named(self.path):
                sizes = [int(size) for size in shape.split(",") if size]
                found[name] = np.frombuffer(data, dtype="<f4").reshape(sizes)
        return found

    def cut(self, keys: Iterable[bytes]) -> set[bytes]:
        """Those keys that are present and whose text was cut."""
        return {name for (name,) in self._select("key", "cut", keys)}

    def put(self, items: Mapping[bytes, Array], cut: Collection[bytes] = ()) -> None:
        """Keep these arrays, in one transaction."""
        rows = [
            (name, ",".join(map(str, array.shape)), np.ascontiguousarray(array, dtype="<f4").tobytes())
            for name, array in items.items()
        ]
        with self._lock, _named(self.path), self._database:
            self._database.executemany("INSERT OR IGNORE INTO features VALUES (?, ?, ?)", rows)
            self._database.executemany("INSERT OR IGNORE INTO cut VALUES (?)", [(name,) for name in cut])

    def _select(self, columns: str, table: str, keys: Iterable[bytes]) -> Iterator[Any]:
        """The rows of those keys."""
        wanted = list(keys)
        for start in range(0, len(wanted), 500):  # SQLite limits the number of parameters
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            query = f"SELECT {columns} FROM {table} WHERE key IN ({marks})"  # noqa: S608  (own names and placeholders)
            with self._lock, _named(self.path):
                rows = self._database.execute(query, part).fetchall()
            yield from rows

    def clear(self) -> None:
        """Do nothing: the file is kept for later runs."""


def _write_ahead(database: sqlite3.Connection) -> None:
    """Switch to write-ahead logging: reads go on during a write. SQLite's timeout may not cover the switch, so retry."""
    end = time.monotonic() + WAIT
    while True:
        try:
            database.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.05)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into one that names the file and the remedy."""
    try:
        yield
    except (sqlite3.Error, ValueError, TypeError, AttributeError) as error:  # the last three: a row of unexpected types
        remedy = _remedy(error, "delete it (features are computed again)")
        raise RewardsError(f"the cache {path} cannot be used: {error}; {remedy}") from error


def _remedy(error: Exception, otherwise: str) -> str:
    return "others are at work in it: try again" if "locked" in str(error) else otherwise
