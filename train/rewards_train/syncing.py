"""Keeps the base weights of a policy with LoRA unchanged when they are sent to vLLM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch


def keep_base(trainer: Any) -> None:
    """Restore the base weights after every transfer to vLLM, bit by bit.

    For the transfer PEFT merges the adapter into them and then subtracts it, in place: in bfloat16, W + d - d is not W. Step
    by step the policy would drift to base weights that exist nowhere else, neither beside the saved adapter nor in a resumed
    run. The copies are kept in main memory. Does nothing without vLLM, without LoRA, and in float32, where the error is only
    1e-7.
    """
    generation = getattr(trainer, "vllm_generation", None)
    if generation is None or next(_rounded(generation.model), None) is None:
        return
    send = generation.sync_weights
    kept: list[torch.Tensor] = []

    def sync_weights() -> None:
        if not kept:  # not earlier: sharding replaces the weights that a model starts with
            kept.extend(weight.detach().to("cpu", copy=True) for weight in _rounded(generation.model))
        send()
        with torch.no_grad():
            for weight, before in zip(_rounded(generation.model), kept, strict=True):
                weight.copy_(before)

    generation.sync_weights = sync_weights


def _rounded(model: Any) -> Iterator[torch.Tensor]:
    """The weights and biases into which adapters are merged, as far as they are less precise than float32."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            base: Any = module.get_base_layer()
            weight = getattr(module, "parameter_name", "weight")  # weights of experts have another name
            for name in (weight, "bias"):
                found = getattr(base, name, None)
                if isinstance(found, torch.Tensor) and found.dtype in (torch.bfloat16, torch.float16):
                    yield found
