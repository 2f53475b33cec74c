"""Batches stay within their budget, and memory that runs out costs halves of a batch, not the run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.errors import tell
from rewards.models.batches import batches, isolate, run_all, run_halving
from tests.conftest import Untellable


@given(st.lists(st.integers(0, 50)), st.integers(1, 100), st.booleans())
def test_every_item_once_within_the_budget(lengths: list[int], budget: int, padded: bool) -> None:
    found = list(batches(list(range(len(lengths))), lambda i: lengths[i], budget, padded=padded))
    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    for batch in found:
        inside = [lengths[i] for i in batch]
        assert len(batch) == 1 or (len(batch) * max(inside) if padded else sum(inside)) <= budget


def test_longest_first() -> None:
    assert [len(batch[0]) for batch in batches(["a", "ccc", "bb"], len, 1)] == [3, 2, 1]


def test_batches_are_as_large_as_the_budget_allows() -> None:
    def sizes(lengths: list[int], budget: int, padded: bool) -> list[int]:
        return [len(one) for one in batches(lengths, lambda length: length, budget, padded=padded)]

    assert sizes([4, 2, 2, 1, 1, 1, 1], 4, True) == [1, 2, 4]
    assert sizes([4, 3, 1, 2, 2], 4, False) == [1, 1, 2, 1]  # 4; 3; 2 + 2; 1
    assert sizes([0] * 7, 3, True) == sizes([0] * 7, 3, False) == [3, 3, 1]  # an empty text takes a place too


def test_what_is_several_texts_is_taken_apart_before_it_fails() -> None:
    done: set[str] = set()  # what is done again comes to the same
    failed: dict[str, str] = {}

    def forward(batch: list[str]) -> None:
        if "x" in "".join(batch):
            raise MemoryError("too much") if "m" in "".join(batch) else ValueError("no")
        done.update(batch)

    def run(*items: str) -> None:
        done.clear()
        failed.clear()
        run_all([list(items)], forward, lambda item, reason: failed.update({item: reason}), "it", list)

    run("axb", "c")
    assert (done, failed) == ({"a", "b", "c"}, {"x": "it failed: ValueError: no"})
    run("m", "axm")
    assert (done, failed) == ({"m", "a"}, {"x": "it failed: ValueError: no"})
    run("mx")
    assert (done, list(failed)) == ({"m"}, ["x"])


def test_of_errors_only_the_first_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def work(part: list[int]) -> None:
        raise ValueError(f"not {part}")

    isolate([[1, 2], [3]], work, lambda item, reason: None, "the head")
    assert [one.getMessage() for one in caplog.records] == ["the head failed: ValueError: not [1, 2]"]


@pytest.mark.parametrize("sign", ["CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling x"])
def test_out_of_memory_halves_until_it_fits_and_fails_only_what_never_does(sign: str) -> None:
    done: list[int] = []
    failed: dict[int, str] = {}
    sizes: list[int] = []

    def forward(batch: list[int]) -> None:
        sizes.append(len(batch))
        if len(batch) > 2 or 7 in batch:
            raise RuntimeError(sign)
        done.extend(batch)

    run_halving(list(range(8)), forward, lambda item, reason: failed.update({item: reason}))
    assert sorted(done) == [0, 1, 2, 3, 4, 5, 6]
    assert list(failed) == [7]
    assert sign in failed[7]
    assert sizes[0] == 8


def test_any_other_error_is_not_taken_for_lack_of_memory() -> None:
    def forward(batch: list[int]) -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        run_halving([1, 2], forward, lambda item, reason: None)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("not 7"), "ValueError: not 7"),
        (SystemExit(3), "SystemExit: 3"),
        (Untellable(), "Untellable"),
    ],
)
def test_whatever_is_raised_fails_only_the_item_at_fault(error: BaseException, told: str) -> None:
    done: list[int] = []
    failed: dict[int, str] = {}

    def work(part: list[int]) -> None:
        if 7 in part:
            raise error
        done.extend(part)

    isolate([[5, 6, 7, 8]], work, lambda item, reason: failed.update({item: reason}), "the head")
    assert sorted(done) == [5, 6, 8]
    assert failed == {7: f"the head failed: {told}"}


def test_what_is_told_of_an_error_can_be_written_to_a_file() -> None:
    assert tell(OSError("no caf\udce9.txt")) == "OSError: no caf\ufffd.txt"


def test_an_interrupt_ends_the_run() -> None:
    def work(part: list[int]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        isolate([[1]], work, lambda item, reason: None, "the head")
