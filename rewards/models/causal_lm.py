"""Hidden states and token log-probabilities of a causal language model."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rewards.engine.batches import batches, run_halving
from rewards.engine.tries import Row, pack
from rewards.errors import ModelError
from rewards.features import Failure, HiddenState, TokenLogProbs
from rewards.models.backend import Array, Placement, Progress, describe, to_numpy, torch_dtype, weights_only
from rewards.models.specs import Checkpoint

if TYPE_CHECKING:
    from rewards.features import Request

MAX_TOKENS = 1024  # per text; longer ones are cut and counted
ROW_TOKENS = 512  # texts that begin alike share rows of up to this many tokens
LOGIT_ROWS = 512  # positions whose logits over the vocabulary are held at a time


class CausalLM:
    """A causal language model that stops at the deepest layer asked for and reads shared beginnings once."""

    def __init__(self, checkpoint: Checkpoint, folder: Path, placement: Placement) -> None:
        self.truncated = 0
        self._checkpoint = checkpoint
        self._placement = placement
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        options = weights_only(dtype=torch_dtype(placement.dtype))
        model: Any = AutoModelForCausalLM.from_pretrained(folder, **options)
        self._model = model.to(placement.device).eval()
        start = checkpoint.start_token or self._tokenizer.bos_token or self._tokenizer.eos_token
        self._start = cast("int", self._tokenizer.convert_tokens_to_ids(start))
        self._trunks: dict[int, Any] = {}

    def key(self, request: Request) -> tuple[str, ...]:
        """Kind, layer and text."""
        if isinstance(request, HiddenState):
            return ("hidden", str(request.layer), request.text)
        if isinstance(request, TokenLogProbs):
            return ("logprobs", request.text)
        raise ModelError(
            f"{describe(self._checkpoint)} is a causal language model: it gives no {type(request).__name__}"
        )

    def compute(self, requests: Sequence[Request], progress: Progress) -> list[Array | Failure]:
        """(D,) for each HiddenState, (T,) for each TokenLogProbs."""
        results: list[Array | Failure] = [Failure("not computed")] * len(requests)
        depths: dict[int, list[int]] = defaultdict(list)  # 0: log-probabilities, else the layer
        for index, request in enumerate(requests):
            depths[request.layer if isinstance(request, HiddenState) else 0].append(index)
        for depth, indices in depths.items():
            texts = [requests[index].text for index in indices]
            for index, result in zip(indices, self._at_depth(depth, texts, progress), strict=True):
                results[index] = result
        return results

    def _at_depth(self, depth: int, texts: list[str], progress: Progress) -> list[Array | Failure]:
        sequences = self._tokenize(texts)
        if depth == 0:
            sequences = [[self._start, *tokens] for tokens in sequences]
        empty = np.zeros(0 if depth == 0 else self._model.config.hidden_size, dtype=np.float32)
        results: list[Array | Failure] = [empty for _ in texts]

        def forward(rows: list[Row]) -> None:
            for index, array in self._forward(depth, rows, sequences):
                results[index] = array
            progress(sum(len(row.paths) for row in rows))

        def failed(row: Row, reason: str) -> None:
            for index, _ in row.paths:
                results[index] = Failure(reason)

        rows = [row for row in pack(sequences, ROW_TOKENS) if len(row)]
        for branching in (False, True):  # a batch of plain chains needs no mask of its own
            chosen = [row for row in rows if row.branches is branching]
            for batch in batches(chosen, len, self._placement.token_budget):
                run_halving(batch, forward, failed)
        return results

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        encoded: list[list[int]] = self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        self.truncated += sum(len(tokens) > MAX_TOKENS for tokens in encoded)
        return [tokens[:MAX_TOKENS] for tokens in encoded]

    @torch.inference_mode()
    def _forward(self, depth: int, rows: list[Row], sequences: list[list[int]]) -> list[tuple[int, Array]]:
        width = max(len(row) for row in rows)
        tokens = torch.zeros(len(rows), width, dtype=torch.long)
        for number, row in enumerate(rows):
            tokens[number, : len(row)] = torch.tensor(row.tokens)
        inputs: dict[str, Any] = {"input_ids": tokens}
        if rows[0].branches:
            inputs |= _tree_inputs(rows, width)
        inputs = {name: value.to(self._placement.device) for name, value in inputs.items()}
        hidden = self._trunk(depth)(**inputs, use_cache=False).last_hidden_state  # (B, T, D)
        if depth:
            return _means(rows, hidden)
        return self._log_probabilities(rows, hidden, sequences)

    def _trunk(self, depth: int) -> Any:
        """The model without its head, cut after `depth` blocks (0: whole); shares the weights."""
        if depth not in self._trunks:
            base = self._model.base_model
            if depth:
                base = self._cut(base, depth)
            self._trunks[depth] = base
        return self._trunks[depth]

    def _cut(self, base: Any, depth: int) -> Any:
        layers = getattr(base, "layers", None)
        if layers is None or not hasattr(base, "norm"):
            raise ModelError(
                f"{describe(self._checkpoint)}: hidden states are read from models with `layers` and `norm`"
                f" (Llama, Qwen, Mistral, Gemma …), not from {type(base).__name__}"
            )
        if not 1 <= depth <= len(layers):
            raise ModelError(f"{describe(self._checkpoint)} has {len(layers)} layers; layer {depth} was asked for")
        cut = copy.copy(base)
        cut._modules = dict(base._modules)
        cut.layers = torch.nn.ModuleList(list(layers)[:depth])
        cut.norm = torch.nn.Identity()
        return cut

    def _log_probabilities(
        self, rows: list[Row], hidden: torch.Tensor, sequences: list[list[int]]
    ) -> list[tuple[int, Array]]:
        """Log-probabilities of each text's tokens, without ever holding (B, T, V) logits."""
        width = hidden.shape[1]
        places: list[int] = []
        targets: list[int] = []
        for number, row in enumerate(rows):
            for index, path in row.paths:
                places += [number * width + node for node in path[:-1]]
                targets += sequences[index][1:]
        flat = hidden.reshape(-1, hidden.shape[-1])
        chosen = torch.empty(len(places))
        for start in range(0, len(places), LOGIT_ROWS):
            where = torch.tensor(places[start : start + LOGIT_ROWS], device=hidden.device)
            wanted = torch.tensor(targets[start : start + LOGIT_ROWS], device=hidden.device)
            logits = self._model.lm_head(flat[where]).float()  # (n, V)
            picked = logits.gather(1, wanted[:, None])[:, 0] - torch.logsumexp(logits, -1)
            chosen[start : start + len(where)] = picked.cpu()
        results: list[tuple[int, Array]] = []
        position = 0
        for row in rows:
            for index, path in row.paths:
                results.append((index, to_numpy(chosen[position : position + len(path) - 1])))
                position += len(path) - 1
        return results


def _tree_inputs(rows: list[Row], width: int) -> dict[str, torch.Tensor]:
    mask = np.broadcast_to(np.eye(width, dtype=np.bool_), (len(rows), width, width)).copy()
    positions = np.zeros((len(rows), width), dtype=np.int64)
    for number, row in enumerate(rows):
        size = len(row)
        mask[number, :size, :size] = row.mask()
        positions[number, :size] = row.positions()
    return {"attention_mask": torch.from_numpy(mask)[:, None], "position_ids": torch.from_numpy(positions)}


def _means(rows: list[Row], hidden: torch.Tensor) -> list[tuple[int, Array]]:
    """The mean hidden state over each text's tokens."""
    results: list[tuple[int, Array]] = []
    values = to_numpy(hidden)
    for number, row in enumerate(rows):
        results += [(index, values[number, path].mean(0)) for index, path in row.paths]
    return results
