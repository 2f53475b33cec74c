"""Versions of installed packages, as result files state them."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable
from importlib import metadata

OWN = "appropriateness-rewards"
"""The name of this distribution."""
NOWHERE = "(not installed)"
"""The version that is stated for a package that is not installed."""
COMPUTING = (OWN, "torch", "transformers", "tokenizers", "sentence-transformers", "numpy", "rapidfuzz", "sentencex")
"""The packages that scores depend on: for sentences, tokens, word differences and computation."""


def version(name: str = OWN) -> str:
    """The version of one distribution; NOWHERE where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return NOWHERE


def versions(names: Iterable[str] = COMPUTING) -> dict[str, str]:
    """The versions of these distributions and of Python, by name."""
    return {**{name: version(name) for name in names}, "python": platform.python_version()}


def lacking() -> str:
    """A message that names required packages that are not installed, with the command to install them; empty without any."""
    try:
        needed = [one for one in metadata.requires(OWN) or () if "extra ==" not in one]
    except metadata.PackageNotFoundError:
        return ""
    names = [found[0] for one in needed if (found := re.match(r"[\w.-]+", one))]
    absent = [name for name in names if version(name) == NOWHERE]
    message = f"not installed here, though needed: {', '.join(absent)}; `pip install {OWN}` installs what is missing"
    return message if absent else ""
