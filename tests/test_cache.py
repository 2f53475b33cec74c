"""Caches give back what they were given, bit for bit, and keep to their limits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rewards.engine.cache import DiskCache, MemoryCache, key
from rewards.errors import RewardsError


def array(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_keys_tell_parts_apart() -> None:
    assert len({key("a", "b"), key("ab"), key("", "ab"), key("a", "", "b"), key("\ud800")}) == 5


def test_memory_forgets_the_least_recently_used() -> None:
    cache = MemoryCache(limit=24)
    cache.put({b"1": array(1, 2), b"2": array(3, 4), b"3": array(5, 6)})
    cache.get([b"1"])
    cache.put({b"4": array(7, 8)})
    assert set(cache.get([b"1", b"2", b"3", b"4"])) == {b"1", b"3", b"4"}
    cache.clear()
    assert cache.get([b"1"]) == {}


def test_disk_keeps_shapes_and_bits_between_openings(tmp_path: Path) -> None:
    items = {
        b"vector": array(0.1, -0.0, 1e-40),
        b"empty": np.zeros((0, 3), np.float32),
        b"scalar": np.float32(7.5).reshape(()),
    }
    DiskCache(tmp_path / "cache").put(items)
    found = DiskCache(tmp_path / "cache").get([*items, b"absent"])
    assert set(found) == set(items)
    for name, value in items.items():
        assert found[name].shape == value.shape
        assert found[name].tobytes() == value.tobytes()


def test_many_keys_at_once(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    items = {str(i).encode(): array(i) for i in range(2000)}
    cache.put(items)
    assert len(cache.get(items)) == 2000


def test_a_file_that_is_no_cache_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "features.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(RewardsError, match=r"features\.sqlite"):
        DiskCache(tmp_path).get([b"1"])
