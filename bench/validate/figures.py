"""Compares measured numbers with those that the package states: every number, also in lists and texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SLACK = 0.005  # tolerance for the rounding of another machine
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
MEASURED = (
    "rows",
    "order",
    "split",
    "threshold",
    "threshold_edit",
    "threshold_sentence",
    "threshold_plain_text",
    "threshold_no_new_numbers",
    "threshold_no_repetition",
    "threshold_no_bare_negation",
    "percentiles",
    "perplexity_per_operation_unseen_writers",
    "test",
)
"""The keys of a card whose values were measured; the rest says how the parameters were made."""


@dataclass(frozen=True, slots=True)
class Figure:
    """The name of a number, its measured value, and the stated interval: (v, v) where only a value v is stated."""

    name: str
    found: float | None  # None: stated, but not produced any more
    stated: tuple[float, float] | None

    @property
    def bad(self) -> bool:
        """Whether the number lies outside the stated interval, or was not produced."""
        if self.stated is None:
            return False
        low, high = self.stated
        return self.found is None or not low - SLACK <= self.found <= high + SLACK

    def __str__(self) -> str:
        found = f"{'not found':>12}" if self.found is None else f"{self.found:12.4f}"
        stated = "not stated" if self.stated is None else f"stated [{self.stated[0]:g}, {self.stated[1]:g}]"
        return f"  {'✗' if self.bad else ' '} {self.name:70} {found}  {stated}"


def figures(found: Any, stated: Any) -> Iterator[Figure]:
    """Every measured or stated number; the one of `x` should lie in the stated interval `x_95`."""
    here, there = dict(_numbers(found)), dict(_numbers(stated))
    for name in dict.fromkeys([*here, *there]):
        low, high = (there.get(f"{name}_95.{end}", there.get(name)) for end in (0, 1))
        yield Figure(name, here.get(name), None if low is None or high is None else (low, high))


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, (int, float)):
        yield path, float(value)
    elif isinstance(value, str):
        yield from _numbers([float(each.replace(",", "")) for each in NUMBER.findall(value)], path)
    elif isinstance(value, (Mapping, list)):
        for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _numbers(inner, f"{path}.{key}" if path else str(key))


def measured(card: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a card that can be measured again."""
    return {name: card[name] for name in MEASURED if name in card}


def without_folds(found: Mapping[str, Any], stated: Mapping[str, Any]) -> list[str]:
    """The stated keys that depend on folds without given parameters, including those of means over all folds."""
    missing = [name for name in stated if name.startswith("fold") and name not in found]
    return missing + [name for name in stated if name.endswith("_of_folds")] if missing else []


def merged(found: Mapping[str, Any], stated: Mapping[str, Any]) -> dict[str, Any]:
    """The new content of the file: the measured figures and, for folds without parameters, the stated ones."""
    kept = without_folds(found, stated)
    keys = [key for key in dict.fromkeys([*stated, *found]) if key in found or key in kept]
    return {key: stated[key] if key in kept else found[key] for key in keys}
