"""Fits an adapted classifier (`rewards.models.adapted`) by gradient descent; the same data and seed give the same file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import load_file, save_file
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer

from rewards.engine.device import pick_dtype
from rewards.models.adapted import HEAD, evidence, layout, line_break, padded
from rewards.models.backend import quiet_loading, weights_only

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHUFFLED = 512  # examples among which batches of like length are formed
REPORT_EVERY = 20.0  # seconds


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an adapter is fitted. The first `first` of `depth` blocks stay as they are and are computed once."""

    depth: int = 12
    first: int = 4
    rank: int = 8
    alpha: int = 16
    learning_rate: float = 1e-3
    head_rate: float = 3.0  # times the learning rate
    epochs: int = 1
    tokens: int = 1024  # padded, in one step
    longest: int = 320  # tokens of a text or a pair
    multi_label: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """A text with its pair, and its label: the index of a class, or with many labels for each 0, 1, a share or -1 (unknown)."""

    text: str
    pair: str
    label: int | tuple[float, ...]


def fit_adapter(
    folder: Path, examples: Sequence[Example], classes: int, recipe: Recipe, seed: int, say: Callable[[str], None]
) -> dict[str, torch.Tensor]:
    """The tensors of an adapter for the causal language model in `folder`, in the form that `write_adapter` stores."""
    torch.manual_seed(seed)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    with quiet_loading():
        trunk: Any = AutoModelForCausalLM.from_pretrained(folder, **weights_only(dtype=torch.float32)).base_model
    trunk.norm = torch.nn.Identity()
    blocks = trunk.layers[: recipe.depth]
    batch_of = _Batches(tokenizer, examples, recipe, say)
    trunk.layers = blocks[: recipe.first]
    batch_of.start_from(trunk, say)
    trunk.layers = blocks[recipe.first :]
    targets = [name for name, module in trunk.named_modules() if isinstance(module, torch.nn.Linear)]
    inject_adapter_in_model(LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, target_modules=targets), trunk)
    head = _head(trunk.config.hidden_size, classes)
    weights = _class_weights(examples, classes, recipe.multi_label)
    changed = [parameter for parameter in trunk.parameters() if parameter.requires_grad]
    learnt = [head[name] for name in ("mean", "peak", "bias")]
    groups: list[dict[str, Any]] = [
        {"params": changed},
        {"params": learnt, "lr": recipe.learning_rate * recipe.head_rate},
    ]
    optimizer = torch.optim.AdamW(
        groups,
        lr=recipe.learning_rate,
        weight_decay=0.01,
    )
    steps = batch_of.order(Random(seed))  # noqa: S311  (nothing secret)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / 30) * max(0.02, 1 - step / len(steps))
    )
    report = _Report(len(steps), say)
    for chosen in steps:
        states, attended, mask, target = batch_of(chosen)
        with quick_products():
            hidden = trunk(inputs_embeds=states, attention_mask=attended, use_cache=False).last_hidden_state
        loss = _loss(evidence(hidden, mask, head), target, weights, recipe.multi_label)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        torch.nn.utils.clip_grad_norm_([*changed, *learnt], 1.0)
        optimizer.step()
        schedule.step()
        report(loss.item())
    return {**_changes(trunk, recipe.first), **{name: value.detach() for name, value in head.items()}}


def quick_products() -> torch.autocast:
    """Products of matrices in bfloat16 for as long as this lasts, where the processor is faster in it.

    That takes down to a third of the time. Weights, what is learnt and the head stay in float32.
    """
    return torch.autocast("cpu", torch.bfloat16, enabled=precision() == "bfloat16")


def precision() -> str:
    """What a fit on this machine multiplies in."""
    return pick_dtype("auto", "cpu", "causal-lm")


def write_adapter(file: Path, tensors: dict[str, torch.Tensor], recipe: Recipe) -> None:
    """Store an adapter: its changes in float16, its head in float32."""
    stored = {
        name: value.to(torch.float32 if name in HEAD else torch.float16).contiguous() for name, value in tensors.items()
    }
    stated = {"depth": recipe.depth, "scaling": recipe.alpha / recipe.rank}
    save_file(stored, file, metadata={"adapter": json.dumps(stated)})


def rescale_adapter(file: Path, recipe: Recipe, scale: Any, shift: Any) -> None:
    """Calibrate a stored adapter: its logits z become scale · z + shift, for each of C classes or for all alike."""
    stored = load_file(file)
    bias = stored["bias"].numpy().astype(np.float64) * scale + shift
    stored["scale"] = torch.tensor(stored["scale"].numpy() * np.float64(scale), dtype=torch.float32)
    write_adapter(file, {**stored, "bias": torch.tensor(bias, dtype=torch.float32)}, recipe)


class _Batches:
    """Examples as padded batches of like length."""

    def __init__(self, tokenizer: Any, examples: Sequence[Example], recipe: Recipe, say: Callable[[str], None]) -> None:
        end, self._recipe = line_break(tokenizer), recipe
        coded = [tokenizer([one.text, one.pair], add_special_tokens=False)["input_ids"] for one in examples]
        cut = sum(len(tokens) > recipe.longest for both in coded for tokens in both)
        if cut:
            say(f"{cut:,} texts are longer than {recipe.longest} tokens: what comes after is not read")
        self._rows = [layout(pair[: recipe.longest], text[: recipe.longest], end) for text, pair in coded]
        self._labels = torch.tensor([one.label for one in examples])
        self._states: list[torch.Tensor] = [torch.zeros(0)] * len(examples)

    @torch.inference_mode()
    def start_from(self, blocks: Any, say: Callable[[str], None]) -> None:
        """Compute what the blocks that stay as they are make of every example, once for all epochs."""
        say(f"{sum(len(tokens) for tokens, _ in self._rows):,} tokens through the blocks that stay as they are")
        for batch in self._of_like_length(list(range(len(self._rows)))):
            tokens, attended, _ = self._padded(batch)
            with quick_products():
                hidden = blocks(input_ids=tokens, attention_mask=attended, use_cache=False).last_hidden_state
            for place, states in zip(batch, hidden, strict=True):
                self._states[place] = states[: len(self._rows[place][0])].to(torch.float16, copy=True)

    def order(self, rng: Random) -> list[list[int]]:
        """The batches of all epochs, in the order they are seen in."""
        found = []
        for _ in range(self._recipe.epochs):
            places = list(range(len(self._rows)))
            rng.shuffle(places)
            epoch = [
                batch
                for start in range(0, len(places), SHUFFLED)
                for batch in self._of_like_length(places[start : start + SHUFFLED])
            ]
            rng.shuffle(epoch)
            found += epoch
        return found

    def _of_like_length(self, places: list[int]) -> list[list[int]]:
        found: list[list[int]] = [[]]
        for place in sorted(places, key=lambda each: len(self._rows[each][0])):
            if found[-1] and len(self._rows[place][0]) * (len(found[-1]) + 1) > self._recipe.tokens:
                found.append([])
            found[-1].append(place)
        return found

    def __call__(self, chosen: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """States (B, T, D), attention mask and mask of the text (B, T), and labels."""
        _, attended, mask = self._padded(chosen)
        states = torch.nn.utils.rnn.pad_sequence([self._states[place] for place in chosen], batch_first=True).float()
        return states, attended, mask, self._labels[chosen]

    def _padded(self, chosen: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Tokens, attention mask and mask of the text, each (B, T)."""
        tokens, attended, mask = padded([self._rows[place] for place in chosen])
        return tokens, attended, mask.float()


class _Report:
    """Says how far a fit is, now and then."""

    def __init__(self, steps: int, say: Callable[[str], None]) -> None:
        self._steps, self._say, self._losses = steps, say, list[float]()
        self._began = self._told = time.monotonic()

    def __call__(self, loss: float) -> None:
        self._losses.append(loss)
        now, done = time.monotonic(), len(self._losses)
        if now - self._told > REPORT_EVERY or done == self._steps:
            self._told = now
            left = (now - self._began) / done * (self._steps - done)
            recent = float(np.mean(self._losses[-50:]))
            self._say(f"step {done:,} of {self._steps:,}, loss {recent:.3f}, {left / 60:.1f} minutes left")


def _head(size: int, classes: int) -> dict[str, torch.Tensor]:
    learnt = {name: torch.zeros(size, classes, requires_grad=True) for name in ("mean", "peak")}
    return {**learnt, "scale": torch.ones(classes), "bias": torch.zeros(classes, requires_grad=True)}


def _class_weights(examples: Sequence[Example], classes: int, multi_label: bool) -> torch.Tensor:
    """(C,): the loss of every class counts alike; with many labels that of 1 up to six times that of 0."""
    labels: NDArray[Any] = np.array([one.label for one in examples])
    if multi_label:
        share = labels.clip(min=0).sum(0) / np.maximum((labels >= 0).sum(0), 1)
        return torch.tensor(np.minimum((1 - share) / np.maximum(share, 1e-3), 6.0), dtype=torch.float32)
    counts = np.bincount(labels, minlength=classes)
    return torch.tensor(len(labels) / (classes * np.maximum(counts, 1)), dtype=torch.float32)


def _loss(logits: torch.Tensor, target: torch.Tensor, weights: torch.Tensor, multi_label: bool) -> torch.Tensor:
    if multi_label:
        known = (target >= 0).float()
        each = functional.binary_cross_entropy_with_logits(
            logits, target.clamp(min=0).float(), pos_weight=weights, reduction="none"
        )
        return (each * known).sum() / known.sum().clamp(min=1)
    return functional.cross_entropy(logits, target, weight=weights)


def _changes(trunk: Any, first: int) -> dict[str, torch.Tensor]:
    """The low-rank changes by the name of the weight they belong to in the whole model."""
    found = {}
    for name, parameter in trunk.named_parameters():
        if ".lora_" in name:
            _, number, rest = name.replace(".default.weight", "").split(".", 2)  # layers.3.mlp.up_proj.lora_A
            found[f"layers.{int(number) + first}.{rest}"] = parameter.detach()
    return found
