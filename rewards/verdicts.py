"""What a reward returned, checked at the boundary: a score for every unit, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from rewards.contract import Reward
from rewards.errors import PluginError
from rewards.types import Score

ROUNDING = 1e-4
"""How far outside a bound of its range (times the bound, where that is above 1) a value still counts as the bound."""


def to_scores(declared: Reward, returned: Any, count: int) -> list[Score]:
    """What a reward returned, as one checked Score per unit.

    Raises PluginError when it is not one value per unit. A value that is not a finite float inside the declared range,
    or with details that are not JSON, becomes a failed Score that says so: never 0, and never clipped, save that what
    rounding puts outside (ROUNDING) counts as the bound.
    """
    if hasattr(returned, "tolist"):  # numpy and torch
        returned = returned.tolist()
    if isinstance(returned, (str, bytes, Mapping)) or not isinstance(returned, Sequence):
        raise PluginError(
            f"reward {declared.name!r} returned {type(returned).__name__}; it must return one value per unit"
        )
    if len(returned) != count:
        raise PluginError(f"reward {declared.name!r} returned {len(returned)} values for {count} units")
    return [_to_score(declared, value) for value in returned]


def _to_score(declared: Reward, returned: Any) -> Score:
    low, high = declared.range
    if type(returned) is float and low <= returned <= high and math.isfinite(returned):  # nearly all of them
        return Score(returned)
    score = returned if isinstance(returned, Score) else Score(returned)
    if (problem := _details_problem(declared, score.details)) is not None:
        return Score(None, f"{declared.name}: its details cannot be written as JSON: {problem}")
    if score.failed is not None:
        return Score(None, str(score.failed) or f"{declared.name}: failed, and did not say why", score.details)
    value = score.value
    if value is None:
        return score
    if not isinstance(value, (int, float)):
        item = getattr(value, "item", None)
        value = item() if callable(item) else value
        if not isinstance(value, (int, float)):
            return Score(None, f"{declared.name}: returned {type(value).__name__}, not a number", score.details)
    value = float(value)
    if not math.isfinite(value):
        return Score(None, f"{declared.name}: returned {value}", score.details)
    if not low - _slack(low) <= value <= high + _slack(high):
        return Score(None, f"{declared.name}: returned {value}, outside its range [{low}, {high}]", score.details)
    return Score(min(max(value, low), high), None, score.details)


def _slack(bound: float) -> float:
    """A hair outside the bound is rounding (a cosine of 1.0000001); anything more breaks the declaration."""
    return ROUNDING * max(1.0, abs(bound)) if math.isfinite(bound) else 0.0


def _details_problem(declared: Reward, details: Any) -> str | None:
    """Why these details cannot stand in an output record, None where they can."""
    if not isinstance(details, Mapping):
        return f"they are {type(details).__name__}, not a mapping"
    if not details:
        return None
    try:  # as deep as they lie in a record
        record = {"edits": [{"scores": {declared.name: {"details": dict(details)}}}]}
        orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)
    except Exception as error:  # noqa: BLE001  (a mapping of a stranger may fail in any way)
        return str(error)
    return None
