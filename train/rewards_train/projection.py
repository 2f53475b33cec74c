"""The projection onto the vocabulary, where it is read."""

from __future__ import annotations

from typing import Any

from trl.trainer import utils


def project_completions_only() -> None:
    """Let TRL project only positions that a loss reads onto the vocabulary, on a CPU too, in this process from now on.

    TRL does so where it has Triton kernels. Elsewhere it projects every position, prompts and padding included, for the sake
    of devices that compile anew for every shape. A CPU does not, and with a small policy that was a third of a step of GRPO.
    What is computed is the same. A TRL that no longer asks this question is left as it is.
    """
    asks = getattr(utils, "_use_triton", None)
    if asks is None or getattr(asks, "on_cpu", False):
        return

    def compact(device: Any) -> bool:
        return device.type == "cpu" or bool(asks(device))

    compact.on_cpu = True  # type: ignore[attr-defined]  # marks what must not be wrapped twice
    utils.__dict__["_use_triton"] = compact
