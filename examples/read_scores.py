"""Print the best and the worst arguments of the scored file named on the command line, edit by edit."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any


def plain(text: object) -> str:
    """The text without control characters: arguments come from strangers, and a terminal obeys escape sequences."""
    return "".join(character if character.isprintable() else " " for character in str(text))


def show(record: dict[str, Any]) -> None:
    """Print one record: what was proposed, what was accepted and why not, and the text that results."""
    print(f"\n{plain(record['id'])}  reward {record['reward']:.3f}  —  {plain(record['issue'])}")
    for edit in record["edits"]:
        mark = "accepted" if edit["accepted"] else "rejected" if edit["valid"] else "invalid "
        sentence = next(
            (one for one in record["sentences"] if one["sentence_id"] == edit["sentence_id"]), {"scores": {}}
        )
        scores = {**sentence["scores"], **edit["scores"]}  # a gate judges an edit, or its sentence as a whole
        scores |= {f"{name} together": score for name, score in sentence.get("together", {}).items()}  # several as one
        failed = [
            f"{name} {value_of(scores[name])}" if name in scores else name for name in edit.get("failed_gates", [])
        ]
        why = edit["invalid_reason"] or ", ".join(failed)
        print(f"  {mark}  {edit['before']!r} -> {edit['after']!r}" + (f"   ({why})" if why else ""))
    print(textwrap.fill(plain(record["argument_after_accepted"]), 100, initial_indent="  = ", subsequent_indent="    "))


def value_of(score: dict[str, Any]) -> str:
    """The number, if there is one: a gate passes on evidence only."""
    return "says nothing" if score["value"] is None else f"{score['value']:.2f}"


def main() -> None:
    """Show the three best and the two worst records of the file named on the command line."""
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").split("\n")  # not splitlines: texts may hold U+2028
    records = [record for record in map(json.loads, filter(None, lines)) if record["reward"] is not None]
    records.sort(key=lambda record: -record["reward"])
    for record in records[:3] + records[-2:]:
        show(record)


if __name__ == "__main__":
    main()
