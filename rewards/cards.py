"""Reads the files of cards: JSON objects, some of which state thresholds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rewards.paths import read_utf8
from rewards.values import object_of


def read(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises OSError, and ValueError where the file holds something else."""
    try:
        found = json.loads(read_utf8(path), object_pairs_hook=object_of)
    except RecursionError as error:  # `[[[[…`
        raise ValueError("it is nested too deep") from error
    if not isinstance(found, dict):
        raise ValueError(f"expected an object, found {type(found).__name__}")
    return found


def stated(path: Path, key: str) -> tuple[float, str]:
    """Value and source of the threshold under `key` in a card. Raises OSError, and ValueError where there is none."""
    match read(path).get(key):
        case {"value": bool(value)}:
            raise ValueError(f"its value is {value}")
        case {"value": int(value) | float(value), "source": str(source)}:
            return float(value), source
        case found:
            raise ValueError(f"found {found!r:.100}" if found is not None else "there is nothing of that name")
