"""The stored outputs of the reference system, read and applied by us; skipped where the data is not at hand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from rewards.records import read_revision
from rewards.types import Revision

pytestmark = pytest.mark.shared

# Read by eye: why the reference's text after all edits differs from ours where no deletion, overlap or missing
# sentence explains it. Whole word: we replace a word, the reference the first letters that match, inside another word.
# Own output: the reference replaces inside text that an earlier edit has just inserted. Quotes: see docs/formats.md.
EXPLAINED = {
    ("base", 526): "whole word",
    ("base", 1361): "whole word",
    ("base", 1503): "own output",
    ("base", 1611): "quotes",
    ("v11", 1388): "quotes",
}


def cause(system: str, identifier: int, revision: Revision) -> str:
    """Why the reference's text may differ from ours."""
    reasons = [edit.invalid_reason or "" for edit in revision.edits]
    if (system, identifier) in EXPLAINED:
        return EXPLAINED[system, identifier]
    if any(edit.valid and not edit.after.strip() for edit in revision.edits):
        return "deletion dropped by the reference"
    if any(reason.startswith("overlaps") for reason in reasons):
        return "edits overlap"
    if any(reason.startswith("sentence id") for reason in reasons):
        return "sentence does not exist"
    return "?"


@pytest.mark.parametrize(
    ("system", "equal", "causes"),
    [
        (
            "base",
            171,
            {
                "deletion dropped by the reference": 46,
                "edits overlap": 3,
                "whole word": 2,
                "own output": 1,
                "quotes": 1,
                "sentence does not exist": 1,
            },
        ),
        ("v11", 186, {"deletion dropped by the reference": 36, "edits overlap": 2, "quotes": 1}),
    ],
)  # fmt: skip
def test_the_text_after_all_edits_is_the_references(
    shared: Path, system: str, equal: int, causes: dict[str, int]
) -> None:
    stored = {}
    for line in (shared / "reference" / f"{system}.scored.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        stored[one["post_id"]] = one["argument_after_all_edits"]
    same, different = 0, Counter[str]()
    for line in (shared / "reference" / f"{system}.generated.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        revision = read_revision(one)
        assert revision.argument == one["argument"]
        ours = revision.apply(range(len(revision.edits)))
        if "".join(ours.split()) == "".join(stored[one["post_id"]].split()):
            same += 1
        else:
            different[cause(system, one["post_id"], revision)] += 1
    assert (same, dict(different)) == (equal, causes)
