"""Where the engine's time goes, and how many tokens its models read: by timing its own functions from outside."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import rewards.files.pipeline
import rewards.models.causal_lm
import rewards.models.segments
import rewards.scoring
from rewards.engine.engine import Engine
from rewards.files.writing import File
from rewards.models.adapted import AdaptedClassifier
from rewards.models.causal_lm import CausalLM
from rewards.models.encoder import Encoder
from rewards.result import Result

PARTS: tuple[tuple[Any, str, str], ...] = (
    (rewards.files.pipeline, "read_revision", "parse"),
    (rewards.scoring, "_plan", "plan"),
    (Engine, "compute", "plan"),
    (CausalLM, "_tokenize", "tokenise"),
    (AdaptedClassifier, "_encode", "tokenise"),
    (Encoder, "_tokenize", "tokenise"),
    (rewards.models.causal_lm, "pack", "pack"),
    (rewards.models.causal_lm, "_tree_inputs", "pack"),
    (rewards.models.segments, "inputs", "pack"),
    (CausalLM, "_forward", "forward"),
    (AdaptedClassifier, "_pool", "forward"),
    (Encoder, "_forward", "forward"),
    (rewards.scoring, "_evaluate", "scatter and judge"),
    (Result, "to_record", "write"),
    (File, "write", "write"),
)
"""Functions and their phases. The time of a function excludes that of others in this list that it calls."""


@dataclass(slots=True)
class Reading:
    """What one model read: tokens, tokens with padding, and the sum of attended positions, doubled for causal models."""

    model: Any
    depth: int
    tokens: int = 0
    padded: int = 0
    seen: int = 0


@dataclass(slots=True)
class Watch:
    """Seconds by phase, and what each model read."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    readings: dict[int, Reading] = field(default_factory=dict)
    _inside: list[float] = field(default_factory=list)

    def clear(self) -> None:
        self.seconds.clear()
        self.readings.clear()

    def tokens(self) -> int:
        """How many tokens all models have read."""
        return sum(one.tokens for one in self.readings.values())

    def timed(self, work: Callable[..., Any], phase: str) -> Callable[..., Any]:
        @functools.wraps(work)
        def call(*args: Any, **more: Any) -> Any:
            if work.__name__ == "_forward":
                self._note(*args)
            self._inside.append(0.0)
            began = time.perf_counter()
            try:
                return work(*args, **more)
            finally:
                spent = time.perf_counter() - began
                self.seconds[phase] += spent - self._inside.pop()
                if self._inside:
                    self._inside[-1] += spent

        return call

    def _note(self, model: Any, *given: Any) -> None:
        causal = isinstance(model, CausalLM)
        rows = given[1] if causal else given[0]
        lengths = [len(row) for row in rows]
        reading = self.readings.setdefault(id(model), Reading(model, given[0] if causal else 0))
        reading.tokens += sum(lengths)
        reading.padded += sum(lengths) if causal and model.segmented else len(lengths) * max(lengths)
        # A text of n tokens counts n² in both kinds of models: causal attention reads half as much, at half the cost.
        reading.seen += (
            sum(2 * at + 1 for row in rows for at in row.positions()) if causal else sum(n * n for n in lengths)
        )


@contextmanager
def watching() -> Iterator[Watch]:
    """Time the engine's parts while this is open."""
    watch = Watch()
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in PARTS]
    for (owner, name, original), (_, _, phase) in zip(originals, PARTS, strict=True):
        setattr(owner, name, watch.timed(original, phase))
    try:
        yield watch
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)
