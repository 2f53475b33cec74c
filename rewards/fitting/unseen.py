"""What a fit must not learn from: texts that it will be measured on may stand in other files too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewards.errors import ConfigError
from rewards.fitting.rows import Row, read_rows, split_of

RUN = 8  # words in a row that two texts do not share by chance


@dataclass(slots=True)
class Unseen:
    """The runs of `RUN` words of the texts in a file that are kept for measuring.

    `rows` are their numbers in it. Where the fit reads `splits` and this file is also its data, rows of this file are not
    left out: the fit holds out its own test rows. `asked` says whether anybody has asked about a row.
    """

    file: Path
    runs: frozenset[str]
    rows: frozenset[int]
    splits: bool
    asked: bool = False

    @classmethod
    def of(cls, file: Path, options: Mapping[str, Any]) -> Unseen:
        """Of the rows whose `folds` or `split` says test; where a row says neither, it is kept too.

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
        """Whether a fit must not learn from the row: a text of it shares a run of words with these, or it is one of these."""
        self.asked = True
        if row.file.resolve() == self.file.resolve():
            if self.splits:
                return False
            if row.number in self.rows:
                return True
        return not self.runs.isdisjoint(runs(row.record))


def runs(record: Mapping[str, Any]) -> set[str]:
    """Every `RUN` words in a row in its texts. Letters' case and marks do not count.

    Rows of one file share their issue, so that is no text of theirs.
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
