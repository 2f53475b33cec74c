"""The models that a classifier is fitted on: their blocks, of which the first stay as they are, and how they read a pair."""

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
"""The tokens of a pair and a text, and where those of the text begin."""


class Trunk(ABC):
    """Some blocks of a model at a time: `lower` are the first, which stay as they are, `upper` are those that change.

    `model` is what runs. Given token ids it starts from their embeddings, given `inputs_embeds` from these.
    """

    def __init__(self, folder: Path, first: int | None = None, depth: int | None = None) -> None:
        """Of `depth` blocks (all) the first `first` (half of them) stay as they are. Raises ModelError for other files."""
        with loading(f"{folder} cannot be fitted"):
            self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
            self.model, self._owner, self._name = self._load(folder)
        self._blocks = getattr(self._owner, self._name)[:depth]
        self.first = len(self._blocks) // 2 if first is None else first

    @property
    def size(self) -> int:
        """Of a token's state."""
        return int(self.model.config.hidden_size)

    def lower(self) -> None:
        """From now on `model` is the first blocks."""
        setattr(self._owner, self._name, self._blocks[: self.first])

    def upper(self) -> None:
        """From now on `model` is the blocks that change."""
        setattr(self._owner, self._name, self._blocks[self.first :])

    def run(self, attended: torch.Tensor, **given: torch.Tensor) -> torch.Tensor:
        """The states (B, T, D) that the blocks at hand make of `input_ids` (B, T) or `inputs_embeds` (B, T, D)."""
        states: torch.Tensor = self.model(attention_mask=attended, **given).last_hidden_state
        return states

    @abstractmethod
    def rows(self, pairs: Sequence[str], texts: Sequence[str], longest: int) -> tuple[list[TokenRow], int]:
        """What the model reads of each text under its pair, and how many were cut to `longest` tokens."""

    @abstractmethod
    def _load(self, folder: Path) -> tuple[Any, Any, str]:
        """The model, and the module and name under which it keeps its blocks."""

    def _coded(self, texts: Sequence[str]) -> list[list[int]]:
        coded: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return coded


class CausalTrunk(Trunk):
    """A causal language model without its last norm and its vocabulary."""

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
    """An encoder that reads in both directions: BERT, MPNet and whatever keeps its blocks where they do."""

    def _load(self, folder: Path) -> tuple[Any, Any, str]:
        model: Any
        model, report = AutoModel.from_pretrained(folder, output_loading_info=True, **weights_only(dtype=torch.float32))
        if missing := sorted(name for name in report["missing_keys"] if not name.startswith("pooler.")):
            raise ModelError(f"{folder} lacks weights of a {type(model).__name__}: {', '.join(missing[:3])}")
        keeps = hasattr(model, "embeddings") and hasattr(getattr(model, "encoder", None), "layer")
        if not keeps or hasattr(model, "embeddings_project"):  # its blocks do not start from what embeddings are
            raise ModelError(
                f"{folder} holds a {type(model).__name__}: a teacher is an encoder such as BERT, MPNet or DeBERTa"
            )
        model.pooler, self._embeddings = None, model.embeddings
        self._room = token_limit(min(positions(model), self.tokenizer.model_max_length))
        return model, model.encoder, "layer"

    def lower(self) -> None:
        """The first blocks, on the embeddings of tokens."""
        super().lower()
        self.model.embeddings = self._embeddings

    def upper(self) -> None:
        """The other blocks, on what the first have made: no embedding is added to it."""
        super().upper()
        self.model.embeddings = _AsGiven()

    def rows(self, pairs: Sequence[str], texts: Sequence[str], longest: int) -> tuple[list[TokenRow], int]:
        """The pair and the text, with the marks that the tokenizer sets around them."""
        start, middle, end = self._marks()
        room = self._room - len(start) - len(middle) - len(end)
        found, cut = list[TokenRow](), 0
        for pair, text in zip(self._coded(pairs), self._coded(texts), strict=True):
            head = pair[: min(longest, room // 2)]
            body = text[: min(longest, room - len(head))]
            cut += (len(head) < len(pair)) + (len(body) < len(text))
            before = [*start, *head, *middle]
            found.append(([*before, *body, *end], len(before)))
        return found, cut

    def _marks(self) -> tuple[list[int], list[int], list[int]]:
        """The marks that this tokenizer sets before, between and after the two parts of a pair."""
        (one,) = self._coded(["a"])
        marked: list[int] = self.tokenizer("a", "a")["input_ids"]
        places = [place for place in range(len(marked)) if marked[place : place + len(one)] == one]
        first, last = places[0], places[-1]
        return marked[:first], marked[first + len(one) : last], marked[last + len(one) :]


class _AsGiven(torch.nn.Module):
    """Stands for embeddings where states are given."""

    def forward(self, *, inputs_embeds: torch.Tensor, **_: Any) -> torch.Tensor:
        return inputs_embeds
