"""Projects only positions that a loss reads onto the vocabulary."""

from __future__ import annotations

from typing import Any

from trl.trainer import utils


def project_completions_only() -> None:
    """Make TRL project only positions that a loss reads onto the vocabulary, on a CPU too, in this process from now on.

    TRL does so where it has Triton kernels. Elsewhere it projects every position, prompts and padding included, for the sake
    of devices that compile anew for every shape. A CPU does not, and with a small policy that was a third of a step of GRPO.
    The results are the same. A TRL without the function `_use_triton` is left as it is.
    """
    use_triton = getattr(utils, "_use_triton", None)
    if use_triton is None or getattr(use_triton, "on_cpu", False):
        return

    def compact(device: Any) -> bool:
        return device.type == "cpu" or bool(use_triton(device))

    compact.on_cpu = True  # type: ignore[attr-defined]  # marks what must not be wrapped twice
    utils.__dict__["_use_triton"] = compact
