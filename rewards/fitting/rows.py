"""The rows that a fit reads: a bad one is an error that names file, line and field, because none may be skipped silently."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rewards.errors import ConfigError
from rewards.files.reading import read_lines
from rewards.fitting.sources import writer_of

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a data file, with its file and line: the columns that are not `null`, and in `raw` all of them."""

    file: Path
    number: int
    record: Mapping[str, Any]
    raw: Mapping[str, Any] = field(default_factory=dict)

    def owner(self, otherwise: str) -> str:
        """The writer of its document (column `doc`), or `otherwise` where it names none."""
        document = self.record.get("doc", "")
        return otherwise if document == "" else writer_of(str(document))

    def text(self, *names: str) -> str:
        """The text in the first of these columns that the row has. Raises ConfigError where it has none, or another type."""
        for name in names:
            if name in self.record:
                value = self.record[name]
                if not isinstance(value, str):
                    raise self.wrong(f"{name} is {type(value).__name__}; expected a text")
                return value
        raise self.wrong(f"it has no column {' or '.join(names)}; it has {', '.join(map(str, self.record))}")

    def texts(self, name: str) -> list[str]:
        """The list of texts in this column. Raises ConfigError where it holds anything else."""
        found = self.record.get(name)
        if not (isinstance(found, list) and all(isinstance(one, str) for one in found)):
            raise self.wrong(f"{name}: expected a list of texts")
        return found

    def wrong(self, reason: str) -> ConfigError:
        """The error for this row."""
        return ConfigError(f"{self.file}, line {self.number}: {reason}")


def read_rows(files: Sequence[Path]) -> Iterator[Row]:
    """Every row of JSONL, JSONL.gz or Parquet files. Raises ConfigError at the first line that is not a JSON object."""
    for file in files:
        empty = True
        for line in read_lines(str(file)):
            empty = False
            if line.error:
                raise ConfigError(f"{file}, line {line.number}: {line.error}")
            if not isinstance(line.record, Mapping):
                raise ConfigError(f"{file}, line {line.number}: expected an object, found {type(line.record).__name__}")
            yield Row(file, line.number, _stated(line.record), line.record)
        if empty:
            raise ConfigError(f"{file} holds no rows")


def _stated(value: Any) -> Any:
    """The value without columns that are null, also in nested objects: in Parquet every row has every column."""
    if isinstance(value, Mapping):
        return {name: _stated(one) for name, one in value.items() if one is not None}
    return [_stated(one) for one in value] if isinstance(value, list) else value


def revised(row: Row, left_out: Counter[str], words: int = 1) -> tuple[str, str] | None:
    """A sentence before and after a revision, both of at least `words` words; else None, and the reason is counted.

    `left_out` counts the reasons. Raises ConfigError where the row has neither column.
    """
    if "before" not in row.record and "after" not in row.record:
        raise row.wrong(f"expected columns before and after; it has {', '.join(map(str, row.record))}")
    before, after = (row.text(name) if name in row.record else "" for name in ("before", "after"))
    if not before.strip() or not after.strip():
        left_out["with nothing before or after"] += 1
    elif before == after:
        left_out["unchanged"] += 1
    elif min(len(before.split()), len(after.split())) < words:
        left_out[f"of fewer than {words} words"] += 1
    else:
        return before, after
    return None


def text_beside(row: Row) -> str | None:
    """The text of a row with a column `text` and no revision (`before`, `after`); None for other rows."""
    return row.text("text") if "text" in row.record and not {"before", "after"} & row.record.keys() else None


def say_left_out(say: Callable[[str], None], left_out: Counter[str]) -> None:
    """Report in one line how many rows a fit leaves out, and why; nothing where it takes all."""
    if left_out:
        say(f"rows left out: {', '.join(f'{count:,} {why}' for why, count in left_out.items())}")


def split_of(row: Row, key: str, fold: str) -> Split:
    """The part a row belongs to: its column `folds` at `fold`, its column `split`, or by the SHA-256 of `key` (70/10/20 %).

    The digest puts rows with the same key into the same part: the key should be the document that several rows come from.
    """
    stated = row.record.get("split")
    folds = row.record.get("folds")
    if folds is not None:
        if not isinstance(folds, Mapping):
            raise row.wrong(f"folds is {folds!r:.100}; expected an object such as {{{fold!r}: 'TRAIN'}}")
        if fold not in folds:
            raise row.wrong(f"folds has no {fold!r}; it has {', '.join(map(str, folds))}")
        stated = folds[fold]
    if stated is None:
        bucket = hashlib.sha256(key.encode()).digest()[0] % 10
        return "train" if bucket < 7 else "valid" if bucket < 8 else "test"
    for name in SPLITS:
        if str(stated).lower() in (name, {"valid": "validation"}.get(name)):
            return name
    raise row.wrong(f"split is {stated!r:.100}; expected train, valid or test")


def need(count: int, least: int, what: str) -> None:
    """Raise ConfigError where `count`, of what a fit learns from or measures on, is less than `least`."""
    if count < least:
        raise ConfigError(f"too few {what}: {count}; at least {least} are needed")
