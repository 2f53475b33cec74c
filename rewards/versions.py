"""The versions of what is installed, as files state them."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib import metadata

OWN = "appropriateness-rewards"
"""This distribution."""
COMPUTING = (OWN, "torch", "transformers", "sentence-transformers", "numpy")


def version(name: str = OWN) -> str:
    """Of one distribution."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(not installed)"


def versions(names: Iterable[str] = COMPUTING) -> dict[str, str]:
    """Of these distributions and of Python, by name."""
    return {**{name: version(name) for name in names}, "python": platform.python_version()}
