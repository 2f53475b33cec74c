"""An upper bound for the engine's speed: the bare models on as many tokens, in batches without padding."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from bench.watch import Reading
from rewards.models.causal_lm import CausalLM


@torch.inference_mode()
def seconds(readings: Sequence[Reading], one_in: int = 1) -> float:
    """Seconds of the transformer blocks alone: no tokenising, no packing, no masks, no heads, no results.

    Only one in `one_in` tokens is read, and the time multiplied by that.
    """
    total = 0.0
    for reading in readings:
        blocks = bare(reading)
        length = max(1, round(reading.seen / reading.tokens))  # of texts with the same attention per token
        rows = max(1, reading.model.placement.token_budget // length)  # batches as large as the engine's
        ids = torch.randint(10, 1000, (rows, length), device=reading.model.placement.device)
        times, rest = divmod(reading.tokens // one_in, rows * length)
        with plain_attention(reading):
            began = time.perf_counter()
            for _ in range(times):
                blocks(ids)
            if rest >= length:
                blocks(ids[: rest // length])
            if rest % length:
                blocks(ids[:1, : rest % length])
            if ids.is_cuda:
                torch.cuda.synchronize()
            total += time.perf_counter() - began
    return total * one_in


@contextmanager
def plain_attention(reading: Reading) -> Iterator[None]:
    """Inside this context a causal model uses transformers' own attention."""
    if not isinstance(reading.model, CausalLM):
        yield
        return
    trunk = reading.model.trunk(reading.depth)
    before = trunk.config._attn_implementation
    trunk.set_attn_implementation("sdpa")
    try:
        yield
    finally:
        trunk.set_attn_implementation(before)


def bare(reading: Reading) -> Any:
    """The model's blocks as a function of token ids."""
    if isinstance(reading.model, CausalLM):
        trunk = reading.model.trunk(reading.depth)
        return lambda ids: trunk(input_ids=ids, use_cache=False)
    encoder = reading.model._model[0].auto_model
    return lambda ids: encoder(input_ids=ids, attention_mask=torch.ones_like(ids))


def flops(readings: Sequence[Reading]) -> float:
    """FLOPs of the matrix products with weights: two for each token and weight of the blocks; attention is left out."""
    total = 0.0
    for reading in readings:
        if isinstance(reading.model, CausalLM):
            blocks = reading.model.trunk(reading.depth).layers
        else:
            model = reading.model._model[0].auto_model
            blocks = getattr(model, "encoder", model)
        total += (
            2.0
            * reading.tokens
            * sum(one.weight.numel() for one in blocks.modules() if isinstance(one, torch.nn.Linear))
        )
    return total
