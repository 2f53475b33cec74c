"""Records scored by toy rewards, without any model, for the tests of all that reads scored files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rewards
from rewards.suite import load_suite
from tests.conftest import record, registry_of, write_lines

SUITE = """description: toys
rewards:
  keeps: {gate: true}
  polite: {weight: 1}
"""


@rewards.reward(level="edit", range=(0, 1), threshold=0.5)
def keeps(edits: Sequence[rewards.Edit]) -> list[float]:
    """1 where the edit is no deletion; fails on an edit that says so."""
    if any(edit.after == "FAIL" for edit in edits):
        raise ValueError("told to fail")
    return [float(bool(edit.after)) for edit in edits]


@rewards.reward(level="global", range=(0, 1))
def polite(arguments: Sequence[rewards.Argument]) -> list[rewards.Score]:
    """.9 without `way`, else .2; its complement is what a classifier would say."""
    return [
        rewards.Score(1 - probability(a.after), details={"before": told(a.before), "after": told(a.after)})
        for a in arguments
    ]


def probability(text: str) -> float:
    return 0.8 if "way" in text else 0.1


def told(text: str) -> dict[str, float]:
    return {"Inappropriateness": probability(text), "Toxic Emotions": 0.5}


def edit(part: str, rewritten: str, reason: str = "Toxic Emotions") -> dict[str, Any]:
    return {"sentence_id": 1, "inappropriate_part": part, "rewritten_part": rewritten, "reason": reason}


def scored(folder: Path, name: str, *records: dict[str, Any]) -> Path:
    """A scored file of these records, as `rewards score` would write it."""
    suite_file = folder / "toys.yaml"
    suite_file.write_text(SUITE, encoding="utf-8")
    suite = load_suite(suite_file, plugins=registry_of(keeps, polite))
    results = suite.score([rewards.read_revision(one) for one in records])
    return write_lines(folder / name, *(result.to_record() for result in results))


def two_systems(folder: Path) -> tuple[Path, Path]:
    """Two systems on arguments 1 to 4: the first fails on 3 and lacks 4, the second has an argument 5 of its own."""
    replaced, deleted = edit("way too", "too"), edit(", duh", "")
    one = scored(
        folder, "one.scored.jsonl",
        record(1, edits=[replaced, deleted]), record(2, edits=[deleted]), record(3, edits=[edit("duh", "FAIL")]),
    )  # fmt: skip
    other = scored(
        folder, "other.jsonl",
        record(1, edits=[replaced]), record(2, edits=[replaced]), record(3, edits=[replaced]), record(4, edits=[]),
    )  # fmt: skip
    return one, other
