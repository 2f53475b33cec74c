"""Packed rows: each text keeps its tokens and sees only its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rewards.models.tries import pack

sequences = st.lists(st.lists(st.integers(0, 2), max_size=9), max_size=12)


@given(sequences, st.integers(1, 20), st.integers(1, 5))
def test_every_text_is_packed_once_and_reads_as_itself(texts: list[list[int]], limit: int, worthwhile: int) -> None:
    rows = pack(texts, limit, worthwhile)
    found = {index: [row.tokens[node] for node in path] for row in rows for index, path in row.paths}
    assert found == dict(enumerate(texts))
    assert sum(len(row.paths) for row in rows) == len(texts)
    assert all(len(row) <= limit or len(row.paths) == 1 for row in rows)


@given(sequences)
def test_a_token_attends_to_its_own_text_up_to_itself_and_nothing_else(texts: list[list[int]]) -> None:
    for row in pack(texts, 50, 1):
        mask, positions = row.mask(), row.positions()
        for _, path in row.paths:
            for depth, node in enumerate(path):
                assert positions[node] == depth
                assert sorted(path[: depth + 1]) == [int(i) for i in mask[node].nonzero()[0]]


def test_shared_beginnings_are_stored_once() -> None:
    (row,) = pack([[1, 2, 3, 4, 5], [1, 2, 3, 4, 6, 7], [1, 2, 3, 4]], 50)
    assert len(row) == 7
    assert row.branches


def test_a_row_is_not_longer_than_the_limit_unless_one_text_is() -> None:
    rows = pack([[1] * 30, [1] * 10 + [2], [1] * 10 + [3]], 12)
    assert sorted(len(row) for row in rows) == [12, 30]
