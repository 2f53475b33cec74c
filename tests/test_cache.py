"""Caches give back what they were given, bit for bit, and keep to their limits."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rewards.engine.cache import ENTRY, DiskCache, MemoryCache
from rewards.errors import RewardsError
from rewards.models.keys import key
from rewards.plan import SuitePlan


def array(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_keys_tell_parts_apart() -> None:
    assert len({key("a", "b"), key("ab"), key("", "ab"), key("a", "", "b"), key("\ud800")}) == 5


def test_a_folder_on_disk_may_be_given_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert DiskCache("~/features").path == tmp_path / "features" / "features.sqlite"
    assert SuitePlan(cache=str(tmp_path / "other")).engine()
    assert (tmp_path / "other" / "features.sqlite").exists()


def test_memory_forgets_the_least_recently_used() -> None:
    cache = MemoryCache(limit=3 * (8 + ENTRY))
    cache.put({b"1": array(1, 2), b"2": array(3, 4), b"3": array(5, 6)})
    cache.get([b"1"])
    cache.put({b"4": array(7, 8)})
    assert set(cache.get([b"1", b"2", b"3", b"4"])) == {b"1", b"3", b"4"}
    cache.clear()
    assert cache.get([b"1"]) == {}


def test_memory_counts_an_array_once_and_starts_anew_when_it_is_cleared() -> None:
    cache = MemoryCache(limit=3 * (8 + ENTRY))
    items = {b"1": array(1, 2), b"2": array(3, 4), b"3": array(5, 6)}
    for _ in range(3):
        for _ in range(2):
            cache.put(items)
        assert set(cache.get(items)) == set(items)
        cache.clear()


def test_what_is_put_again_stays_as_it_was(tmp_path: Path) -> None:
    for cache in (MemoryCache(), DiskCache(tmp_path)):
        cache.put({b"1": array(1)}, [b"1"])
        cache.put({b"1": array(2), b"2": array(3)}, [b"1"])
        assert [float(one[0]) for one in cache.get([b"1", b"2"]).values()] == [1.0, 3.0]
        assert cache.cut([b"1", b"2"]) == {b"1"}


def test_memory_forgets_with_an_array_that_its_text_was_cut() -> None:
    cache = MemoryCache(limit=8 + ENTRY)
    cache.put({b"1": array(1, 2)}, [b"1"])
    cache.put({b"2": array(3, 4)})
    assert cache.cut([b"1", b"2"]) == set()


def test_nobody_changes_what_another_reads(tmp_path: Path) -> None:
    for cache in (MemoryCache(), DiskCache(tmp_path)):
        cache.put({b"1": array(1, 2)})
        with pytest.raises(ValueError, match="read-only"):
            cache.get([b"1"])[b"1"] *= 2


def test_a_cache_that_others_open_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, tries = sqlite3.connect, list[str]()

    class Busy(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            tries.append(sql)
            if len(tries) < 3:
                raise sqlite3.OperationalError("database is locked")
            return super().execute(sql, *parameters)

    monkeypatch.setattr(sqlite3, "connect", lambda *given, **options: opened(*given, factory=Busy, **options))
    DiskCache(tmp_path).put({b"1": array(1, 2)})
    assert tries[:3] == ["PRAGMA journal_mode=WAL"] * 3


def test_disk_keeps_shapes_and_bits_between_openings(tmp_path: Path) -> None:
    items = {
        b"vector": array(0.1, -0.0, 1e-40),
        b"empty": np.zeros((0, 3), np.float32),
        b"scalar": np.float32(7.5).reshape(()),
    }
    folder = tmp_path / "not" / "there"  # yet: it is made
    DiskCache(folder).put(items)
    found = DiskCache(folder).get([*items, b"absent"])
    assert set(found) == set(items)
    for name, value in items.items():
        assert found[name].shape == value.shape
        assert found[name].tobytes() == value.tobytes()


def test_many_keys_at_once(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    items = {str(i).encode(): array(i) for i in range(2000)}
    cache.put(items)
    assert len(cache.get(items)) == 2000


def test_both_caches_remember_whose_text_was_cut(tmp_path: Path) -> None:
    items = {str(i).encode(): array(i) for i in range(1200)}
    for cache in (MemoryCache(), DiskCache(tmp_path)):
        cache.put(items, {b"7", b"1100"})
        assert cache.cut([*items, b"absent"]) == {b"7", b"1100"}
        assert cache.cut([b"8"]) == set()
    assert DiskCache(tmp_path).cut(items) == {b"7", b"1100"}
    small = MemoryCache(limit=4 + ENTRY)
    small.put({b"1": array(1)}, [b"1"])
    small.put({b"2": array(2)}, [b"2"])
    assert small.cut([b"1", b"2"]) == {b"2"}
    small.clear()
    assert small.cut([b"2"]) == set()


def test_a_file_of_an_earlier_release_is_used_on(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "features.sqlite") as old:
        old.execute("CREATE TABLE features (key BLOB PRIMARY KEY, shape TEXT NOT NULL, data BLOB NOT NULL)")
        old.execute("INSERT INTO features VALUES (?, '1', ?)", (b"old", array(1).tobytes()))
    old.close()
    cache = DiskCache(tmp_path)
    cache.put({b"new": array(2)}, [b"new"])
    assert set(cache.get([b"old", b"new"])) == {b"old", b"new"}
    assert cache.cut([b"old", b"new"]) == {b"new"}


def test_rows_of_a_batch_do_not_keep_the_batch_alive() -> None:
    cache = MemoryCache()
    batch = np.ones((1000, 8), np.float32)
    cache.put({b"row": batch[3]})
    assert cache.get([b"row"])[b"row"].base is None


def test_threads_may_share_the_memory(tmp_path: Path) -> None:
    cache = MemoryCache(limit=100 * (4 + ENTRY))

    def work(number: int) -> None:
        for i in range(3000):
            name = str((number * i) % 150).encode()
            cache.put({name: array(i)}, [name])
            for found in cache.get([name, b"1", b"2"]).values():
                assert found.shape == (1,)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    kept = cache.get([str(i).encode() for i in range(150)])
    assert len(kept) == 100
    assert cache.cut([str(i).encode() for i in range(150)]) == set(kept)


def test_another_thread_uses_the_disk_while_who_writes_there_is_waited_for(tmp_path: Path) -> None:
    """As in a server, whose requests are scored by a thread of their own, beside runs on the same cache."""
    cache = DiskCache(tmp_path)
    other = sqlite3.connect(cache.path, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    ready = threading.Timer(0.2, other.rollback)
    ready.start()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(cache.put, {b"1": array(1)}).result()
    ready.join()
    other.close()
    assert cache.get([b"1"]).keys() == {b"1"}


def test_a_file_that_is_no_cache_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "features.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(RewardsError, match=r"features\.sqlite"):
        DiskCache(tmp_path).get([b"1"])


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x", encoding="utf-8")
    with pytest.raises(RewardsError, match="mine is a file; give a folder"):
        DiskCache(tmp_path / "mine")
    with pytest.raises(RewardsError, match="cannot be opened: .*; give another folder for it"):
        DiskCache(tmp_path / "mine" / "inside")


@pytest.mark.parametrize(("shape", "data"), [("1", 5), ("1", "text"), ("x", b"1234"), ("2", b"1234")])
def test_a_row_that_is_not_ours_is_an_error_that_names_the_file(tmp_path: Path, shape: Any, data: Any) -> None:
    cache = DiskCache(tmp_path)
    with sqlite3.connect(cache.path) as other:
        other.execute("INSERT INTO features VALUES (?, ?, ?)", (b"k", shape, data))
    with pytest.raises(RewardsError, match=r"features\.sqlite cannot be used"):
        cache.get([b"k"])


def test_a_cache_at_which_others_write_is_not_to_be_deleted(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    cache._database.execute("PRAGMA busy_timeout=0")
    with sqlite3.connect(cache.path) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RewardsError, match="others are at work in it: try again"):
            cache.put({b"k": np.zeros(1, dtype=np.float32)})
