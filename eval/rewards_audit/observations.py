"""Reads a scored file or a training log into columns of numbers, one row for each completion; texts are not kept."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from rewards import scored
from rewards.errors import ConfigError, RecordError
from rewards.files.reading import HEADER, header_path, is_stream, read_header, read_lines
from rewards.files.reward_log import AUDITED, SUITE, Row
from rewards.scored import STRANGE
from rewards.summary import count_reason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOTAL, EDITS, ACCEPTED, LENGTH, KEPT = "total", "edits", "accepted edits", "length after / before", "left as it was"
BEHAVIOUR = (EDITS, ACCEPTED, LENGTH, KEPT)
"""What is measured of every completion besides its rewards; the length in words, `left as it was` is 1 or 0."""
FILES = "a file that `rewards score` wrote (JSONL), or the training log of `rewards train` (Parquet)"


@dataclass
class Observations:
    """A file as columns of equal length (NaN where there is no number), in its order.

    `group` is the same number for all completions of one input (in a log: at one step); `step` is None for a scored file.
    `settings` holds the suite's settings of each reward; None where they are unknown.
    """

    source: str
    step: NDArray[np.int64] | None
    group: NDArray[np.int64]
    inputs: tuple[str, ...]  # the id of each row's input
    columns: dict[str, NDArray[np.float64]]
    settings: Mapping[str, Mapping[str, Any]] | None
    failed: int
    failures: Counter[str]
    unread: int

    @property
    def rewards(self) -> tuple[str, ...]:
        """The names of the rewards."""
        return tuple(name for name in self.columns if name != TOTAL and name not in BEHAVIOUR)

    @property
    def paid(self) -> dict[str, float]:
        """The weights of the rewards that are paid."""
        return {
            n: float(s["weight"]) for n, s in (self.settings or {}).items() if s.get("weight") and n in self.columns
        }

    @property
    def held_out(self) -> tuple[str, ...]:
        """The rewards that are measured, and neither paid nor gates."""
        known = self.settings or {}
        return tuple(n for n in self.rewards if n in known and not known[n].get("weight") and not known[n].get("gate"))

    def dependence(self) -> list[str]:
        """A sentence for every held-out reward that reads a model of a paid one or a gate, as far as they are installed."""
        from rewards.plugins import registry

        roles = {name: {model.role for model in reward.models} for name, reward, _ in registry().rewards}
        known = self.settings or {}
        deciding = [name for name, stated in known.items() if stated.get("weight") or stated.get("gate")]
        found = []
        for name in self.held_out:
            akin = [other for other in deciding if roles.get(name, set()) & roles.get(other, set())]
            if akin:
                same = f"the held-out {name} reads the same model as {', '.join(akin)}"
                found.append(f"{same}: that it agrees with the total says little")
        return found

    def sign(self, name: str) -> int:
        """1, or -1 for a reward where lower is better."""
        return 1 if (self.settings or {}).get(name, {}).get("higher_is_better", True) else -1


def observe(path: Path) -> Observations:
    """The observations in the file. Raises ConfigError for a kind of file that cannot be audited."""
    if path.is_dir():
        raise ConfigError(
            f"{path} is a folder; give a file in it, such as {path / 'rewards.parquet'} of a training run"
        )
    if not path.is_file():
        what = "is read more than once, so it cannot be a pipe" if is_stream(str(path)) else "no such file"
        raise ConfigError(f"{path}: {what}; give {FILES}")
    with path.open("rb") as file:
        magic = file.read(4)
    return _log(path) if magic == b"PAR1" else _scored(path)


@dataclass
class _Collector:
    values: dict[str, array[float]] = field(default_factory=dict)
    steps: array[int] = field(default_factory=lambda: array("q"))
    groups: array[int] = field(default_factory=lambda: array("q"))
    inputs: list[str] = field(default_factory=list)
    known: dict[Any, int] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    failed: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    unread: int = 0

    def add(self, identifier: Any, group: Any, numbers: Mapping[str, float | None], failure: str | None) -> None:
        """Add one row."""
        count = len(self.inputs)
        for name, value in numbers.items():
            if name not in self.values:
                self.values[name] = array("d", [float("nan")]) * count
            self.values[name].append(float("nan") if value is None else float(value))
        for column in self.values.values():
            if len(column) == count:
                column.append(float("nan"))
        text = str(identifier)
        self.inputs.append(self.texts.setdefault(text, text))  # one copy of each id
        self.groups.append(self.known.setdefault(group, len(self.known)))
        if failure is not None:
            self.failed += 1
            count_reason(self.failures, failure[:200])

    def finish(self, path: Path, settings: Mapping[str, Any] | None) -> Observations:
        """The columns as arrays. Raises ConfigError where there are no rows."""
        import numpy as np

        if not self.inputs:
            raise ConfigError(f"{path} holds no records")
        return Observations(
            str(path),
            np.asarray(self.steps, np.int64) if len(self.steps) else None,
            np.asarray(self.groups, np.int64),
            tuple(self.inputs),
            {name: np.asarray(column, np.float64) for name, column in self.values.items()},
            settings,
            self.failed,
            self.failures,
            self.unread,
        )


def _scored(path: Path) -> Observations:
    collected = _Collector()
    bad = None
    for line in read_lines(str(path), written=True):
        record = line.record
        problem = line.error or _unlike(record)
        if problem is not None:
            bad = bad or f"line {line.number}: {problem}"
            collected.unread += 1
            continue
        before, after = record["argument"], record["argument_after_accepted"]
        numbers = {
            TOTAL: record["reward"],
            **record["rewards"],
            EDITS: len(record["edits"]),
            ACCEPTED: sum(edit.get("accepted") is True for edit in record["edits"]),
            LENGTH: len(after.split()) / max(1, len(before.split())),
            KEPT: before == after,
        }
        failure = (record.get("error") or "failed") if record["status"] != "scored" else None
        identifier = record["id"]
        collected.add(identifier, record.get("group", identifier), numbers, failure)
    if bad and not collected.inputs:
        raise ConfigError(f"{path}, {bad}; no line of it is a record: give {FILES}")
    return collected.finish(path, _header(path))


def _unlike(record: Any) -> RecordError | None:
    """The error that shows that this is no record of a scored file; None where it is one."""
    try:
        scored.check(record)
    except RecordError as error:
        return error
    for i, edit in enumerate(record["edits"]):
        if not isinstance(edit, Mapping):
            return RecordError(STRANGE, f"edits[{i}]")
    if isinstance(record.get("group"), list | dict):
        return RecordError("is neither a number nor a text", "group")
    return None


def _header(path: Path) -> dict[str, Any] | None:
    """The rewards in the header beside a scored file; None without a header."""
    header = read_header(path)
    if header is None:
        return None
    if "rewards" not in header:
        raise ConfigError(f"{header_path(path)} does not say how {path.name} was made: it lacks `rewards`")
    return dict(header["rewards"])


def _log(path: Path) -> Observations:
    from pyarrow import ArrowException, parquet

    collected = _Collector()
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            missing = [name for name in AUDITED if name not in schema.names]
            stored = (schema.metadata or {}).get(SUITE.encode())
            if missing or stored is None:
                lacks = f"lacks the columns {', '.join(missing)}" if missing else f"does not name its suite ({SUITE})"
                raise ConfigError(f"{path} {lacks}, so it is no training log; give {FILES}")
            for batch in file.iter_batches(batch_size=4096, columns=list(AUDITED)):
                for row in batch.to_pylist():
                    _log_row(row, collected)
    except (ArrowException, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as Parquet: {error}") from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        where = f"{path}, row {len(collected.inputs) + collected.unread + 1}"
        raise ConfigError(f"{where}: a column is of another type than `rewards train` writes: {error}") from error
    try:
        suite = json.loads(stored)["rewards"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: its metadata {SUITE} cannot be read: {error}") from error
    return collected.finish(path, _settings(suite, path))


def _log_row(row: Row, collected: _Collector) -> None:
    step, identifier = row["step"], row["id"]
    if step is None or identifier is None:
        collected.unread += 1
        return
    before, after = row["words_before"] or 0, row["words_after"] or 0
    edited = row["failure"] is None
    numbers = {
        TOTAL: row["reward"],
        **dict(_pairs(row["rewards"])),
        EDITS: row["edits"] if edited else None,
        ACCEPTED: row["accepted"] if edited else None,
        LENGTH: after / max(1, before) if edited else None,
        KEPT: float(not row["accepted"]) if edited else None,
    }
    collected.steps.append(step)
    collected.add(identifier, (step, identifier), numbers, row["failure"])


def _pairs(rewards: Any) -> Iterator[tuple[str, float | None]]:
    """The rewards of a row, which Parquet holds as a struct or as a map."""
    yield from rewards.items() if isinstance(rewards, Mapping) else rewards or ()


def _settings(rewards: Any, where: Path) -> dict[str, Any]:
    """A log's statement of its rewards, in the form of `read_header`. Raises ConfigError where it cannot be read."""
    if not isinstance(rewards, Mapping) or not all(isinstance(value, Mapping) for value in rewards.values()):
        raise ConfigError(f"{where}: what it says of its rewards cannot be read")
    for name, value in rewards.items():
        for key, kind in HEADER["rewards"].items():
            if not isinstance(value.get(key), (kind, NoneType)):
                raise ConfigError(f"{where}: what it says of its rewards cannot be read: {key} of {name}")
    return dict(rewards)
