"""Class probabilities of a sequence classifier, for texts and for pairs of texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from rewards.engine.batches import batches, run_halving
from rewards.errors import ModelError
from rewards.features import ClassProbabilities, Failure
from rewards.models.backend import Array, Placement, Progress, describe, to_numpy, torch_dtype, weights_only
from rewards.models.specs import Checkpoint

if TYPE_CHECKING:
    from rewards.features import Request

MAX_TOKENS = 1024  # where neither the tokenizer nor the configuration states a limit


class Classifier:
    """A fine-tuned sequence classifier; its outputs are put in the order of the checkpoint's labels."""

    def __init__(self, checkpoint: Checkpoint, folder: Path, placement: Placement) -> None:
        self.truncated = 0
        self._checkpoint = checkpoint
        self._placement = placement
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        options = weights_only(dtype=torch_dtype(placement.dtype))
        model, report = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True, **options)
        if report["missing_keys"]:
            # transformers would fill them with random numbers, and every score would be noise.
            missing = ", ".join(sorted(report["missing_keys"])[:3])
            raise ModelError(f"{describe(checkpoint)} is not a fine-tuned classifier: it has no weights for {missing}")
        self._model: Any = model.to(placement.device).eval()
        self._order = self._label_order()
        limit = min(self._tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", MAX_TOKENS))
        self._limit = int(limit) if limit < 1_000_000 else MAX_TOKENS

    def key(self, request: Request) -> tuple[str, ...]:
        """Text and pair."""
        if not isinstance(request, ClassProbabilities):
            raise ModelError(f"{describe(self._checkpoint)} is a classifier: it gives no {type(request).__name__}")
        pair = self._pair(request)
        return ("classes", request.text) if pair is None else ("classes", request.text, pair)

    def compute(self, requests: Sequence[Request], progress: Progress) -> list[Array | Failure]:
        """(C,) for each request."""
        results: list[Array | Failure] = [Failure("not computed")] * len(requests)
        encoded = [self._tokenize(request) for request in requests]

        def forward(batch: list[int]) -> None:
            for index, row in zip(batch, self._forward([encoded[i] for i in batch]), strict=True):
                results[index] = row
            progress(len(batch))

        def failed(index: int, reason: str) -> None:
            results[index] = Failure(reason)

        indices = list(range(len(requests)))
        for batch in batches(indices, lambda i: len(encoded[i]["input_ids"]), self._placement.token_budget):
            run_halving(batch, forward, failed)
        return results

    def _tokenize(self, request: Request) -> dict[str, list[int]]:
        pair = self._pair(request)
        encoded = self._tokenizer(request.text, pair, verbose=False)
        if len(encoded["input_ids"]) > self._limit:
            self.truncated += 1
            encoded = self._tokenizer(request.text, pair, truncation=True, max_length=self._limit)
        return dict(encoded)

    def _pair(self, request: Request) -> str | None:
        return request.pair if isinstance(request, ClassProbabilities) and self._checkpoint.reads_pair else None

    @torch.inference_mode()
    def _forward(self, encoded: list[dict[str, list[int]]]) -> list[Array]:
        padded = self._tokenizer.pad(encoded, return_tensors="pt").to(self._placement.device)
        logits = self._model(**padded).logits.float()[:, self._order]  # (B, C)
        probabilities = torch.sigmoid(logits) if self._checkpoint.multi_label else torch.softmax(logits, -1)
        return list(to_numpy(probabilities))

    def _label_order(self) -> list[int]:
        """The model's output index of each of the checkpoint's labels."""
        names: dict[int, str] = self._model.config.id2label
        if not self._checkpoint.labels:
            return sorted(names)
        places = {name.lower(): index for index, name in names.items()}
        order = [places.get(label.lower(), -1) for label in self._checkpoint.labels]
        if -1 not in order:
            return order
        if len(names) == len(order) and all(name == f"LABEL_{index}" for index, name in names.items()):
            return list(range(len(order)))  # an unnamed head: the checkpoint's documented order is all there is
        raise ModelError(
            f"{describe(self._checkpoint)} has the labels {list(names.values())}; expected {list(self._checkpoint.labels)}"
        )
