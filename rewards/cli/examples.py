"""`rewards examples`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = Path(__file__).parent.parent / "examples.jsonl"


def examples(
    to: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write them, e.g. arguments.jsonl.")],
) -> None:
    """Write arguments to try things on: every accepted shape, with good, bad and invalid edits."""
    from rewards.config import write_new  # pydantic and yaml, which `rewards --help` need not pay for

    to = to / "arguments.jsonl" if to.is_dir() else to
    write_new(to, EXAMPLES.read_text(encoding="utf-8"))
    print(f"wrote {to}; score it with: rewards score {to} -o scored.jsonl")
