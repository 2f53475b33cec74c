"""The models that a classifier is fitted on: their blocks, of which the first are frozen, and how they encode a pair."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from rewards.errors import ModelError
from rewards.models.adapted import layout, line_break
from rewards.models.backend import loading, weights_only
from rewards.models.keys import positions, token_limit

TokenRow = tuple[list[int], int]
"""The tokens of a pair and a text, and the index of the text's first one."""


class Trunk(ABC):
    """A model that runs some blocks at a time: after `lower()` the first, frozen ones, after `upper()` the trained ones.

    `model` is the part that runs: from the embeddings of token ids, or from the states given as `inputs_embeds`.
    """

    def __init__(self, folder: Path, first: int | None = None, depth: int | None = None) -> None:
        """Take `depth` blocks (all), of which the first `first` (half) are frozen. Raises ModelError for other files."""
        with loading(f"{folder} cannot be fitted"):
            self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
            self.model, self._owner, self._name = self._load(folder)
        self._blocks = getattr(self._owner, self._name)[:depth]
        self.first = len(self._blocks) // 2 if first is None else first

    @property
    def size(self) -> int:
        """The dimension of hidden states."""
        return int(self.model.config.hidden_size)

    def lower(self) -> None:
        """Let `model` be the first blocks."""
        setattr(self._owner, self._name, self._blocks[: self.first])

    def upper(self) -> None:
        """Let `model` be the trained blocks."""
        setattr(self._owner, self._name, self._blocks[self.first :])

    def run(self, attended: torch.Tensor, **given: torch.Tensor) -> torch.Tensor:
        """The states (B, T, D) after the current blocks, of `input_ids` (B, T) or `inputs_embeds` (B, T, D)."""
        states: torch.Tensor = self.model(attention_mask=attended, **given).last_hidden_state
        return states

    @abstractmethod
    def rows(self, pairs: Sequence[str], texts: Sequence[str], longest: int) -> tuple[list[TokenRow], int]:
        """The model's input for each text with its pair, and how many texts and pairs were cut to `longest` tokens."""

    @abstractmethod
    def _load(self, folder: Path) -> tuple[Any, Any, str]:
        """The model, the module that holds its blocks, and the name of that attribute."""

    def _coded(self, texts: Sequence[str]) -> list[list[int]]:
        coded: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return coded


class CausalTrunk(Trunk):
    """A causal language model without its final norm and LM head."""

    def _load(self, folder: Path) -> tuple[Any, Any, str]:
        trunk: Any = AutoModelForCausalLM.from_pretrained(folder, **weights_only(dtype=torch.float32)).base_model
        trunk.norm = torch.nn.Identity()
        trunk.config.use_cache = False
        return trunk, trunk, "layers"

    def rows(self, pairs: Sequence[str], texts: Sequence[str], longest: int) -> tuple[list[TokenRow], int]:
        """The pair, a line break, the text and a line break."""
        end, both = line_break(self.tokenizer), list(zip(self._coded(pairs), self._coded(texts), strict=True))
        cut = sum(len(tokens) > longest for each in both for tokens in each)
        return [layout(pair[:longest], text[:longest], end) for pair, text in both], cut


class EncoderTrunk(Trunk):
    """A bidirectional encoder: BERT, MPNet and others that keep their blocks in `encoder.layer`."""

    def _load(self, folder: Path) -> tuple[Any, Any, str]:
        model: Any
        model, report = AutoModel.from_pretrained(folder, output_loading_info=True, **weights_only(dtype=torch.float32))
        if missing := sorted(name for name in report["missing_keys"] if not name.startswith("pooler.")):
            raise ModelError(f"{folder} lacks weights of a {type(model).__name__}: {', '.join(missing[:3])}")
        keeps = hasattr(model, "embeddings") and hasattr(getattr(model, "encoder", None), "layer")
        if not keeps or hasattr(model, "embeddings_project"):  # projected before the first block
            raise ModelError(
                f"{folder} holds a {type(model).__name__}: a teacher is an encoder such as BERT, MPNet or DeBERTa"
            )
        model.pooler, self._embeddings = None, model.embeddings
        self._room = token_limit(min(positions(model), self.tokenizer.model_max_length))
        return model, model.encoder, "layer"

    def lower(self) -> None:
        """Let `model` be the first blocks, which start from token embeddings."""
        super().lower()
        self.model.embeddings = self._embeddings

    def upper(self) -> None:
        """Let `model` be the other blocks, which start from the states after the first ones, without embeddings."""
        super().upper()
        self.model.embeddings = _AsGiven()

    def rows(self, pairs: Sequence[str], texts: Sequence[str], longest: int) -> tuple[list[TokenRow], int]:
        """The pair and the text, with the special tokens that the tokenizer puts around them."""
        start, middle, end = self._special_tokens()
        room = self._room - len(start) - len(middle) - len(end)
        found, cut = list[TokenRow](), 0
        for pair, text in zip(self._coded(pairs), self._coded(texts), strict=True):
            head = pair[: min(longest, room // 2)]
            body = text[: min(longest, room - len(head))]
            cut += (len(head) < len(pair)) + (len(body) < len(text))
            before = [*start, *head, *middle]
            found.append(([*before, *body, *end], len(before)))
        return found, cut

    def _special_tokens(self) -> tuple[list[int], list[int], list[int]]:
        """The special tokens that this tokenizer puts before, between and after the two parts of a pair."""
        (one,) = self._coded(["a"])
        marked: list[int] = self.tokenizer("a", "a")["input_ids"]
        places = [place for place in range(len(marked)) if marked[place : place + len(one)] == one]
        first, last = places[0], places[-1]
        return marked[:first], marked[first + len(one) : last], marked[last + len(one) :]


class _AsGiven(torch.nn.Module):
    """Replaces the embeddings: returns the states that are given in their place."""

    def forward(self, *, inputs_embeds: torch.Tensor, **_: Any) -> torch.Tensor:
        return inputs_embeds
