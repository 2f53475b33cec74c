"""A classifier made of a causal language model: its first blocks with low-rank (LoRA) changes, and a head on token states.

The input is the pair, a line break, the text and a line break. Each token of the text (and the break after it, whose state
depends on where the text ends) gets two scores per label: one is averaged over the tokens, of the other a smooth maximum
is taken, because one insult or one ungrammatical join is enough.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from rewards.errors import ModelError
from rewards.features import Failure, Request
from rewards.models.backend import Array, Placement, Progress, to_numpy
from rewards.models.causal_lm import CausalLM, Paths
from rewards.models.keys import MAX_TOKENS, identity
from rewards.models.specs import Checkpoint, describe

HEAD = ("mean", "peak", "scale", "bias")
"""The head's tensors: (D, C), (D, C), (C,) and (C,)."""


class AdaptedClassifier:
    """Class probabilities from the first blocks of a causal language model, with an adapter merged into the weights."""

    def __init__(self, checkpoint: Checkpoint, folder: Path, placement: Placement) -> None:
        if checkpoint.adapter is None:
            raise ModelError(f"{describe(checkpoint)} has no adapter: nothing makes it a classifier")
        self._checkpoint = checkpoint
        self._depth, scaling, tensors = read_adapter(checkpoint.adapter.file)
        self._lm = CausalLM(checkpoint, folder, placement, self._depth)
        self.cut: set[bytes] = self._lm.cut
        self.placement = placement
        merge(self._lm.trunk(self._depth), tensors, scaling)
        self._head = {name: tensors[name].float().to(placement.device) for name in HEAD}
        self._break = line_break(self._lm.tokenizer)

    def compute(self, requests: Sequence[Request], progress: Progress) -> list[Array | Failure]:
        """(C,) for each ClassProbabilities."""
        self._lm.placement = self.placement
        sequences: list[list[int]] = []
        starts: list[int] = []
        identities = [identity(self._checkpoint, request) for request in requests]
        texts, pairs = [one.text[0] for one in identities], ["".join(one.text[1:]) for one in identities]
        for one, pair, text in zip(identities, self._encode(pairs), self._encode(texts), strict=True):
            tokens, start = layout(pair, text, self._break)
            if len(tokens) > MAX_TOKENS:
                self.cut.add(one.text_key)
                pair = pair[: MAX_TOKENS // 2]
                tokens, start = layout(pair, text[: MAX_TOKENS - len(pair) - 2], self._break)
            sequences.append(tokens)
            starts.append(start)

        def pool(paths: Paths, states: torch.Tensor) -> list[tuple[int, Array]]:
            return self._pool(starts, paths, states)

        return self._lm.read(self._depth, sequences, pool, np.zeros(0, dtype=np.float32), progress)

    def _encode(self, texts: list[str]) -> list[list[int]]:
        encoded: list[list[int]] = self._lm.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        return encoded

    def _pool(self, starts: Sequence[int], paths: Paths, states: torch.Tensor) -> list[tuple[int, Array]]:
        own = [path[starts[index] :] for index, path in paths]
        places = torch.tensor([place for path in own for place in path], device=states.device)
        lengths = torch.tensor([len(path) for path in own], device=states.device)
        logits = evidence_of_rows(states[places], lengths, self._head)
        found = torch.sigmoid(logits) if self._checkpoint.multi_label else torch.softmax(logits, -1)
        return [(index, row) for (index, _), row in zip(paths, to_numpy(found), strict=True)]


def line_break(tokenizer: Any) -> int:
    """The token of the line break that ends the pair and the text."""
    return int(tokenizer("\n", add_special_tokens=False)["input_ids"][-1])


def layout(pair: list[int], text: list[int], end: int) -> tuple[list[int], int]:
    """The input tokens, and the index of the first one of the text, which is never the first of the input.

    The first token of the input is an attention sink: its state says nothing about the text.
    """
    return [*pair, end, *text, end], len(pair) + 1


def padded(rows: Sequence[tuple[Sequence[int], int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens, attention mask and text mask, each (B, T), padded on the right. A row is as from `layout`."""
    width = max(len(tokens) for tokens, _ in rows)
    ids, attended, mask = (torch.zeros(len(rows), width, dtype=torch.long) for _ in range(3))
    for number, (tokens, start) in enumerate(rows):
        ids[number, : len(tokens)] = torch.tensor(tokens)
        attended[number, : len(tokens)] = 1
        mask[number, start : len(tokens)] = 1
    return ids, attended, mask


def evidence(hidden: torch.Tensor, mask: torch.Tensor, head: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Logits (B, C) of hidden states (B, T, D) of the tokens where mask (B, T) is 1.

    States are scaled to unit root mean square first: their norm says more about the position than about the text.
    """
    states = _unit(hidden)
    count = mask.sum(1, keepdim=True).clamp(min=1)  # (B, 1)
    mean = ((states @ head["mean"]) * mask[..., None]).sum(1) / count
    strongest = (states @ head["peak"]).masked_fill(mask[..., None] == 0, -1e4).logsumexp(1) - count.log()
    return (mean + strongest) * head["scale"] + head["bias"]


def evidence_of_rows(hidden: torch.Tensor, lengths: torch.Tensor, head: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Logits (B, C) as from `evidence`, of the concatenated hidden states (N, D) of B texts with these lengths (B,)."""
    states = _unit(hidden)
    owners = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)  # (N,)
    count = lengths.float()[:, None]  # (B, 1)
    peak = states @ head["peak"]  # (N, C)
    # segment_reduce adds in the order of the tokens; `index_add` adds in any order on a GPU, so results would vary.
    mean = torch.segment_reduce(states @ head["mean"], "sum", lengths=lengths) / count
    highest = torch.segment_reduce(peak, "max", lengths=lengths)
    strongest = (
        torch.segment_reduce((peak - highest[owners]).exp(), "sum", lengths=lengths).log() + highest - count.log()
    )
    return (mean + strongest) * head["scale"] + head["bias"]


def _unit(hidden: torch.Tensor) -> torch.Tensor:
    states = hidden.float()
    return states * torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + 1e-6)


def read_adapter(file: Path) -> tuple[int, float, dict[str, torch.Tensor]]:
    """The number of blocks, the factor on the low-rank changes, and the tensors. Raises ModelError for any other file."""
    try:
        with safe_open(file, framework="pt") as stored:
            stated = json.loads((stored.metadata() or {}).get("adapter", "{}"))
            # Copies: Windows does not let a fit replace (to calibrate) a file while tensors are mapped from it.
            tensors = {name: stored.get_tensor(name).clone() for name in stored.keys()}  # noqa: SIM118  (no dict)
        depth, scaling = int(stated["depth"]), float(stated["scaling"])
    except Exception as error:
        raise ModelError(f"{file} cannot be read as an adapter of `rewards fit`: {error}") from error
    missing = [name for name in HEAD if name not in tensors]
    if missing:
        raise ModelError(f"{file} is no adapter of `rewards fit`: it lacks {', '.join(missing)}")
    return depth, scaling, tensors


def merge(trunk: Any, tensors: Mapping[str, torch.Tensor], scaling: float) -> None:
    """Add the low-rank changes, `NAME.lora_A` (r, in) and `NAME.lora_B` (out, r), to the weights of `NAME`."""
    changed = [name.removesuffix(".lora_A") for name in tensors if name.endswith(".lora_A")]
    with torch.no_grad():
        for name in changed:
            weight = trunk.get_submodule(name).weight
            change = scaling * tensors[f"{name}.lora_B"].float() @ tensors[f"{name}.lora_A"].float()
            weight.copy_((weight.float() + change.to(weight.device)).to(weight.dtype))
