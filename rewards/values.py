"""Values read from JSON and tables: names of their types for messages, and pandas conversions undone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson


def kind(value: Any) -> str:
    """The JSON type of a value, with its article: `a list`; a type that JSON lacks (Parquet may hold some) by its name."""
    names = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list"}
    return names.get(
        type(value), "an object" if isinstance(value, Mapping) else f"a value of type {type(value).__name__}"
    )


def listed(value: Any) -> Any:
    """A value from pandas as plain Python: a Parquet array as a list, a numpy number as Python's, NaN as None."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return None if isinstance(value, float) and value != value else value


def whole(value: Any) -> int | None:
    """The value as an integer, also from 1.0: tables make floats of a column with gaps. None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else None


class DoubledKey(ValueError):  # noqa: N818  (it says what is wrong with the text)
    """A duplicate key in a JSON object, of which parsers silently keep the last value."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the key {key[:80]!r} stands there twice")
        self.key = key


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs, for `json.loads(…, object_pairs_hook=object_of)`. Raises DoubledKey."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise DoubledKey(next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1))
    return found


def doubled_key(text: bytes, read: Any) -> str | None:
    """The first duplicate key in an object of a JSON text, or None. `read` is the text as parsed.

    Without duplicate keys and escaped colons both have equally many colons, and counting these is faster than parsing again.
    """
    try:
        escaped = b"\\u003a" in text or b"\\u003A" in text
        if escaped or text.count(b":") != orjson.dumps(read).count(b":"):
            json.loads(text, object_pairs_hook=object_of)
    except DoubledKey as error:
        return error.key
    except TypeError:  # orjson refuses such deep nesting; no record has it
        return None
    return None
