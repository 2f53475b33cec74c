"""Sentence and token embeddings of a sentence-transformers model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers import PreTrainedTokenizerBase

from rewards.errors import ModelError
from rewards.features import Failure, Request
from rewards.models import folders
from rewards.models.backend import Array, Placement, Progress, to_numpy, torch_dtype
from rewards.models.batches import batches, run_all
from rewards.models.keys import identity, key, positions, token_limit
from rewards.models.specs import Checkpoint, describe


class Encoder:
    """A sentence-transformers model, with whatever pooling and projection its folder defines."""

    def __init__(self, checkpoint: Checkpoint, folder: Path, placement: Placement) -> None:
        self.cut: set[bytes] = set()
        self._checkpoint = checkpoint
        self.placement = placement
        folders.refuse_pickled_modules(folder, describe(checkpoint))
        self._model = SentenceTransformer(
            str(folder),
            device=placement.device,
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"dtype": torch_dtype(placement.dtype), "use_safetensors": True},
        ).eval()
        if checkpoint.layers:
            _keep_layers(self._model, checkpoint)
        self._tokenizer: Any = self._model.tokenizer
        if not isinstance(self._tokenizer, PreTrainedTokenizerBase):
            raise ModelError(
                f"{describe(checkpoint)}: embeddings are read from models with a tokenizer of transformers, not with"
                f" {type(self._tokenizer).__module__}.{type(self._tokenizer).__name__}: static embeddings are not supported"
            )
        self._special = _special(self._tokenizer)
        limit = self._model.max_seq_length or self._tokenizer.model_max_length
        network = getattr(self._model[0], "auto_model", None)
        self._limit = token_limit(limit if network is None else min(limit, positions(network, limit)))

    def compute(self, requests: Sequence[Request], progress: Progress) -> list[Array | Failure]:
        """(D,) for each Embedding, (T, D) for each TokenEmbeddings; one forward for each distinct text."""
        results: list[Array | Failure] = [Failure("not computed")] * len(requests)
        users: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for index, request in enumerate(requests):
            asked = identity(self._checkpoint, request)
            users[asked.text[0]].append((index, asked.kind[0]))
        texts = list(users)
        encoded = self._tokenize(texts)

        def forward(batch: list[int]) -> None:
            wanted = [kind for i in batch for _, kind in users[texts[i]]]
            sentences, tokens = self._forward([encoded[i] for i in batch], "tokens" in wanted)
            for row, i in enumerate(batch):
                for index, kind in users[texts[i]]:
                    results[index] = sentences[row] if kind == "embedding" else tokens[row]
            progress(len(batch))

        def failed(i: int, reason: str) -> None:
            for index, _ in users[texts[i]]:
                results[index] = Failure(reason)

        parts = batches(list(range(len(texts))), lambda i: len(encoded[i]), self.placement.token_budget)
        run_all(parts, forward, failed, describe(self._checkpoint))
        return results

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        encoded = self._tokenizer(texts, truncation=True, max_length=self._limit, return_overflowing_tokens=False)
        for length, text in zip(map(len, encoded["input_ids"]), texts, strict=True):
            # A text that fills the limit may have been cut; only tokenising it again without the limit tells.
            if length >= self._limit and len(self._tokenizer(text, verbose=False)["input_ids"]) > self._limit:
                self.cut.add(key(text))
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    @torch.inference_mode()
    def _forward(self, encoded: list[list[int]], with_tokens: bool) -> tuple[list[Array], list[Array]]:
        """The embeddings of the texts and, only where wanted, of their tokens, which are far more data to copy."""
        padded = self._tokenizer.pad({"input_ids": encoded}, return_tensors="pt")
        features = {name: padded[name].to(self.placement.device) for name in ("input_ids", "attention_mask")}
        out = self._model(features)
        sentences = torch.nn.functional.normalize(out["sentence_embedding"].float(), dim=-1)
        if not with_tokens:
            return list(to_numpy(sentences)), []
        tokens = torch.nn.functional.normalize(out["token_embeddings"].float(), dim=-1)
        per_text = []
        for row, ids in zip(to_numpy(tokens), encoded, strict=True):
            start = 0 if self._tokenizer.padding_side == "right" else len(row) - len(ids)
            per_text.append(row[start : start + len(ids)][~np.isin(ids, self._special)])
        return list(to_numpy(sentences)), per_text


def _special(tokenizer: Any) -> list[int]:
    """The ids of special tokens, which stand for no part of a text.

    The unknown token stands for a word, so it is not among them, unless the tokenizer also uses it for something else.
    """
    frame = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.sep_token_id, tokenizer.cls_token_id)
    unknown = tokenizer.unk_token_id
    aside = unknown in (*frame, tokenizer.pad_token_id, tokenizer.mask_token_id)
    return [token for token in tokenizer.all_special_ids if token != unknown or aside]


def _keep_layers(model: Any, checkpoint: Checkpoint) -> None:
    """Remove the blocks after the first `checkpoint.layers`. Raises ModelError where the model has fewer."""
    stack = getattr(getattr(model[0].auto_model, "encoder", None), "layer", None)
    if stack is None or len(stack) < checkpoint.layers:
        found = "no list of blocks" if stack is None else f"{len(stack)} blocks"
        raise ModelError(f"{describe(checkpoint)} has {found}; the first {checkpoint.layers} were asked for")
    del stack[checkpoint.layers :]
