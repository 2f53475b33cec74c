"""What is found beside what the package states: every number, those of lists and texts too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SLACK = 0.005  # what another machine's rounding may move
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
"""What a card states that was measured; the rest says how the parameters were made."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, what was found for it, and the interval that is stated (its own value where none is)."""

    name: str
    found: float | None  # None: it is stated, and nothing produces it any more
    stated: tuple[float, float] | None

    @property
    def bad(self) -> bool:
        """Whether it lies outside what is stated, or was not found."""
        if self.stated is None:
            return False
        low, high = self.stated
        return self.found is None or not low - SLACK <= self.found <= high + SLACK

    def __str__(self) -> str:
        found = f"{'not found':>12}" if self.found is None else f"{self.found:12.4f}"
        stated = "not stated" if self.stated is None else f"stated [{self.stated[0]:g}, {self.stated[1]:g}]"
        return f"  {'✗' if self.bad else ' '} {self.name:70} {found}  {stated}"


def figures(found: Any, stated: Any) -> Iterator[Figure]:
    """Every number that is found or stated; that of `x` should lie in the stated interval `x_95`."""
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
    """What is stated and hangs on folds of which no parameters were given, the means over all folds included."""
    missing = [name for name in stated if name.startswith("fold") and name not in found]
    return missing + [name for name in stated if name.endswith("_of_folds")] if missing else []


def merged(found: Mapping[str, Any], stated: Mapping[str, Any]) -> dict[str, Any]:
    """What to state after this: what was found and, of folds without parameters, what is stated."""
    kept = without_folds(found, stated)
    keys = [key for key in dict.fromkeys([*stated, *found]) if key in found or key in kept]
    return {key: stated[key] if key in kept else found[key] for key in keys}
