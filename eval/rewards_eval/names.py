"""The names of systems: as given, or from their files; and made safe for names of files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rewards.errors import ConfigError
from rewards.paths import as_text

LONGEST = 200  # bytes of a system's name: file systems allow 255, and suffixes are added


def choose_names(files: Sequence[str], given: Sequence[str]) -> list[str]:
    """One distinct name for each file, as given or from the file's name. Raises ConfigError where one cannot be used."""
    if given and len(given) != len(files):
        raise ConfigError(f"--name was given {len(given)} times for {len(files)} files; give one for each, in order")
    names = [as_text(name) for name in given] or [_stem(file) for file in files]
    safe = [safe_name(name) for name in names]
    for name, one in zip(names, safe, strict=True):
        if not name.strip():
            raise ConfigError(f"a system is called {name!r}; give each a name that can be seen, with --name")
        if len(one.encode()) > LONGEST:
            raise ConfigError(
                f"the name {name[:40]!r}… is too long for a part of a file's name: give one of at most {LONGEST} bytes"
                " with --name"
            )
        if safe.count(one) > 1:
            raise ConfigError(f"two systems would be called {name!r}; tell them apart with --name, one for each file")
    return names


def safe_name(name: str) -> str:
    """The name with characters replaced that may not occur in the name of a file."""
    return re.sub(r"[^\w.+-]+", "_", name).strip("._") or "system"


def _stem(file: str) -> str:
    name = as_text(Path(file).name)
    for ending in (".gz", ".parquet", ".jsonl", ".json", ".scored", ".generated"):
        name = name.removesuffix(ending)
    return name
