"""Length-sorted batches under a token budget, split in halves when memory runs out or an item fails."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from rewards.errors import ModelError, RewardsError, tell

log = logging.getLogger("rewards.engine")
Item = TypeVar("Item")


def batches(
    items: Sequence[Item], length: Callable[[Item], int], budget: int, *, padded: bool = True
) -> Iterator[list[Item]]:
    """The items in batches whose size stays within `budget` tokens, longest batch first.

    Its size is count x longest where items are padded, else the sum of lengths. A single item longer than the budget is a
    batch of its own. Longest first, so that running out of memory shows at once.
    """
    batch: list[Item] = []
    size = 0
    for item in sorted(items, key=length, reverse=True):
        more = (length(batch[0]) if padded and batch else length(item)) or 1
        if batch and size + more > budget:
            yield batch
            batch, size = [], 0
            more = length(item) or 1
        batch.append(item)
        size += more
    if batch:
        yield batch


def run_all(
    parts: Iterable[list[Item]],
    forward: Callable[[list[Item]], None],
    failed: Callable[[Item, str], None],
    what: str,
    split: Callable[[Item], Sequence[Item]] | None = None,
) -> None:
    """Run `forward` on every batch, in halves where memory runs out; an item that fails otherwise does not fail the others.

    `split` divides an item that holds several texts; `what` names the model in reasons and in the log.
    """
    isolate(parts, lambda part: run_halving(part, forward, failed, split), failed, what, split)


def run_halving(
    batch: list[Item],
    forward: Callable[[list[Item]], None],
    failed: Callable[[Item, str], None],
    split: Callable[[Item], Sequence[Item]] | None = None,
) -> None:
    """Run `forward` on the batch, in halves where memory runs out; an item too large on its own goes to `failed`.

    A single item that `split` can divide is tried in its parts, one by one.
    """
    try:
        forward(batch)
        return
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        reason = f"out of memory: {error}"
    # Outside the except block: the exception's frames hold the tensors that must be freed first.
    _release()
    parts = _smaller(batch, split)
    if not parts:
        failed(batch[0], reason)
    for part in parts:
        run_halving(part, forward, failed, split)


def isolate(
    parts: Iterable[list[Item]],
    work: Callable[[list[Item]], None],
    failed: Callable[[Item, str], None],
    what: str,
    split: Callable[[Item], Sequence[Item]] | None = None,
) -> None:
    """Run `work` on every part, in halves where it raises, so that only the items at fault go to `failed`.

    Only the first error is logged with its traceback. A RewardsError propagates: it is about the model or a plugin, not
    about an item. Raises ModelError where the device itself failed.
    """
    logged = False
    for whole in parts:
        left = [whole]
        while left:
            part = left.pop()
            try:
                work(part)
                continue
            except (RewardsError, KeyboardInterrupt):
                raise
            except BaseException as error:  # models and heads may fail in any way; the other texts go on
                if _device_failed(error):
                    raise ModelError(
                        f"{what}: the device failed, and computes nothing more in this process: {error};"
                        " what is written is safe: start again, with --resume"
                    ) from error
                reason = f"{what} failed: {tell(error)}"
                if not logged:
                    log.error("%s", reason, exc_info=True)
                logged = True
            smaller = _smaller(part, split)
            if not smaller:
                failed(part[0], reason)
            left += reversed(smaller)


def _smaller(batch: list[Item], split: Callable[[Item], Sequence[Item]] | None) -> list[list[Item]]:
    """The two halves of the batch; for a single item its parts, one per batch; empty where it cannot be divided."""
    if len(batch) > 1:
        middle = len(batch) // 2
        return [batch[:middle], batch[middle:]]
    parts = split(batch[0]) if split else ()
    return [[part] for part in parts] if len(parts) > 1 else []


NO_MEMORY = (
    "out of memory", "not enough memory", "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED", "CUDNN_STATUS_ALLOC_FAILED",
)  # fmt: skip
"""Out-of-memory messages; CUDA libraries allocate memory of their own, outside of torch."""


def out_of_memory(error: BaseException) -> bool:
    """Whether this error of torch, of a CUDA library or of the system means that memory ran out."""
    import torch  # only models need torch

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return any(sign in tell(error) for sign in NO_MEMORY)


def _device_failed(error: BaseException) -> bool:
    """Whether the GPU itself failed (an assertion in a kernel, an illegal access), so that every later call fails too."""
    torch = sys.modules.get("torch")  # without it no device was used
    return torch is not None and isinstance(error, torch.AcceleratorError) and not out_of_memory(error)


def _release() -> None:
    import torch  # only models need torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
