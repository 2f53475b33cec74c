"""Values as tables and JSON have them: what they are called, and what they were before a table changed them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson


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


class DoubledKey(ValueError):  # noqa: N818  (it says what is wrong with the text)
    """A key that stands twice in one JSON object: parsers keep the last value and say nothing."""

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
    """The key that stands twice in one object of a JSON text, of which `read` was made; None where none does.

    None does where both have as many colons, which is told in less time than it takes to parse the text.
    """
    try:
        if text.count(b":") != orjson.dumps(read).count(b":"):
            json.loads(text, object_pairs_hook=object_of)
    except DoubledKey as error:
        return error.key
    except TypeError:  # nested deeper than any record, so that it is not written again
        return None
    return None
