"""The reward log of a run, in parts that end at checkpoints: a resumed run has neither gaps nor repeated rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rewards.files.replacing import replacing
from rewards.files.reward_log import Row, schema
from rewards.suite import Suite
from rewards_train.adapter import Pass
from rewards_train.metrics import completions, means

NAMES = {"train": "rewards.parquet", "eval": "evaluation.parquet"}
_PART = re.compile(r"(train|eval)-(\d{8})-(\d{4})\.parquet")


class RewardLog:
    """Collects the rows that one of several processes scores.

    `groups` is the number of successive completions of one prompt, per split; `held_out` the number of completions of an
    evaluation. Where processes cannot share its last batch evenly, that is filled up with the first completions: those are
    left out.
    """

    def __init__(
        self, folder: Path, suite: Suite, groups: dict[str, int], held_out: int = 0, rank: int = 0, processes: int = 1
    ) -> None:
        self._folder, self._suite, self._groups = folder, suite, groups
        self._held_out, self._rank, self._processes = held_out, rank, processes
        self._rows: dict[str, list[tuple[tuple[int, int, int], Row]]] = {"train": [], "eval": []}
        self._evaluated: list[dict[str, float | None]] = []
        self._batch = self._seen = 0

    def observe(self, done: Pass) -> None:
        """Keep the rows of a pass until `flush`."""
        split = str(done.rows[0].record.get("split", "train")) if done.rows else "train"
        self._batch += 1
        size = len(done.rows)
        offset = self._rank * size
        if split == "eval":
            size = max(0, min(size, self._held_out - self._seen - offset))
            self._seen += self._processes * len(done.rows)
            self._evaluated += completions(done, self._suite)[:size]
        for index in range(size):
            row = record(done, index, (offset + index) % self._groups[split])
            self._rows[split].append(((done.step, self._batch, offset + index), row))

    def evaluated(self) -> list[dict[str, float | None]]:
        """The rows for the means of the evaluation that now ends, from this process; empties them."""
        found, self._evaluated, self._seen = self._evaluated, [], 0
        return found

    def flush(self, step: int) -> None:
        """Write the rows since the last call as the part that ends with this step."""
        from pyarrow import Table, parquet

        self._folder.mkdir(parents=True, exist_ok=True)
        columns = schema([component.name for component in self._suite.components], self._suite.describe())
        for split, rows in self._rows.items():
            if rows:
                name = f"{split}-{step:08d}-{self._rank:04d}.parquet"
                table = Table.from_pylist([dict(row) for _, row in rows], schema=columns)
                table = table.append_column("order", [[json.dumps(order) for order, _ in rows]])
                with replacing(self._folder / name) as file:
                    parquet.write_table(table, file)
                rows.clear()


def keep_means(trainer: Any, rows: RewardLog) -> None:
    """Make a trainer log the means over all held-out completions of an evaluation, each counted once.

    TRL's own are means of the batches' means, although the last batch is shorter, or filled up.
    """
    from accelerate.utils import gather_object

    log = trainer.log

    def with_means(logs: dict[str, float], start_time: float | None = None) -> None:
        if not trainer.model.training:
            found = means(gather_object(rows.evaluated()))
            trainer._metrics["eval"].update({name: [value] for name, value in found.items()})
        log(logs, start_time)

    trainer.log = with_means


def record(done: Pass, index: int, sample: int) -> Row:
    """One row of the log."""
    row, result, reason = done.rows[index], done.results[index], done.dropped[index]
    edits = result.revision.edits if result is not None else ()
    return {
        "step": done.step,
        "id": str(row.record.get("id", "")),
        "sample": sample,
        "issue": row.record.get("issue") or "",
        "argument": result.revision.argument if result is not None else row.record.get("argument") or "",
        "completion": row.completion.encode("utf-8", "replace").decode(),
        "reward": result.reward if result is not None and reason is None else None,
        "rewards": dict(result.rewards) if result is not None else {},
        "failure": reason,
        "edits": len(edits),
        "valid": sum(edit.valid for edit in edits),
        "accepted": len(result.accepted) if result is not None else 0,
        "words_before": len(result.revision.argument.split()) if result is not None else 0,
        "words_after": len(result.after_accepted.split()) if result is not None else 0,
    }


def discard(folder: Path, beyond: int) -> None:
    """Remove the parts after step `beyond`: a run that resumes there makes these steps again."""
    for path, _, step in _parts(folder):
        if step > beyond:
            path.unlink()
    for path in folder.glob("*.partial"):
        path.unlink()


def merge(folder: Path, out: Path) -> dict[str, int]:
    """Merge the parts into `rewards.parquet` and `evaluation.parquet`; returns the number of rows per split."""
    import pyarrow as pa
    from pyarrow import parquet

    counts = {}
    for split, name in NAMES.items():
        steps: dict[int, list[Path]] = {}
        for path, kind, step in _parts(folder):
            if kind == split:
                steps.setdefault(step, []).append(path)
        if not steps:
            continue
        with replacing(out / name) as file:
            writer, counts[split] = None, 0
            for paths in steps.values():
                table = pa.concat_tables([parquet.read_table(path) for path in paths])
                order = [tuple(json.loads(text)) for text in table.column("order").to_pylist()]
                table = table.take(sorted(range(len(order)), key=order.__getitem__)).drop_columns(["order"])
                writer = writer or parquet.ParquetWriter(file, table.schema)
                writer.write_table(table)
                counts[split] += table.num_rows
            if writer is not None:
                writer.close()
    return counts


def _parts(folder: Path) -> Iterable[tuple[Path, str, int]]:
    """Every part with its split and step, sorted by name."""
    found = [(path, _PART.fullmatch(path.name)) for path in folder.glob("*.parquet")]
    return sorted((path, match[1], int(match[2])) for path, match in found if match)
