"""Weights of a policy with LoRA stay what they are while vLLM is sent them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch


def keep_base(trainer: Any) -> None:
    """Put the base weights back after every transfer to vLLM, to the bit.

    PEFT folds the adapter into them for it and takes it out again, in place: rounded to bfloat16, W + d - d is not W. Step by
    step the policy would train on weights that nobody has, and that neither the saved adapter nor a resumed run starts from.
    The copies lie in main memory. Nothing to do without vLLM, without LoRA, and in float32, where 1e-7 is lost.
    """
    generation = getattr(trainer, "vllm_generation", None)
    if generation is None or next(_rounded(generation.model), None) is None:
        return
    send = generation.sync_weights
    kept: list[torch.Tensor] = []

    def sync_weights() -> None:
        if not kept:  # now, not before: sharding takes the weights of the start away
            kept.extend(weight.detach().to("cpu", copy=True) for weight in _rounded(generation.model))
        send()
        with torch.no_grad():
            for weight, before in zip(_rounded(generation.model), kept, strict=True):
                weight.copy_(before)

    generation.sync_weights = sync_weights


def _rounded(model: Any) -> Iterator[torch.Tensor]:
    """What adapters are folded into, weights and biases, where it has fewer digits than float32."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            base: Any = module.get_base_layer()
            weight = getattr(module, "parameter_name", "weight")  # that of experts has another name
            for name in (weight, "bias"):
                found = getattr(base, name, None)
                if isinstance(found, torch.Tensor) and found.dtype in (torch.bfloat16, torch.float16):
                    yield found
