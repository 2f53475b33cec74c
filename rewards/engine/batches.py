"""Length-sorted batches under a token budget, halved when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def batches(items: Sequence[Item], length: Callable[[Item], int], budget: int) -> Iterator[list[Item]]:
    """The items in batches whose padded size (count x longest) stays within `budget` tokens, longest batch first.

    A single item longer than the budget is a batch of its own. Longest first, so that running out of memory shows at once.
    """
    batch: list[Item] = []
    longest = 0
    for item in sorted(items, key=length, reverse=True):
        if batch and longest * (len(batch) + 1) > budget:
            yield batch
            batch = []
        if not batch:
            longest = max(1, length(item))
        batch.append(item)
    if batch:
        yield batch


def run_halving(batch: list[Item], forward: Callable[[list[Item]], None], failed: Callable[[Item, str], None]) -> None:
    """Run `forward` on the batch, in halves where memory runs out; an item too large on its own goes to `failed`."""
    try:
        forward(batch)
        return
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
        reason = f"out of memory: {error}"
    # Outside the except block: the exception's frames hold the tensors that must be freed first.
    _release()
    if len(batch) == 1:
        failed(batch[0], reason)
        return
    middle = len(batch) // 2
    run_halving(batch[:middle], forward, failed)
    run_halving(batch[middle:], forward, failed)


def _out_of_memory(error: BaseException) -> bool:
    import torch  # only models need torch

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    return "out of memory" in text or "not enough memory" in text or "can't allocate memory" in text


def _release() -> None:
    import torch  # only models need torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
