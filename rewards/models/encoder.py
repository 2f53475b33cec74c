"""Sentence and token embeddings of a sentence-transformers model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers import SentenceTransformer

from rewards.engine.batches import batches, run_halving
from rewards.errors import ModelError
from rewards.features import Embedding, Failure, TokenEmbeddings
from rewards.models.backend import Array, Placement, Progress, describe, to_numpy, torch_dtype
from rewards.models.specs import Checkpoint

if TYPE_CHECKING:
    from rewards.features import Request


class Encoder:
    """A sentence-transformers model, with whatever pooling and projection its folder defines."""

    def __init__(self, checkpoint: Checkpoint, folder: Path, placement: Placement) -> None:
        self.truncated = 0
        self._checkpoint = checkpoint
        self._placement = placement
        self._model = SentenceTransformer(
            str(folder),
            device=placement.device,
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"dtype": torch_dtype(placement.dtype), "use_safetensors": True},
        ).eval()
        self._tokenizer: Any = self._model.tokenizer
        self._limit = int(self._model.max_seq_length or self._tokenizer.model_max_length)

    def key(self, request: Request) -> tuple[str, ...]:
        """Kind and text with its prompt."""
        if isinstance(request, Embedding):
            query = request.role == "query"
            prompt = self._checkpoint.query_prompt if query else self._checkpoint.document_prompt
            return ("embedding", prompt + request.text)
        if isinstance(request, TokenEmbeddings):
            return ("tokens", request.text)
        raise ModelError(f"{describe(self._checkpoint)} is a sentence encoder: it gives no {type(request).__name__}")

    def compute(self, requests: Sequence[Request], progress: Progress) -> list[Array | Failure]:
        """(D,) for each Embedding, (T, D) for each TokenEmbeddings; one forward for each distinct text."""
        results: list[Array | Failure] = [Failure("not computed")] * len(requests)
        users: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for index, request in enumerate(requests):
            kind, text = self.key(request)
            users[text].append((index, kind))
        texts = list(users)
        encoded = self._tokenize(texts)

        def forward(batch: list[int]) -> None:
            sentences, tokens = self._forward([encoded[i] for i in batch])
            for row, i in enumerate(batch):
                for index, kind in users[texts[i]]:
                    results[index] = sentences[row] if kind == "embedding" else tokens[row]
            progress(len(batch))

        def failed(i: int, reason: str) -> None:
            for index, _ in users[texts[i]]:
                results[index] = Failure(reason)

        indices = list(range(len(texts)))
        for batch in batches(indices, lambda i: len(encoded[i]), self._placement.token_budget):
            run_halving(batch, forward, failed)
        return results

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        encoded = self._tokenizer(texts, truncation=True, max_length=self._limit, return_overflowing_tokens=False)
        for length, text in zip(map(len, encoded["input_ids"]), texts, strict=True):
            # A text that fills the limit may have been cut; only then is it worth tokenising again to know.
            if length >= self._limit and len(self._tokenizer(text, verbose=False)["input_ids"]) > self._limit:
                self.truncated += 1
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    @torch.inference_mode()
    def _forward(self, encoded: list[list[int]]) -> tuple[list[Array], list[Array]]:
        padded = self._tokenizer.pad({"input_ids": encoded}, return_tensors="pt")
        features = {name: padded[name].to(self._placement.device) for name in ("input_ids", "attention_mask")}
        out = self._model(features)
        sentences = torch.nn.functional.normalize(out["sentence_embedding"].float(), dim=-1)
        tokens = torch.nn.functional.normalize(out["token_embeddings"].float(), dim=-1)
        per_text = []
        for row, ids in zip(to_numpy(tokens), encoded, strict=True):
            kept = self._tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True)
            start = 0 if self._tokenizer.padding_side == "right" else len(row) - len(ids)
            per_text.append(row[start : start + len(ids)][[not special for special in kept]])
        return list(to_numpy(sentences)), per_text
