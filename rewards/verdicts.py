"""Checks what a reward's `reads` and function return: valid requests, and a score for every unit or the reason for none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import orjson

from rewards.contract import Reward
from rewards.declaring import defined_at
from rewards.errors import PluginError
from rewards.features import Request, checked
from rewards.text.surrogates import without_surrogates
from rewards.types import FLOAT32, Score

ROUNDING = 1e-4
"""How far outside its range a value still counts as the bound: relative to a bound of magnitude above 1, else absolute."""

NUMBERS = "biufO"
"""The numpy dtype kinds that can hold numbers; `O` because an array of objects may hold numbers and None."""


class NotPerUnit(PluginError):  # noqa: N818  (it says what was returned)
    """A reward did not return one value per unit. Not tried again in smaller batches: there it might look right."""


def to_requests(declared: Reward, returned: Any) -> tuple[Request, ...]:
    """The requests that the `reads` of a reward returned for one unit.

    Raises TypeError or PluginError where they are no valid requests, are of a model that the reward does not declare, or
    are more or fewer than its function takes.
    """
    if isinstance(returned, Request):  # a single feature may come without a tuple
        returned = (returned,)
    wrong = (
        returned
        if not isinstance(returned, (tuple, list))
        else next((r for r in returned if not isinstance(r, Request)), None)
    )
    if wrong is not None:
        raise TypeError(f"`reads` must return a tuple of features, not {wrong!r:.100}{defined_at(declared.reads)}")
    requests = tuple(checked(returned, "`reads`"))
    for request in requests:
        if request.model not in declared.models:
            raise PluginError(
                f"`reads` asks for the model of role {request.model.role!r}, which `models=` of the reward does not declare"
                f"{defined_at(declared.reads)}"
            )
    least, most = declared.takes
    if not least <= len(requests) <= most:
        takes = f"{least:g}" if least == most else f"{least:g} to {most:g}"
        at = defined_at(declared.function)
        raise TypeError(
            f"`reads` returned {len(requests)} feature(s), but the function takes {takes} beside the units{at}"
        )
    return requests


def to_scores(declared: Reward, returned: Any, count: int) -> list[Score]:
    """What a reward returned, as one checked Score per unit.

    Raises NotPerUnit when it is not one value per unit. A value that is not a finite float inside the declared range,
    or with details that are not JSON, becomes a failed Score that says so: never 0, and never clipped, except that
    a value outside by no more than ROUNDING becomes the bound.
    """
    if hasattr(returned, "tolist"):  # numpy and torch
        if not _numeric(returned):
            raise NotPerUnit(f"it returned an array of {returned.dtype}; expected numbers")
        shape = tuple(getattr(returned, "shape", ()))
        if len(shape) > 1:
            raise NotPerUnit(f"it returned an array of shape {shape}; expected ({count},)")
        returned = returned.tolist()
    if isinstance(returned, (str, bytes, Mapping)) or not isinstance(returned, Sequence):
        raise NotPerUnit(f"it returned {type(returned).__name__}; it must return one value per unit")
    if len(returned) != count:
        raise NotPerUnit(f"it returned {len(returned)} values for {count} units")
    return [_to_score(declared, value) for value in returned]


def _to_score(declared: Reward, returned: Any) -> Score:
    low, high = declared.range
    if type(returned) is float and low <= returned <= high and abs(returned) <= FLOAT32:  # nearly all values
        return Score(returned)
    score = returned if isinstance(returned, Score) else Score(returned)
    if (problem := _details_problem(declared, score.details)) is not None:
        return Score(None, failed=f"{declared.name}: its details cannot be written as JSON: {problem}")
    if score.failed is not None:
        return _failed(score, _reason(declared, score.failed))
    value: Any = score.value
    if value is None:
        return score
    if not _numeric(value):
        return _failed(score, f"{declared.name}: returned {value.dtype}, not a number")
    if not isinstance(value, (int, float)):
        item = getattr(value, "item", None)
        value = item() if callable(item) else value
        if not isinstance(value, (int, float)):
            return _failed(score, f"{declared.name}: returned {type(value).__name__}, not a number")
    value = float(value)
    if not abs(value) <= FLOAT32:
        return _failed(score, f"{declared.name}: returned {value}, which is no finite number that a float32 holds")
    if not low - _slack(low) <= value <= high + _slack(high):
        return _failed(score, f"{declared.name}: returned {value}, outside its range [{low}, {high}]")
    return Score(min(max(value, low), high), details=score.details)


def _numeric(value: Any) -> bool:
    """Whether it may hold numbers. Dates and times of numpy do not: they would convert to a count of nanoseconds."""
    return getattr(getattr(value, "dtype", None), "kind", "f") in NUMBERS


def _failed(score: Score, reason: str) -> Score:
    return Score(None, failed=reason, details=score.details)


def _reason(declared: Reward, failed: Any) -> str:
    """The reason that the reward gave for its failure, or a complaint that it gave none."""
    if not isinstance(failed, str):
        return f"{declared.name}: `failed` of its Score is {failed!r:.100}; it must be the reason, as text"
    return without_surrogates(failed) or f"{declared.name}: failed, and did not say why"


def _slack(bound: float) -> float:
    """The tolerance outside a bound, for rounding (a cosine of 1.0000001); 0 where the bound is infinite."""
    return ROUNDING * max(1.0, abs(bound)) if math.isfinite(bound) else 0.0


def _details_problem(declared: Reward, details: Any) -> str | None:
    """Why these details cannot be written into an output record; None where they can."""
    if not isinstance(details, Mapping):
        return f"they are {type(details).__name__}, not a mapping"
    if not details:
        return None
    try:  # nested as in an output record: orjson has a depth limit
        record = {"edits": [{"scores": {declared.name: {"details": dict(details)}}}]}
        written = orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)
        # orjson writes NaN and infinity as null, like None.
        return next(_not_finite(details, ""), None) if b"null" in written else None
    except Exception as error:  # noqa: BLE001  (a mapping from a plugin may fail in any way)
        return str(error)


def _not_finite(value: Any, name: str) -> Iterator[str]:
    """A message for every NaN or infinity in the details, at any depth: JSON cannot represent them."""
    if hasattr(value, "tolist"):  # numpy
        value = value.tolist()
    elif is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{name!r} is {value}; it must be finite, or None"
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _not_finite(one, f"{name}.{key}" if name else key)
    elif isinstance(value, (list, tuple)):
        for index, one in enumerate(value):
            yield from _not_finite(one, f"{name}[{index}]")
