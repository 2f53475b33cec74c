"""The models of the suite `default` as libraries load them: weights, tokenizers and heads, without the engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from transformers import AutoModelForCausalLM, AutoTokenizer

import rewards_appropriateness
import rewards_fluency
import rewards_pattern_conformity
import rewards_valence
from rewards.models import store
from rewards.models.adapted import evidence, layout, line_break, merge, padded, read_adapter
from rewards.models.catalog import MINILM, SMOLLM2
from rewards_pattern_conformity.model import PatternModel
from rewards_valence import kept

Pair = tuple[str, str]


class Classifier:
    """A language model with an adapter: logits of (pair, text)."""

    def __init__(self, folder: Path, adapter: Path, device: str = "cpu") -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).base_model
        depth, scaling, tensors = read_adapter(adapter)
        model.layers, model.norm = model.layers[:depth], torch.nn.Identity()
        merge(model, tensors, scaling)
        self.model = model.to(device).eval()
        self.blocks: Any = lambda ids, mask: (
            self.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        )
        self.head = {name: tensor.float().to(device) for name, tensor in tensors.items() if "." not in name}
        self.device = device

    def encode(self, pair: str, text: str) -> tuple[list[int], int]:
        """Token ids, and the index of the text's first one."""
        first, second = self.tokenizer([pair, text], add_special_tokens=False)["input_ids"]
        return layout(first[:512], second[: 1022 - len(first[:512])], line_break(self.tokenizer))

    def logits(self, encoded: Sequence[tuple[list[int], int]]) -> Any:
        """(N, C) of one padded batch."""
        return self.judge(*(tensor.to(self.device) for tensor in padded(encoded)))

    @torch.inference_mode()
    def judge(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
        """(N, C) of ids (N, T), of which those of type 1 are the text."""
        return evidence(self.blocks(input_ids, attention_mask), token_type_ids.float(), self.head)


class Models:
    """All of them, loaded once."""

    def __init__(self, device: str = "cpu") -> None:
        folder = store.ensure(SMOLLM2)
        self.judge = Classifier(folder, rewards_fluency.PARAMS / rewards_fluency.ADAPTER, device)
        self.critic = Classifier(folder, rewards_appropriateness.PARAMS / rewards_appropriateness.ADAPTER, device)
        self.patterns = PatternModel.load(rewards_pattern_conformity.PARAMS / rewards_pattern_conformity.FILE)
        self.encoder = SentenceTransformer(str(store.ensure(MINILM)), device=device)
        self.valence = load_file(rewards_valence.PARAMS / rewards_valence.HEAD, device)
        self.device = device

    def encode(self, texts: Sequence[str], batch_size: int) -> Any:
        """(N, D) of unit length."""
        if not texts:
            return torch.zeros(0, self.valence["weight"].shape[1], device=self.device)
        return self.encoder.encode(
            list(texts),
            batch_size=batch_size,
            normalize_embeddings=True,
            convert_to_tensor=True,
            show_progress_bar=False,
        )

    def kept(self, gone: Any, come: Any) -> float:
        """The score of `no_praise_for_blame` for the vectors (N, D) of the removed words and (M, D) of the added ones."""
        weight, bias = self.valence["weight"], self.valence["bias"]
        return kept(*(torch.softmax(vectors @ weight.T + bias, -1).tolist() for vectors in (gone, come)))

    def fluent(self, logits: Any) -> list[float]:
        """P(fluent) of (N, 2)."""
        return [float(p) for p in torch.softmax(logits, -1)[:, 1]]

    def appropriate(self, logits: Any) -> list[float]:
        """1 − P(Inappropriateness) of (N, C)."""
        return [1.0 - float(p) for p in torch.sigmoid(logits[:, 0])]


def f1(old: Any, new: Any) -> float:
    """BERTScore of token vectors (T, D) of unit length."""
    if not len(old) or not len(new):
        return 0.0
    matches = old @ new.T
    recall, precision = float(matches.max(1).values.mean()), float(matches.max(0).values.mean())
    return 2 * precision * recall / (precision + recall)


def lost(old: Any, new: Any) -> float:
    """1 − BERTScore recall."""
    return 1.0 - float((old @ new.T).max(1).values.mean()) if len(new) else 1.0
