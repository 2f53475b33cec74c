"""Recognises files that are neither JSON lines nor Parquet, for messages that say how to convert them."""

from __future__ import annotations

import re
import shlex
from itertools import count as counting
from pathlib import Path

PACKED = {
    b"PK\x03\x04": "zip, as tables of Excel are",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
"""Compression formats by magic number."""
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_SPREAD = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\[\s*\n|\{\s*\n\s*\")"
)  # the start of pretty-printed JSON, with which no record on one line starts
_ARRAY = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[")


def packed(head: bytes) -> str | None:
    """Why a stream with these first bytes cannot be read, with the remedy; None where nothing is wrong."""
    if spread := _SPREAD.match(head):
        program = "'.[]'" if b"[" in spread[0] else "."
        return f"has JSON over several lines; write one record per line, as `jq -c {program}` does"
    if head.startswith(UTF_16):
        return "is text in UTF-16; write it in UTF-8, as `iconv -f UTF-16 -t UTF-8` does"
    kind = next((kind for magic, kind in PACKED.items() if head.startswith(magic)), None)
    return kind and f"is packed ({kind}); give what is in it, as JSONL, JSONL.gz or Parquet"


def unreadable(path: Path, head: bytes) -> str | None:
    """Why a file with these first bytes is no JSON lines, with a command that converts it; None where nothing is wrong."""
    if _SPREAD.match(head) or (path.suffix.lower() == ".json" and _ARRAY.match(head)):
        array = bool(_ARRAY.match(head))
        what = "is one JSON array" if array else "has JSON over several lines"
        lines = shlex.quote(str(_unused(path.with_suffix(".jsonl"))))
        program = "'.[]'" if array else "."
        return f"{path} {what}; write one record per line: jq -c {program} {shlex.quote(str(path))} > {lines}"
    if path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv")) and head[:1] != b"{":
        return f"{path} is no JSONL; make one: {_from_table(path)}"
    return None


def folder(path: Path) -> str:
    """The message for a folder in the place of a file; for a saved dataset with the command that exports it."""
    splits = [one.name for one in sorted(path.iterdir()) if (one / "state.json").is_file()]
    if not splits and not (path / "state.json").is_file():
        return f"{path} cannot be read: it is a folder; give a file in it"
    split = f"[{splits[0]!r}]" if splits else ""
    made = str(_unused(path.with_name(f"{path.resolve().name}.parquet")))
    command = f"import datasets; datasets.load_from_disk({str(path)!r}){split}.to_parquet({made!r})"
    return f'{path} is a folder that `datasets` saved; make a file of it: python -c "{command}"'


def _from_table(path: Path) -> str:
    """The command that converts a table to JSON lines."""
    separator = ", sep='\\t'" if ".tsv" in path.suffixes[-2:] else ""
    lines = str(_unused(path.with_suffix(".jsonl")))
    read = f"pandas.read_csv({str(path)!r}{separator}).to_json({lines!r}, orient='records', lines=True)"
    return f'python -c "import pandas; {read}"'


def _unused(path: Path) -> Path:
    """The path, or the first free one of NAME-2, NAME-3 and so on: no suggested command may overwrite a file."""
    others = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in counting(2))
    return path if not path.exists() else next(one for one in others if not one.exists())
