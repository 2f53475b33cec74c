"""Feature caches: in memory with a byte limit, and on disk in one SQLite file. Keys are digests, values float32 arrays."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rewards.errors import RewardsError

Array = NDArray[np.float32]


class Cache(Protocol):
    """Where features are kept between passes."""

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Array]:
        """The arrays of those keys that are present."""
        ...

    def put(self, items: Mapping[bytes, Array]) -> None:
        """Keep these arrays."""
        ...

    def clear(self) -> None:
        """Forget what need not outlive a batch of records."""


def key(*parts: str) -> bytes:
    """A digest of the parts: model, dtype, kind of feature, text. Lengths are hashed too, so that parts cannot run together."""
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()


class MemoryCache:
    """The least recently used arrays go once `limit` bytes are exceeded."""

    def __init__(self, limit: int = 512 * 2**20) -> None:
        self._limit = limit
        self._size = 0
        self._items: OrderedDict[bytes, Array] = OrderedDict()

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Array]:
        """The arrays of those keys that are present."""
        found = {}
        for name in keys:
            if name in self._items:
                self._items.move_to_end(name)
                found[name] = self._items[name]
        return found

    def put(self, items: Mapping[bytes, Array]) -> None:
        """Keep these arrays, dropping the oldest where the limit is reached."""
        for name, array in items.items():
            if name not in self._items:
                self._items[name] = array
                self._size += array.nbytes
        while self._size > self._limit and self._items:
            _, dropped = self._items.popitem(last=False)
            self._size -= dropped.nbytes

    def clear(self) -> None:
        """Forget everything."""
        self._items.clear()
        self._size = 0


class DiskCache:
    """One SQLite file in a folder, safe to share between processes; survives the run."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "features.sqlite"
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self.path, timeout=60, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS features (key BLOB PRIMARY KEY, shape TEXT NOT NULL, data BLOB NOT NULL)"
            )
        except (OSError, sqlite3.Error) as error:
            raise RewardsError(
                f"the cache {self.path} cannot be opened: {error}; give another --cache folder or delete it"
            ) from error

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Array]:
        """The arrays of those keys that are present."""
        wanted = list(keys)
        found: dict[bytes, Array] = {}
        with self._lock, _named(self.path):
            for start in range(0, len(wanted), 500):  # SQLite takes a limited number of parameters
                part = wanted[start : start + 500]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, shape, data FROM features WHERE key IN ({marks})"  # noqa: S608  (only marks)
                for name, shape, data in self._database.execute(query, part):
                    sizes = [int(size) for size in shape.split(",") if size]
                    found[name] = np.frombuffer(data, dtype="<f4").reshape(sizes)
        return found

    def put(self, items: Mapping[bytes, Array]) -> None:
        """Keep these arrays, all or none of them."""
        rows = [
            (name, ",".join(map(str, array.shape)), np.ascontiguousarray(array, dtype="<f4").tobytes())
            for name, array in items.items()
        ]
        with self._lock, _named(self.path), self._database:
            self._database.executemany("INSERT OR IGNORE INTO features VALUES (?, ?, ?)", rows)

    def clear(self) -> None:
        """Nothing: what is on disk is meant to stay."""


class _named:  # noqa: N801  (a context manager, used like a function)
    """Turn SQLite's errors into one that names the file and the remedy."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (sqlite3.Error, ValueError)):
            raise RewardsError(
                f"the cache {self._path} cannot be used: {error}; delete it (features are computed again)"
            ) from error
