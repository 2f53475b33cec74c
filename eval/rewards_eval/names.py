"""What systems are called: as given, or as their files, and as parts of files' names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rewards.errors import ConfigError
from rewards.paths import as_text

LONGEST = 200  # bytes of a system's name; file systems take 255, of which endings take some


def choose_names(files: Sequence[str], given: Sequence[str]) -> list[str]:
    """One distinct name for each file: those given, or the files' own without their endings."""
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
    """The name as part of a file's name: a system may be called anything."""
    return re.sub(r"[^\w.+-]+", "_", name).strip("._") or "system"


def _stem(file: str) -> str:
    name = as_text(Path(file).name)
    for ending in (".gz", ".parquet", ".jsonl", ".json", ".scored", ".generated"):
        name = name.removesuffix(ending)
    return name
