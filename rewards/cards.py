"""Cards as they lie in files: JSON objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises OSError, and ValueError where the file holds something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:  # `[[[[…`
        raise ValueError("it is nested too deep") from error
    if not isinstance(found, dict):
        raise ValueError(f"expected an object, found {type(found).__name__}")
    return found
