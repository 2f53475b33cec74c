"""Which GPU a process of a run works on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def on_gpu(given: Mapping[str, Any]) -> bool:
    """Whether a trainer with these settings runs on a GPU."""
    import torch

    return torch.cuda.is_available() and not given.get("use_cpu")


def own_gpu(local_rank: int) -> int:
    """The number of the GPU that belongs to this process of a machine."""
    import torch

    return local_rank % torch.cuda.device_count()


def take_gpu(given: Mapping[str, Any], local_rank: int) -> None:
    """Select this process's own GPU from the start: calls before the trainer's would take memory on the first GPU."""
    import torch

    if on_gpu(given):
        torch.cuda.set_device(own_gpu(local_rank))
