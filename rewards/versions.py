"""The versions of what is installed, as files state them."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable
from importlib import metadata

OWN = "appropriateness-rewards"
"""This distribution."""
NOWHERE = "(not installed)"
"""In the place of a version."""
COMPUTING = (OWN, "torch", "transformers", "tokenizers", "sentence-transformers", "numpy", "rapidfuzz", "sentencex")
"""What numbers depend on: what finds sentences, tokens and differences of words, and what computes."""


def version(name: str = OWN) -> str:
    """Of one distribution."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return NOWHERE


def versions(names: Iterable[str] = COMPUTING) -> dict[str, str]:
    """Of these distributions and of Python, by name."""
    return {**{name: version(name) for name in names}, "python": platform.python_version()}


def lacking() -> str:
    """What to do where packages that this distribution cannot do without are not installed; empty where all are."""
    try:
        needed = [one for one in metadata.requires(OWN) or () if "extra ==" not in one]
    except metadata.PackageNotFoundError:
        return ""
    names = [found[0] for one in needed if (found := re.match(r"[\w.-]+", one))]
    absent = [name for name in names if version(name) == NOWHERE]
    told = f"not installed here, though needed: {', '.join(absent)}; `pip install {OWN}` installs what is missing"
    return told if absent else ""
