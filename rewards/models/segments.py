"""Attention within packed rows, segment by segment: a segment attends to the prefix that it shares and to itself.

Rows are concatenated into a batch of one, so nothing is padded and no mask spans a row. On a CPU this is faster: attention
costs what the texts alone would, not the square of the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface

from rewards.models.tries import PackedRow

NAME = "rewards_segments"
ARCHITECTURES = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Architectures with plain attention: no cap on the scores, no sinks, no bias."""


@dataclass(slots=True)
class Segment:
    """A run of new tokens and what they attend to: each other, causally, or the positions `seen` under a mask."""

    start: int
    end: int
    seen: torch.Tensor | None = None  # (S,)
    mask: torch.Tensor | None = None  # (T, S), added to the scores


def usable(model: Any, device: str) -> bool:
    """Whether the model's attention can be computed by segments, on a device where that is worth it."""
    config = model.config.get_text_config()
    return device == "cpu" and config.model_type in ARCHITECTURES and config._attn_implementation == "sdpa"


def use(model: Any) -> None:
    """Switch the model to attention by segments."""
    AttentionInterface.register(NAME, _attend)
    model.set_attn_implementation(NAME)


def inputs(rows: Sequence[PackedRow], firsts: Sequence[int], dtype: torch.dtype) -> dict[str, Any]:
    """The model's inputs: the concatenated rows, each of which starts at its offset in `firsts`."""
    return {
        "input_ids": torch.tensor([[token for row in rows for token in row.tokens]]),
        "position_ids": torch.tensor([[position for row in rows for position in row.positions()]]),
        "segments": [one for row, first in zip(rows, firsts, strict=True) for one in _segments(row, first, dtype)],
    }


def _segments(row: PackedRow, first: int, dtype: torch.dtype) -> list[Segment]:
    found: list[Segment] = []
    end = 0
    for _, path in row.paths:
        new = sum(node >= end for node in path)
        if new == len(path):
            found.append(Segment(first + end, first + end + new))
        elif new:
            mask = torch.full((new, len(path)), torch.finfo(dtype).min, dtype=dtype).triu(len(path) - new + 1)
            found.append(Segment(first + end, first + end + new, torch.tensor(path) + first, mask))
        end += new
    return found


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    segments: Sequence[Segment],
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """The attention (1, T, H, D), called by transformers: query (1, H, T, D), key and value with H or fewer heads."""
    del module, attention_mask  # the mask is None: transformers makes none for an attention that it does not know
    shared = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(shared, 1), value.repeat_interleave(shared, 1)
    out = query.new_empty(1, query.shape[2], query.shape[1], value.shape[3])
    for one in segments:
        seen: Any = slice(one.start, one.end) if one.seen is None else one.seen
        found = torch.nn.functional.scaled_dot_product_attention(
            query[:, :, one.start : one.end],
            key[:, :, seen],
            value[:, :, seen],
            attn_mask=one.mask,
            is_causal=one.mask is None,
            scale=scaling,
        )
        out[:, one.start : one.end] = found.transpose(1, 2)
    return out, None
