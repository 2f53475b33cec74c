"""Write docs/cli.md from the help of every command and docs/rewards/ from the cards; `--check` only compares."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import cards

DOCS = Path(__file__).parent
HEAD = """# The rewards

What each reward measures, in one line. Its page adds its threshold, limits and known failures; where something was fitted or
calibrated, also the data, their licences and the results. Written by `make fix`; do not edit.

"""


def names(app: Any) -> list[list[str]]:
    """Every command of the command line, groups before their commands."""
    found: list[list[str]] = []

    def walk(command: Any, path: list[str]) -> None:
        found.append(path)
        shown = {name: inner for name, inner in getattr(command, "commands", {}).items() if not inner.hidden}
        for name, inner in shown.items():
            walk(inner, [*path, name])

    walk(app, [])
    return found


def commands() -> str:
    """The page of the command line: the help of every command."""
    from rewards.cli import build

    os.environ.update({"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"})
    app = build()
    parts = ["# The command line\n\nWritten by `make fix` from `--help`; do not edit."]
    for command in names(app):
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            app.main([*command, "--help"], prog_name="rewards", standalone_mode=False)
        lines = "\n".join(line.rstrip() for line in shown.getvalue().strip().splitlines())
        parts.append(f"## `{' '.join(['rewards', *command])}`\n\n```\n{lines}\n```")
    return "\n\n".join(parts) + "\n"


def pages() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    from rewards.plugins import registry

    found = {DOCS / "cli.md": commands()}
    own = [(r, origin) for _, r, origin in registry().rewards if origin.distribution == "appropriateness-rewards"]
    listed = [f"- [{reward.name}]({reward.name}.md): {reward.summary}" for reward, _ in own]
    found[DOCS / "rewards" / "README.md"] = HEAD + "\n".join(listed) + "\n"
    for reward, origin in own:
        found[DOCS / "rewards" / f"{reward.name}.md"] = cards.page(reward, origin.distribution)
        if (drawn := cards.plot(reward)) is not None:
            found[DOCS / "rewards" / f"{reward.name}.svg"] = drawn
    return found


if __name__ == "__main__":
    wanted = pages()
    if "--check" in sys.argv:
        stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
        sys.exit(f"out of date: {', '.join(str(path.relative_to(DOCS)) for path in stale)}: make fix" if stale else 0)
    for path, text in wanted.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
