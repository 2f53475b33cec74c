"""Write docs/cli.md from the help of every command; with `--check`, say whether it is up to date."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent / "cli.md"
COMMANDS = [
    [], ["score"], ["list"], ["show"], ["plugins"], ["suite"], ["suite", "show"], ["suite", "copy"],
    ["models"], ["models", "list"], ["models", "pull"], ["models", "verify"], ["models", "remove"],
    ["train"], ["recipe"], ["recipe", "list"], ["recipe", "show"], ["recipe", "copy"],
]  # fmt: skip


def page() -> str:
    """The whole page: the help of every command."""
    parts = ["# The command line\n\nWritten by `make fix` from `--help`; do not edit."]
    for command in COMMANDS:
        environment = {**os.environ, "COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}
        done = subprocess.run(  # noqa: S603  (our own command)
            [sys.executable, "-m", "rewards", *command, "--help"], capture_output=True, check=True, env=environment
        )
        text = done.stdout.decode().replace("python -m rewards", "rewards")
        lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
        parts.append(f"## `{' '.join(['rewards', *command])}`\n\n```\n{lines}\n```")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text(encoding="utf-8") == page() else f"{PAGE} is out of date: make fix")
    PAGE.write_text(page(), encoding="utf-8")
