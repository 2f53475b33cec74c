"""Computes what texts of a batch have in common only once, on a CPU: a group's completions share their prompt."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional
from transformers import DynamicCache
from transformers.modeling_outputs import BaseModelOutputWithPast

from rewards.models.causal_lm import padded_inputs, row_tokens
from rewards.models.tries import pack

ROW_TOKENS = 2048  # a row's mask grows with the square of its length
WORTHWHILE = 0.8  # packing pays below this share of a batch's positions, padding included
SCORED = {"input_ids", "attention_mask", "return_dict"}  # arguments with which TRL computes log-probabilities
PER_ROW = {"input_ids", "attention_mask", "position_ids"}
BEGUN = PER_ROW | {"past_key_values", "cache_position", "use_cache", "return_dict"}  # those of generation's first pass


def read_prompts_once(trainer: Any) -> None:
    """Make the models of a trainer on a CPU compute what texts of a batch share only once, in generation and in training.

    TRL computes the prompt with each of its completions: at the start of generation, for the reference and for the policy.
    Hidden states and gradients are the same up to rounding; dropout is drawn once for shared tokens. Left as they are: GPUs,
    compiled models, models whose attention or state is not ruled by a mask over positions, and attention that is not `sdpa`.
    """
    if trainer.args.device.type != "cpu" or trainer.args.torch_compile:
        return
    models: list[Any] = [trainer.accelerator.unwrap_model(trainer.model), getattr(trainer, "ref_model", None)]
    for model in models:
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        if base is None or base.config._attn_implementation != "sdpa" or not row_tokens(base):
            continue
        base.base_model.forward = shared(base.base_model.forward, min(row_tokens(base), ROW_TOKENS))


def shared(forward: Callable[..., Any], limit: int) -> Callable[..., Any]:
    """The forward of a model without its head, changed to compute each shared prefix once where that pays."""

    @functools.wraps(forward)
    def reading(*args: Any, **given: Any) -> Any:
        ids, mask, cache = (given.get(name) for name in ("input_ids", "attention_mask", "past_key_values"))
        passed = {name for name, value in given.items() if value is not None and value is not False}
        found = None
        if args or ids is None or len(ids) < 2 or not (mask is None or getattr(mask, "shape", None) == ids.shape):
            pass
        elif mask is not None and passed <= SCORED:
            found = _packed(forward, ids, mask, limit)
        elif passed <= BEGUN and type(cache) is DynamicCache and not cache.get_seq_length():
            found = _first_pass(forward, given)
        return forward(*args, **given) if found is None else found

    return reading


def _packed(forward: Callable[..., Any], ids: torch.Tensor, mask: torch.Tensor, limit: int) -> Any:
    """Hidden states (B, T, D) of texts packed into rows; at padding they are arbitrary. None where packing does not pay.

    None also where a text is longer than a row may be: the mask of a row replaces the model's own and its sliding window.
    """
    kept = mask.bool()
    rows = [row for row in pack([one[real].tolist() for one, real in zip(ids, kept, strict=True)], limit) if len(row)]
    width = max((len(row) for row in rows), default=0)
    if not rows or width > limit or len(rows) * width > WORTHWHILE * ids.numel():
        return None
    places = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        for index, path in row.paths:
            places[index, kept[index]] = torch.tensor(path) + number * width
    hidden = forward(**padded_inputs(rows), use_cache=False).last_hidden_state
    # An embedding, since the gradients of other ways to gather are added in no fixed order.
    return BaseModelOutputWithPast(last_hidden_state=functional.embedding(places, hidden.flatten(0, 1)))


def _first_pass(forward: Callable[..., Any], given: dict[str, Any]) -> Any:
    """The first forward pass of generation on distinct prompts only, its cache expanded after it. None where all differ."""
    parts = [given[name] for name in ("input_ids", "attention_mask") if given.get(name) is not None]
    rows = torch.cat(parts, 1).tolist()
    distinct: dict[tuple[int, ...], int] = {}
    which = [distinct.setdefault(tuple(row), len(distinct)) for row in rows]
    if len(distinct) == len(rows):
        return None
    chosen = torch.tensor([which.index(number) for number in range(len(distinct))])
    batched = {name for name in PER_ROW if given.get(name) is not None and len(given[name]) == len(rows)}
    found = forward(**{name: value[chosen] if name in batched else value for name, value in given.items()})
    given["past_key_values"].batch_select_indices(torch.tensor(which))
    found.last_hidden_state = found.last_hidden_state[which]
    return found
