"""Where a command writes its results, checked before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rewards.errors import ConfigError
from rewards.files.reading import is_stream
from rewards.files.writing import check_folder, finished, real_file, replaced, sidecars

NOT_JSONL = (".gz", ".bz2", ".xz", ".zst", ".zip", ".parquet", ".csv", ".tsv")
"""Suffixes of kinds of files other than the JSONL that is written."""


def target_of(file: str, out: Path | None, resume: bool, append: bool = False) -> Path | None:
    """The file to write the results for FILE to: OUT, or with `append` by default FILE; None for standard output (or `-`).

    Raises ConfigError where that would overwrite FILE, cannot be resumed, or has the suffix of another format; RewardsError
    where its folder does not exist.
    """
    if out is None and append:
        out = Path(file)
    if out is None or str(out) == "-":
        if resume:
            raise ConfigError("--resume needs -o OUT, the file to continue")
        return None
    if resume and is_stream(file):
        raise ConfigError(
            f"--resume: whether {file} gives the same records again cannot be known; save them to a file and give that,"
            " or leave out --resume to start over"
        )
    out = real_file(out)
    check_folder(out)
    if out.suffix.lower() in NOT_JSONL:
        raise ConfigError(f"{out}: results are written as JSONL; give -o with a name that ends in .jsonl")
    for path in sidecars(out) if append else (out, *sidecars(out)):
        if path.exists() and Path(file).exists() and path.samefile(file):
            how = "is FILE itself, and would replace it" if path == out else f"also writes {path}, which is FILE"
            raise ConfigError(f"-o {out} {how}; give another name")
    return out


def complete(file: str, target: Path, fingerprint: Mapping[str, Any], chunk: int) -> bool | None:
    """Whether everything in the target was scored; None where it is not finished. Raises RewardsError as `finished`."""
    in_place = target.resolve() == Path(file).resolve()
    return (replaced if in_place else finished)(target, fingerprint, chunk)
