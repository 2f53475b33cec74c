"""Keeps texts that a fit will be measured on out of its data: they may occur in other files too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewards.errors import ConfigError
from rewards.fitting.rows import Row, read_rows, split_of

RUN = 8  # words of an n-gram: two texts do not share such a long one by chance


@dataclass(slots=True)
class Unseen:
    """The n-grams (`runs` of `RUN` words) of a file's test rows, which are kept for measuring.

    `rows` are the line numbers of these rows. With `splits` the fit reads splits: where this file is also its data, no row
    of it is left out, because the fit holds out its own test rows. `used` tells whether `holds` was called.
    """

    file: Path
    runs: frozenset[str]
    rows: frozenset[int]
    splits: bool
    used: bool = False

    @classmethod
    def of(cls, file: Path, options: Mapping[str, Any]) -> Unseen:
        """From the rows whose `folds` or `split` says test, and from those that have neither.

        A fit whose `options` have a `fold` reads splits. Raises ConfigError where no row has a text of that many words.
        """
        fold = str(options.get("fold", "fold0.0"))
        found, rows = set[str](), set[int]()
        for row in read_rows([file]):
            stated = row.record.get("folds") or row.record.get("split")
            if not stated or split_of(row, "", fold) == "test":
                found |= runs(row.record)
                rows.add(row.number)
        if not found:
            raise ConfigError(f"--unseen {file} has no test row with a text of {RUN} words or more")
        return cls(file, frozenset(found), frozenset(rows), "fold" in options)

    def holds(self, row: Row) -> bool:
        """Whether a fit must not learn from the row: it is one of `rows`, or a text of it contains one of `runs`."""
        self.used = True
        if row.file.resolve() == self.file.resolve():
            if self.splits:
                return False
            if row.number in self.rows:
                return True
        return not self.runs.isdisjoint(runs(row.record))


def runs(record: Mapping[str, Any]) -> set[str]:
    """All n-grams of `RUN` words in the record's texts, without case and punctuation.

    The issue is left out: rows of one file share it.
    """
    found: set[str] = set()
    for text in _texts([value for name, value in record.items() if name != "issue"]):
        words = re.findall(r"\w+", text.casefold())
        found.update(" ".join(words[start : start + RUN]) for start in range(len(words) - RUN + 1))
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(list(value.values()))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
