"""Generation with transformers: batches by length, left-padded, with separate random numbers for each prompt."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LogitsProcessor

from rewards.engine.device import own_precision, pick_device, pick_dtype
from rewards.models.backend import loading, torch_dtype, weights_only
from rewards.models.batches import batches, run_all
from rewards_edit.policy import Answer, Ask, Files, Sampling, other_base

log = logging.getLogger("rewards.edit")
BUDGET = {"cpu": 16_384, "cuda": 131_072}  # tokens in a batch, with padding and room for the answers
_LOCAL: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
_UNLIMITED = 10**9  # tokenizers that know no limit state an absurd one


class Draw(LogitsProcessor):
    """Samples one token for each row, by the row's own random number for this step, and masks all others.

    A row's numbers come from its seed alone, so its tokens do not depend on the other rows of the batch.
    """

    def __init__(self, seeds: Sequence[int], prompt: int, sampling: Sampling) -> None:
        self._sampling, self._prompt = sampling, prompt
        numbers = [np.random.default_rng(seed).random(sampling.max_new_tokens) for seed in seeds]
        self._numbers = torch.from_numpy(np.stack(numbers))  # (B, T)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """(B, V): 0 for the token drawn, minus infinity for all others."""
        numbers = self._numbers[:, input_ids.shape[1] - self._prompt, None].to(scores.device)  # (B, 1)
        chances = torch.softmax(scores.double() / self._sampling.temperature, -1)
        order: torch.Tensor | None = None
        if self._sampling.top_p < 1:
            chances, order = chances.sort(-1, descending=True)
            # The likeliest tokens that together reach top_p, and always the first.
            chances = chances.masked_fill(chances.cumsum(-1) - chances >= self._sampling.top_p, 0.0)
        heights = chances.cumsum(-1)
        drawn = torch.searchsorted(heights, numbers * heights[:, -1:], right=True).clamp(max=scores.shape[1] - 1)
        if order is not None:
            drawn = order.gather(1, drawn)
        chosen = torch.full_like(scores, -torch.inf)
        return chosen.scatter_(1, drawn, 0.0)


class Watch(LogitsProcessor):
    """Reports the number of rows at every step. Raises FloatingPointError where the model's scores are NaN."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self._progress = progress

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The scores, unchanged."""
        if scores.isnan().any():
            raise FloatingPointError("its scores are not numbers; with --dtype float32 they may be")
        self._progress(len(input_ids))
        return scores


class Generator:
    """A causal language model that answers prompts, with or without an adapter; loaded on first use."""

    backend = "transformers"

    def __init__(self, files: Files, device: str, dtype: str, token_budget: int) -> None:
        self._files = files
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device, "causal-lm")
        self._budget = token_budget or BUDGET[self.device.partition(":")[0]]
        with loading(f"model {files.full_name!r} cannot be loaded"):
            self.tokenizer: Any = load_tokenizer(files)
            self.window = window_of(AutoConfig.from_pretrained(files.folder, **_LOCAL), self.tokenizer)
        self._model: Any = None
        self._ends: list[int] = []

    def _load(self) -> None:
        with loading(f"model {self._files.full_name!r} cannot be loaded"):
            self._model = _load(self._files, torch_dtype(self.dtype)).to(self.device).eval()
        self._ends = _ends(self._model, self.tokenizer)
        # Replaces the model's own generation settings (a temperature, penalties), which nobody asked for.
        self._model.generation_config = _settings()

    def generate(self, asks: Sequence[Ask], sampling: Sampling, progress: Callable[[int], None]) -> list[Answer]:
        """One answer for each ask, in order. A batch that runs out of memory is halved; what fails, fails alone."""
        if asks and self._model is None:
            self._load()
        answers = [Answer(failed="not generated")] * len(asks)

        def forward(part: list[int]) -> None:
            for index, answer in zip(part, self._batch([asks[i] for i in part], sampling, progress), strict=True):
                answers[index] = answer

        def failed(index: int, reason: str) -> None:
            answers[index] = Answer(failed=reason)

        def room(index: int) -> int:
            return len(asks[index].tokens) + sampling.max_new_tokens

        with own_precision(self.device):
            run_all(batches(range(len(asks)), room, self._budget), forward, failed, f"model {self._files.full_name!r}")
        return answers

    @torch.inference_mode()
    def _batch(self, asks: Sequence[Ask], sampling: Sampling, progress: Callable[[int], None]) -> list[Answer]:
        width = max(len(ask.tokens) for ask in asks)
        padding = self._ends[0] if self._ends else 0
        tokens = torch.full((len(asks), width), padding)  # (B, T), padded on the left: all answers begin in one column
        mask = torch.zeros_like(tokens)
        for row, ask in enumerate(asks):
            tokens[row, width - len(ask.tokens) :] = torch.tensor(ask.tokens)
            mask[row, width - len(ask.tokens) :] = 1
        processors: list[LogitsProcessor] = [Watch(progress)]
        if sampling.temperature:
            processors.append(Draw([ask.seed for ask in asks], width, sampling))
        given = _settings(
            do_sample=False,
            max_new_tokens=sampling.max_new_tokens,
            pad_token_id=padding,
            eos_token_id=self._ends or None,
        )
        generated = self._model.generate(
            input_ids=tokens.to(self.device),
            attention_mask=mask.to(self.device),
            generation_config=given,
            logits_processor=processors,
        )
        return [self._answer(row) for row in generated[:, width:].tolist()]

    def _answer(self, tokens: list[int]) -> Answer:
        end = next((place for place, token in enumerate(tokens) if token in self._ends), len(tokens))
        return answer_of(self.tokenizer, tokens[:end], ended=end < len(tokens))


def answer_of(tokenizer: Any, tokens: Sequence[int], *, ended: bool) -> Answer:
    """The tokens of a completion as an answer."""
    text = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return Answer(text, len(tokens), "stop" if ended else "length")


def load_tokenizer(files: Files) -> Any:
    """The tokenizer that the adapter was trained with, where it brings one; else the model's."""
    with_tokenizer = files.adapter is not None and (files.adapter / "tokenizer_config.json").is_file()
    folder = files.adapter if with_tokenizer else files.folder
    return AutoTokenizer.from_pretrained(folder, **_LOCAL)


def window_of(config: Any, tokenizer: Any) -> int | None:
    """How many tokens a model of this configuration can read and write; None where it knows no limit."""
    stated = getattr(config.get_text_config(), "max_position_embeddings", None)
    limits = [limit for limit in (stated, tokenizer.model_max_length) if isinstance(limit, int) and limit < _UNLIMITED]
    return limits[0] if limits else None


def _load(files: Files, dtype: torch.dtype) -> Any:
    model: Any = AutoModelForCausalLM.from_pretrained(files.folder, **weights_only(dtype=dtype))
    if files.adapter is None:
        return model
    from peft import PeftModel  # slow to import, and only needed for an adapter

    if base := other_base(files):
        log.warning("the adapter %s was trained on %s, but is applied to %s", files.adapter, base, files.name)
    # Not merged into the weights: in bfloat16 the sum would round most of a small adapter away.
    return PeftModel.from_pretrained(model, str(files.adapter), is_trainable=False)


def _settings(**given: Any) -> GenerationConfig:
    return GenerationConfig(**given)  # type: ignore[no-untyped-call]  # transformers has no types here


def _ends(model: Any, tokenizer: Any) -> list[int]:
    """The tokens that end an answer, the tokenizer's own first."""
    stated = [tokenizer.eos_token_id, getattr(model.generation_config, "eos_token_id", None)]
    stated.append(getattr(model.config, "eos_token_id", None))
    flat = [one for value in stated for one in (value if isinstance(value, list) else [value])]
    return list(dict.fromkeys(one for one in flat if isinstance(one, int)))
