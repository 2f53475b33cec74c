"""Hidden states and token log-probabilities of a causal language model."""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.modeling_outputs import BaseModelOutput

from rewards.errors import ModelError
from rewards.features import Failure, HiddenState, Request
from rewards.models import segments
from rewards.models.backend import Array, Placement, Progress, to_numpy, torch_dtype, weights_only
from rewards.models.batches import batches, run_all
from rewards.models.keys import MAX_TOKENS, key
from rewards.models.specs import Checkpoint, describe
from rewards.models.tries import PackedRow, pack

Paths = list[tuple[int, list[int]]]  # for each text its index, and the positions of its tokens
Pool = Callable[[Paths, torch.Tensor], "list[tuple[int, Array]]"]

ROW_TOKENS = 512  # the most tokens of a row that texts with a common prefix share
LONG_ROW_TOKENS = 2 * MAX_TOKENS  # the same, where no mask over the row is needed
WINDOWS = ("window", "window_size", "window_len", "attention_chunk_size")
"""Endings of the settings that limit how far attention reaches back: `sliding_window`, GPT-Neo's `window_size` …"""
ATTENTION = {"full_attention", "sliding_attention", "chunked_attention"}  # types of layers that obey the mask
POOLED_TOKENS = 8192  # tokens whose hidden states are copied to float32 at a time, to be averaged
LOGIT_ROWS = 512  # positions whose logits over the vocabulary are held at a time


class CausalLM:
    """A causal language model. It runs once per (layer, skip), up to that layer, and reads shared prefixes once."""

    def __init__(self, checkpoint: Checkpoint, folder: Path, placement: Placement, layers: int = 0) -> None:
        self.cut: set[bytes] = set()
        self._checkpoint = checkpoint
        self.placement = placement
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        options = weights_only(dtype=torch_dtype(placement.dtype))
        model: Any = AutoModelForCausalLM.from_pretrained(folder, **options)
        if layers:  # free the other blocks, which will not be used
            model.base_model.layers = model.base_model.layers[:layers]
        self._model = model.to(placement.device).eval()
        start = checkpoint.start_token or self.tokenizer.bos_token or self.tokenizer.eos_token
        self._start = cast("int", self.tokenizer.convert_tokens_to_ids(start))
        self._row_tokens = row_tokens(self._model)
        self.segmented = self._row_tokens == LONG_ROW_TOKENS and segments.usable(self._model, placement.device)
        if self.segmented:
            segments.use(self._model)
        else:
            self._row_tokens = min(self._row_tokens, ROW_TOKENS)
        positions = getattr(self._model.config.get_text_config(), "max_position_embeddings", None) or MAX_TOKENS + 1
        self._limit = min(MAX_TOKENS, positions - 1)  # one position is the start token's
        self._trunks: dict[int, Any] = {}
        self._given_head: Any = None

    def compute(self, requests: Sequence[Request], progress: Progress) -> list[Array | Failure]:
        """(D,) for each HiddenState, (T,) for each TokenLogProbs."""
        results: list[Array | Failure] = [Failure("not computed")] * len(requests)
        depths: dict[tuple[int, int], list[int]] = defaultdict(list)  # (layer, skip); layer 0: log-probabilities
        for index, request in enumerate(requests):
            depths[(request.layer, request.skip) if isinstance(request, HiddenState) else (0, 0)].append(index)
        for (depth, skip), indices in depths.items():
            texts = [requests[index].text for index in indices]
            for index, result in zip(indices, self._at_depth(depth, skip, texts, progress), strict=True):
                results[index] = result
        return results

    def _at_depth(self, depth: int, skip: int, texts: list[str], progress: Progress) -> list[Array | Failure]:
        sequences = self._tokenize(texts)
        if depth:
            empty = np.zeros(self._model.config.get_text_config().hidden_size, dtype=np.float32)
            return self.read(depth, sequences, functools.partial(_means, skip), empty, progress)
        self._trunk_name()  # raise at once where there is no trunk, instead of a failure for every text
        sequences = [[self._start, *tokens] for tokens in sequences]
        pool = functools.partial(self._log_probabilities, sequences)
        return self.read(0, sequences, pool, np.zeros(0, dtype=np.float32), progress)

    def read(
        self, depth: int, sequences: Sequence[list[int]], pool: Pool, empty: Array, progress: Progress
    ) -> list[Array | Failure]:
        """For each sequence the array that `pool` makes of its hidden states after `depth` blocks (0: all).

        `pool` gets the positions of some sequences' tokens among the states (N, D) and returns pairs of index and array.
        An empty sequence gets `empty`.
        """
        results: list[Array | Failure] = [empty for _ in sequences]

        @torch.inference_mode()
        def forward(rows: list[PackedRow]) -> None:
            firsts, states = self._forward(depth, rows)
            paths = [
                (index, [first + node for node in path])
                for row, first in zip(rows, firsts, strict=True)
                for index, path in row.paths
            ]
            for index, array in pool(paths, states):
                results[index] = array
            progress(sum(len(row.paths) for row in rows))

        def failed(row: PackedRow, reason: str) -> None:
            for index, _ in row.paths:
                results[index] = Failure(reason)

        rows = [row for row in pack(sequences, self._row_tokens) if len(row)]
        # Padded rows: those that branch are batched apart, because a batch without any needs no mask.
        kinds = [rows] if self.segmented else [[row for row in rows if row.branches is yes] for yes in (False, True)]
        for chosen in kinds:
            parts = batches(chosen, len, self.placement.token_budget, padded=not self.segmented)
            run_all(parts, forward, failed, describe(self._checkpoint), PackedRow.split)
        return results

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        encoded: list[list[int]] = self.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        self.cut.update(key(text) for text, tokens in zip(texts, encoded, strict=True) if len(tokens) > self._limit)
        return [tokens[: self._limit] for tokens in encoded]

    def _forward(self, depth: int, rows: list[PackedRow]) -> tuple[list[int], torch.Tensor]:
        """The offset of each packed row among the hidden states, and the hidden states (N, D)."""
        if self.segmented:
            firsts = list(itertools.accumulate((len(row) for row in rows[:-1]), initial=0))
            inputs = segments.inputs(rows, firsts, torch_dtype(self.placement.dtype))
        else:
            inputs, firsts = self._padded(rows)
        hidden: torch.Tensor = self.trunk(depth)(**inputs, use_cache=False).last_hidden_state
        return firsts, hidden.reshape(-1, hidden.shape[-1])

    def _padded(self, rows: list[PackedRow]) -> tuple[dict[str, Any], list[int]]:
        inputs = {name: value.to(self.placement.device) for name, value in padded_inputs(rows).items()}
        if "attention_mask" in inputs:
            inputs["attention_mask"] = _additive(inputs["attention_mask"], torch_dtype(self.placement.dtype))
        width = inputs["input_ids"].shape[1]
        return inputs, [number * width for number in range(len(rows))]

    def trunk(self, depth: int) -> Any:
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

    def _head(self, states: torch.Tensor) -> Any:
        """The whole model with its trunk replaced by the identity: hidden states in, logits out.

        Many models do more than multiply by `lm_head` (Gemma caps the logits, Granite and Cohere scale them, each by a
        setting of its own), so the model's own code is run. It is tried once, on the first of the states (N, D). Raises
        ModelError where it does not call its trunk (OPT calls a part of it), or needs more than the trunk's states.
        """
        if self._given_head is None:
            name, identity = self._trunk_name(), _IdentityTrunk()
            trunk = copy.copy(self._model.base_model)
            trunk.forward = identity
            head = copy.copy(self._model)
            head._modules = {**self._model._modules, name: trunk}
            try:
                _ = head(inputs_embeds=states[:1][None], use_cache=False).logits[0]
            except (AttributeError, LookupError, TypeError, ValueError) as error:  # every text would raise it
                raise ModelError(f"{self._no_head()}: {type(error).__name__}: {error}") from error
            if not identity.called:
                raise ModelError(self._no_head())
            self._given_head = head
        return self._given_head

    def _trunk_name(self) -> str:
        """The attribute that holds the model's trunk. Raises ModelError where the model is not a head on a trunk."""
        name = str(self._model.base_model_prefix)
        if self._model.base_model is self._model or name not in self._model._modules:
            raise ModelError(self._no_head())
        return name

    def _no_head(self) -> str:
        return (
            f"{describe(self._checkpoint)}: log-probabilities are read from models with a head on a trunk,"
            f" not from {type(self._model).__name__}"
        )

    def _log_probabilities(
        self, sequences: list[list[int]], paths: Paths, states: torch.Tensor
    ) -> list[tuple[int, Array]]:
        """Log-probabilities of each text's tokens, in chunks: (N, V) logits are never held at once."""
        places = [place for _, path in paths for place in path[:-1]]
        targets = [token for index, _ in paths for token in sequences[index][1:]]
        chosen = torch.empty(len(places), dtype=torch.float32)
        head = self._head(states)
        for start in range(0, len(places), LOGIT_ROWS):
            where = torch.tensor(places[start : start + LOGIT_ROWS], device=states.device)
            wanted = torch.tensor(targets[start : start + LOGIT_ROWS], device=states.device)
            logits = head(inputs_embeds=states[where][None], use_cache=False).logits[0].float()  # (n, V)
            picked = logits.gather(1, wanted[:, None])[:, 0] - torch.logsumexp(logits, -1)
            chosen[start : start + len(where)] = picked.cpu()
        ends = itertools.accumulate(len(path) - 1 for _, path in paths)
        return [
            (index, to_numpy(chosen[end - len(path) + 1 : end])) for (index, path), end in zip(paths, ends, strict=True)
        ]


def padded_inputs(rows: list[PackedRow]) -> dict[str, torch.Tensor]:
    """The tokens (rows, width) of packed rows, padded on the right.

    Where a row branches, also the mask (rows, 1, width, width), true where a token attends to another, and the positions.
    """
    width = max(len(row) for row in rows)
    tokens = torch.zeros(len(rows), width, dtype=torch.long)
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = torch.tensor(row.tokens)
    return {"input_ids": tokens, **(_tree_inputs(rows, width) if any(row.branches for row in rows) else {})}


def _tree_inputs(rows: list[PackedRow], width: int) -> dict[str, torch.Tensor]:
    mask = np.broadcast_to(np.eye(width, dtype=np.bool_), (len(rows), width, width)).copy()
    positions = np.zeros((len(rows), width), dtype=np.int64)
    for number, row in enumerate(rows):
        size = len(row)
        mask[number, :size, :size] = row.mask()
        positions[number, :size] = row.positions()
    return {"attention_mask": torch.from_numpy(mask)[:, None], "position_ids": torch.from_numpy(positions)}


def _additive(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The mask as numbers to add to attention scores, 0 where it is true: eager attention would add the booleans."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, torch.finfo(dtype).min)


class _IdentityTrunk:
    """The forward of a trunk that returns its input, and records whether it was called."""

    called = False

    def __call__(self, *_: Any, inputs_embeds: torch.Tensor, **__: Any) -> Any:
        self.called = True
        return _TrunkOutput(last_hidden_state=inputs_embeds)


class _TrunkOutput(BaseModelOutput):
    """A trunk's output whose every other field is None: heads copy router logits, image states and more from it."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("_"):  # not a field of an output: Python and libraries look for such names
            raise AttributeError(name)


def row_tokens(model: Any) -> int:
    """How many tokens a packed row may hold, at most the model's attention window; 0 where its texts cannot be packed.

    The row's own mask, or its segments, replace the model's mask and with it a sliding window.
    """
    if "position_ids" not in inspect.signature(model.base_model.forward).parameters:
        return 0  # it derives positions from the order of the tokens, which would be wrong in a packed row
    config = model.config.get_text_config()
    if model._is_stateful or not ATTENTION.issuperset(getattr(config, "layer_types", None) or ()):
        return 0  # recurrences and convolutions ignore the mask: they would mix the texts of a row
    windows = [getattr(config, name) for name in dir(config) if name.endswith(WINDOWS)]
    return min([LONG_ROW_TOKENS, *(one for one in windows if type(one) is int and one > 0)])  # a bool is no size


def _means(skip: int, paths: Paths, states: torch.Tensor) -> list[tuple[int, Array]]:
    """Each text's mean hidden state over its tokens after the first `skip`, taken on the device: only means are copied."""
    places = torch.tensor([place for _, path in paths for place in path[skip:]], dtype=torch.long)
    lengths = torch.tensor([len(path[skip:]) for _, path in paths])
    owners = torch.repeat_interleave(torch.arange(len(paths)), lengths)
    sums = torch.zeros(len(paths), states.shape[-1], device=states.device, dtype=torch.float32)
    for start in range(0, len(places), POOLED_TOKENS):
        where = places[start : start + POOLED_TOKENS].to(states.device)
        whose = owners[start : start + POOLED_TOKENS]
        first, counts = int(whose[0]), torch.bincount(whose - whose[0])
        # segment_reduce adds in the order of the tokens; `index_add_` adds in any order on a GPU, so results would vary.
        part = torch.segment_reduce(states[where].float(), "sum", lengths=counts.to(states.device))
        sums[first : first + len(counts)] += part
    means = to_numpy(sums / lengths.to(states.device).clamp(min=1)[:, None])
    return [(index, mean) for (index, _), mean in zip(paths, means, strict=True)]
