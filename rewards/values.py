"""Values as tables and JSON have them: what they are called, and what they were before a table changed them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def kind(value: Any) -> str:
    """What JSON calls the value, with its article: `a list`; what JSON has no word for, as Parquet may hold, by its type."""
    names = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list"}
    return names.get(
        type(value), "an object" if isinstance(value, Mapping) else f"a value of type {type(value).__name__}"
    )


def listed(value: Any) -> Any:
    """What pandas makes of a value, as it was: an array of Parquet as a list, a number of numpy as Python's, NaN as None."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return None if isinstance(value, float) and value != value else value


def whole(value: Any) -> int | None:
    """The integer that a value is, or a float (1.0), as tables make of it where others are missing; else None."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else None
