"""The workloads: the reference's completions, batches as in GRPO, long arguments, a file of many duplicates."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rewards.cli.examples import EXAMPLES
from rewards.records import read_revision
from rewards.types import Revision


def files(data: Path) -> dict[str, Path]:
    """The reference's completions where they exist, else the examples of this repository, by name."""
    found = {name: data / "reference" / f"{name}.generated.jsonl" for name in ("v11", "base")}
    return found if all(path.exists() for path in found.values()) else {"examples": EXAMPLES}


def read(path: Path) -> list[Revision]:
    """Every record of a file."""
    return [read_revision(json.loads(line)) for line in path.open(encoding="utf-8")]


def every(revisions: list[Revision], count: int) -> list[Revision]:
    """`count` of them, spread over the file."""
    return revisions[:: max(1, len(revisions) // count)][:count]


def groups(systems: Iterable[list[Revision]], arguments: int, size: int) -> list[Revision]:
    """`size` completions for each of the first `arguments` arguments: random halves of what the systems propose for them."""
    return [
        revision
        for same in list(zip(*systems, strict=True))[:arguments]
        for revision in resampled(list(same), size, random.Random(f"{size} {same[0].id}"))
    ]


def resampled(proposals: list[Revision], size: int, draw: random.Random) -> list[Revision]:
    """`size` revisions of one argument, each a random half of the edits that several systems propose for it."""
    pool = [edit for revision in proposals for edit in revision.edits if edit.valid]
    found = []
    for _ in range(size):
        chosen = [stated(edit) for edit in pool if draw.random() < 0.5]
        record = {"issue": proposals[0].issue, "sentences": list(proposals[0].sentences), "edits": chosen}
        found.append(read_revision(record, format="edits"))
    return found


def long(revisions: list[Revision], count: int, times: int = 6) -> list[Revision]:
    """`count` arguments of about 800 words, each joined from `times` of the longest ones, with all their edits."""
    made = []
    ordered = sorted(revisions, key=lambda one: -len(one.argument))
    for start in range(0, count * times, times):
        parts = ordered[start : start + times]
        if len(parts) < times:
            break
        sentences: list[str] = []
        edits: list[dict[str, Any]] = []
        for part in parts:
            moved = [stated(edit) for edit in part.edits if edit.valid]
            edits += [edit | {"sentence_id": edit["sentence_id"] + len(sentences)} for edit in moved]
            sentences += part.sentences
        record = {"issue": parts[0].issue, "sentences": sentences, "edits": edits}
        made.append(read_revision(record, format="edits"))
    return made


def stated(edit: Any) -> dict[str, Any]:
    """A valid edit as a record states it."""
    return {
        "sentence_id": edit.sentence_id,
        "inappropriate_part": edit.before,
        "rewritten_part": edit.after,
        "reason": edit.reason or "Other Reasons",
        "start": edit.start,
    }


TEXT = (
    "schools should let pupils wear what they like because uniforms cost money and nobody chooses them so parents pay"
    " twice while teachers watch clothes instead of work which helps no child learn anything useful at all today"
)
WORDS = TEXT.split()


def synthetic(path: Path, edits: int, distinct: float = 0.4) -> None:
    """Write a file of `edits` edits, two in each argument of four sentences; only a share `distinct` of arguments is new.

    For comparison: in the log of a run of the recipe `small`, 38 % of the sentences that its edits request are distinct.
    """
    draw = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for record in _synthetic(draw, edits // 2, distinct):
            file.write(json.dumps(record) + "\n")


def _synthetic(draw: random.Random, records: int, distinct: float) -> Iterator[dict[str, Any]]:
    recent: list[dict[str, Any]] = []
    for number in range(records):
        if recent and draw.random() >= distinct:
            yield {**draw.choice(recent), "id": number}
            continue
        sentences = [" ".join(draw.choices(WORDS, k=draw.randint(5, 8))).capitalize() + "." for _ in range(4)]
        edits = []
        for which in draw.sample(range(4), 2):
            part = " ".join(sentences[which].split()[3:5])
            change = {"inappropriate_part": part, "rewritten_part": " ".join(draw.choices(WORDS, k=2))}
            edits.append({"sentence_id": which + 1, **change, "reason": "Other Reasons"})
        made = {
            "id": number,
            "issue": "Uniforms",
            "argument": " ".join(sentences),
            "sentences": sentences,
            "edits": edits,
        }
        recent = [*recent[-31:], made]
        yield made
