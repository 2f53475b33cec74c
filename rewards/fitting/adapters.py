"""Fits a classifier by gradient descent, as an adapter (`rewards.models.adapted`) or a teacher, seeded."""

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
from safetensors.torch import load, save_file
from torch.nn import functional

from rewards.engine.device import pick_dtype
from rewards.errors import ConfigError
from rewards.fitting import REPORT_EVERY
from rewards.fitting.trunks import CausalTrunk, EncoderTrunk, Trunk
from rewards.models.adapted import HEAD, evidence, padded

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHUFFLED = 512  # shuffled examples at a time that are sorted by length into batches


@dataclass(frozen=True, slots=True)
class AdapterRecipe:
    """How an adapter is fitted. The first `first` of `depth` blocks are frozen, and computed once."""

    depth: int = 12
    first: int = 4
    rank: int = 8
    alpha: int = 16
    learning_rate: float = 1e-3
    head_rate: float = 3.0  # times the learning rate
    epochs: int = 1
    tokens: int = 1024  # in one step, padding included
    longest: int = 320  # the most tokens of a text, and of a pair
    multi_label: bool = False
    balanced: bool = True  # every class has the same weight in the loss, however rare it is

    def stated(self) -> dict[str, Any]:
        """What a card states: the settings of the training, and the dtype of matrix products."""
        found = {"learning_rate": self.learning_rate, "epochs": self.epochs, "tokens": self.tokens}
        return {**found, "products": _precision()}


@dataclass(frozen=True, slots=True)
class Example:
    """A text with its pair and label: a class index, or with `multi_label` for each label 0, 1, a share or -1 (unknown)."""

    text: str
    pair: str
    label: int | tuple[float, ...]


def fit_adapter(
    folder: Path,
    examples: Sequence[Example],
    classes: int,
    recipe: AdapterRecipe,
    seed: int,
    say: Callable[[str], None],
) -> dict[str, torch.Tensor]:
    """The tensors of an adapter for the causal language model in `folder`, in the form that `write_adapter` stores."""
    trunk = CausalTrunk(folder, recipe.first, recipe.depth)
    head = _fit(trunk, _Batches(trunk, examples, recipe, say), examples, classes, recipe, seed, say)
    return {**_changes(trunk), **{name: value.detach() for name, value in head.items()}}


def fit_teacher(
    folder: Path,
    examples: Sequence[Example],
    others: Sequence[Example],
    classes: int,
    recipe: AdapterRecipe,
    seed: int,
    say: Callable[[str], None],
) -> NDArray[np.float64]:
    """Fit the upper half of the encoder in `folder` to N examples; the logits (N + M, C) of these and of M others."""
    trunk = EncoderTrunk(folder)
    batches = _Batches(trunk, [*examples, *others], recipe, say)
    head = _fit(trunk, batches, examples, classes, recipe, seed, say)
    every = batches.of_like_length(range(len(examples) + len(others)))
    report = _Report("batch", len(every), say)
    found = np.zeros((len(examples) + len(others), classes))
    with torch.inference_mode():
        for chosen in every:
            found[chosen] = batches.logits(chosen, head).numpy()
            report()
    return found


def _fit(
    trunk: Trunk,
    batches: _Batches,
    examples: Sequence[Example],
    classes: int,
    recipe: AdapterRecipe,
    seed: int,
    say: Callable[[str], None],
) -> dict[str, torch.Tensor]:
    """Train the trunk's upper blocks in place, and a head, which is returned; `examples` are the first ones of `batches`."""
    torch.manual_seed(seed)
    targets = [name for name, module in trunk.model.named_modules() if isinstance(module, torch.nn.Linear)]
    inject_adapter_in_model(LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, target_modules=targets), trunk.model)
    head = _head(trunk.size, classes)
    weights = _class_weights(examples, classes, recipe)
    changed = [parameter for parameter in trunk.model.parameters() if parameter.requires_grad]
    learnt = [head[name] for name in ("mean", "peak", "bias")]
    groups: list[dict[str, Any]] = [
        {"params": changed},
        {"params": learnt, "lr": recipe.learning_rate * recipe.head_rate},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=0.01)
    steps = batches.order(len(examples), Random(seed))  # noqa: S311  (nothing secret)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / 30) * max(0.02, 1 - step / len(steps))
    )
    report = _Report("step", len(steps), say)
    for number, chosen in enumerate(steps, 1):
        loss = _loss(batches.logits(chosen, head), batches.labels[chosen], weights, recipe.multi_label)
        if not torch.isfinite(loss):
            raise ConfigError(f"the fit diverged: the loss of step {number} is {loss.item()}; lower learning_rate")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        torch.nn.utils.clip_grad_norm_([*changed, *learnt], 1.0)
        optimizer.step()
        schedule.step()
        report(loss.item())
    return head


def quick_products() -> torch.autocast:
    """A context with matrix products in bfloat16, where the processor is faster in it: in as little as a third of the time.

    Weights, trained parameters and the head stay in float32.
    """
    return torch.autocast("cpu", torch.bfloat16, enabled=_precision() == "bfloat16")


def _precision() -> str:
    return pick_dtype("auto", "cpu", "causal-lm")


def write_adapter(file: Path, tensors: dict[str, torch.Tensor], recipe: AdapterRecipe) -> None:
    """Store an adapter: its changes in float16, its head in float32."""
    stored = {
        name: value.to(torch.float32 if name in HEAD else torch.float16).contiguous() for name, value in tensors.items()
    }
    stated = {"depth": recipe.depth, "scaling": recipe.alpha / recipe.rank}
    save_file(stored, file, metadata={"adapter": json.dumps(stated)})


def rescale_adapter(file: Path, recipe: AdapterRecipe, scale: Any, shift: Any) -> None:
    """Calibrate a stored adapter: its logits z become scale · z + shift, for each of C classes or for all alike."""
    stored = load(file.read_bytes())  # not memory-mapped: Windows cannot replace a mapped file
    bias = stored["bias"].numpy().astype(np.float64) * scale + shift
    stored["scale"] = torch.tensor(stored["scale"].numpy() * np.float64(scale), dtype=torch.float32)
    write_adapter(file, {**stored, "bias": torch.tensor(bias, dtype=torch.float32)}, recipe)


class _Batches:
    """Examples as padded batches of similar length."""

    def __init__(
        self, trunk: Trunk, examples: Sequence[Example], recipe: AdapterRecipe, say: Callable[[str], None]
    ) -> None:
        self._trunk, self._recipe = trunk, recipe
        pairs, texts = [one.pair for one in examples], [one.text for one in examples]
        self._rows, cut = trunk.rows(pairs, texts, recipe.longest)
        if cut:
            say(f"{cut:,} texts are too long to be read whole: their ends are left out")
        self.labels = torch.tensor([one.label for one in examples])
        self._states: list[torch.Tensor] = [torch.zeros(0)] * len(examples)
        self._start(say)

    @torch.inference_mode()
    def _start(self, say: Callable[[str], None]) -> None:
        """Compute the states of every example after the frozen blocks, once for all epochs."""
        say(f"{sum(len(tokens) for tokens, _ in self._rows):,} tokens through the blocks that stay as they are")
        self._trunk.lower()
        every = self.of_like_length(range(len(self._rows)))
        report = _Report("batch", len(every), say)
        for batch in every:
            tokens, attended, _ = padded([self._rows[place] for place in batch])
            with quick_products():
                hidden = self._trunk.run(attended, input_ids=tokens)
            for place, states in zip(batch, hidden, strict=True):
                self._states[place] = states[: len(self._rows[place][0])].to(torch.float16, copy=True)
            report()
        self._trunk.upper()

    def order(self, count: int, rng: Random) -> list[list[int]]:
        """The batches of the first `count` examples in all epochs, in training order."""
        found = []
        for _ in range(self._recipe.epochs):
            places = list(range(count))
            rng.shuffle(places)
            epoch = [
                batch
                for start in range(0, len(places), SHUFFLED)
                for batch in self.of_like_length(places[start : start + SHUFFLED])
            ]
            rng.shuffle(epoch)
            found += epoch
        return found

    def of_like_length(self, places: Sequence[int]) -> list[list[int]]:
        """These examples in batches of similar length, of at most `recipe.tokens` tokens with padding."""
        found: list[list[int]] = [[]]
        for place in sorted(places, key=lambda each: len(self._rows[each][0])):
            if found[-1] and len(self._rows[place][0]) * (len(found[-1]) + 1) > self._recipe.tokens:
                found.append([])
            found[-1].append(place)
        return found

    def logits(self, chosen: list[int], head: dict[str, torch.Tensor]) -> torch.Tensor:
        """(B, C) of these examples."""
        _, attended, mask = padded([self._rows[place] for place in chosen])
        states = torch.nn.utils.rnn.pad_sequence([self._states[place] for place in chosen], batch_first=True).float()
        with quick_products():
            hidden = self._trunk.run(attended, inputs_embeds=states)
        return evidence(hidden, mask.float(), head)


class _Report:
    """Reports progress every REPORT_EVERY seconds, and at the end."""

    def __init__(self, unit: str, total: int, say: Callable[[str], None]) -> None:
        self._unit, self._total, self._say, self._losses = unit, total, say, list[float]()
        self._done = 0
        self._began = self._reported = time.monotonic()

    def __call__(self, loss: float | None = None) -> None:
        """Count one more unit as done, with its loss where it has one."""
        self._done += 1
        if loss is not None:
            self._losses.append(loss)
        now = time.monotonic()
        if now - self._reported > REPORT_EVERY or self._done == self._total:
            self._reported = now
            left = (now - self._began) / self._done * (self._total - self._done)
            recent = f", loss {float(np.mean(self._losses[-50:])):.3f}" if self._losses else ""
            self._say(f"{self._unit} {self._done:,} of {self._total:,}{recent}, {left / 60:.1f} minutes left")


def _head(size: int, classes: int) -> dict[str, torch.Tensor]:
    learnt = {name: torch.zeros(size, classes, requires_grad=True) for name in ("mean", "peak")}
    return {**learnt, "scale": torch.ones(classes), "bias": torch.zeros(classes, requires_grad=True)}


def _class_weights(examples: Sequence[Example], classes: int, recipe: AdapterRecipe) -> torch.Tensor:
    """(C,): weights that balance the classes; with `multi_label` the weight of a label's 1s, at most 6, against its 0s."""
    if not recipe.balanced:
        return torch.ones(classes)
    labels: NDArray[Any] = np.array([one.label for one in examples])
    if recipe.multi_label:
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


def _changes(trunk: Trunk) -> dict[str, torch.Tensor]:
    """The low-rank matrices, by the name of their weight in the whole model."""
    found = {}
    for name, parameter in trunk.model.named_parameters():
        if ".lora_" in name:
            _, number, rest = name.replace(".default.weight", "").split(".", 2)  # layers.3.mlp.up_proj.lora_A
            found[f"layers.{int(number) + trunk.first}.{rest}"] = parameter.detach()
    return found
