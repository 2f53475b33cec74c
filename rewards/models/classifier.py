"""Class probabilities of a sequence classifier, for texts and for pairs of texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from rewards.errors import ModelError
from rewards.features import Failure, Request
from rewards.models.backend import Array, Placement, Progress, to_numpy, torch_dtype, weights_only
from rewards.models.batches import batches, run_all
from rewards.models.keys import identity, positions, token_limit
from rewards.models.specs import Checkpoint, describe

Encoded = dict[str, list[int]]  # a text's tokens and masks, by the model's names for them


class Classifier:
    """A fine-tuned sequence classifier; its outputs are put in the order of the checkpoint's labels."""

    def __init__(self, checkpoint: Checkpoint, folder: Path, placement: Placement) -> None:
        self.cut: set[bytes] = set()
        self._checkpoint = checkpoint
        self.placement = placement
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        options = weights_only(dtype=torch_dtype(placement.dtype))
        model, report = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True, **options)
        if report["missing_keys"]:
            # transformers would fill them with random numbers, and every score would be noise.
            missing = ", ".join(sorted(report["missing_keys"])[:3])
            raise ModelError(f"{describe(checkpoint)} is not a fine-tuned classifier: it has no weights for {missing}")
        if model.config.num_labels == 1 and not checkpoint.multi_label:
            raise ModelError(
                f"{describe(checkpoint)} has one output, of which a softmax is 1 whatever the text; say multi_label=True, or give"
                " a classifier with an output for each label"
            )
        self._model: Any = model.to(placement.device).eval()
        _agree_on_padding(self._tokenizer, model)
        self._order = self._label_order()
        self._limit = token_limit(min(self._tokenizer.model_max_length, positions(model)))

    def compute(self, requests: Sequence[Request], progress: Progress) -> list[Array | Failure]:
        """(C,) for each request."""
        results: list[Array | Failure] = [Failure("not computed")] * len(requests)
        encoded = self._tokenize(requests)

        def forward(batch: list[int]) -> None:
            for index, row in zip(batch, self._forward([encoded[i] for i in batch]), strict=True):
                results[index] = row
            progress(len(batch))

        def failed(index: int, reason: str) -> None:
            results[index] = Failure(reason)

        lengths = [len(one["input_ids"]) for one in encoded]
        parts = batches(list(range(len(requests))), lengths.__getitem__, self.placement.token_budget)
        run_all(parts, forward, failed, describe(self._checkpoint))
        return results

    def _tokenize(self, requests: Sequence[Request]) -> list[Encoded]:
        """The model's inputs for each request; a text that is too long is cut and noted in `cut`."""
        identities = [identity(self._checkpoint, request) for request in requests]
        encoded = self._encode([one.text for one in identities])
        long = [index for index, one in enumerate(encoded) if len(one["input_ids"]) > self._limit]
        cut = self._encode([identities[index].text for index in long], truncation=True, max_length=self._limit)
        for index, one in zip(long, cut, strict=True):
            self.cut.add(identities[index].text_key)
            encoded[index] = one
        return encoded

    def _encode(self, texts: Sequence[tuple[str, ...]], **options: Any) -> list[Encoded]:
        """Tokens and masks: of single texts in one call and of pairs in another, which takes a quarter less time."""
        encoded: list[Encoded] = [{} for _ in texts]
        for paired in (False, True):
            # A pair with an empty second text counts as a single text, as transformers treats it alone but not in a batch.
            chosen = [index for index, text in enumerate(texts) if any(text[1:]) is paired]
            columns = [[texts[index][place] for index in chosen] for place in range(1 + paired)]
            found = self._tokenizer(*columns, verbose=False, **options) if chosen else {}
            for name, rows in found.items():
                for index, row in zip(chosen, rows, strict=True):
                    encoded[index][name] = row
        return encoded

    @torch.inference_mode()
    def _forward(self, encoded: list[dict[str, list[int]]]) -> list[Array]:
        padded = self._tokenizer.pad(encoded, return_tensors="pt").to(self.placement.device)
        logits = self._model(**padded).logits.float()
        # The softmax is over all labels of the model, even where the checkpoint names only some of them.
        probabilities = torch.sigmoid(logits) if self._checkpoint.multi_label else torch.softmax(logits, -1)
        return list(to_numpy(probabilities[:, self._order]))  # (B, C)

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
            return list(range(len(order)))  # the model does not name its labels: trust the order of the checkpoint
        raise ModelError(
            f"{describe(self._checkpoint)} has the labels {list(names.values())}; expected {list(self._checkpoint.labels)}"
        )


def _agree_on_padding(tokenizer: Any, model: Any) -> None:
    """Make model and tokenizer pad with one token: a decoder is read at the last token that its config does not pad with."""
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    for config in (model.config, model.config.get_text_config()):
        config.pad_token_id = tokenizer.pad_token_id
