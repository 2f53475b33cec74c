"""The formats in which completions state their edits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rewards.formats import compact, json_edits, rewrite, tracked_changes
from rewards.hookspecs import hookimpl
from rewards.types import Parsed


@dataclass(frozen=True, slots=True)
class Format:
    """A way of stating edits. `parse` reads any completion and never raises; `detect` cheaply tells if it is one."""

    name: str
    description: str
    parse: Callable[[str, Sequence[str]], Parsed]
    detect: Callable[[str], bool]


REWRITE = Format(rewrite.NAME, "plain rewritten text; the edits come from a word diff", rewrite.parse, rewrite.detect)
BUILTIN: tuple[Format, ...] = (
    Format(
        tracked_changes.NAME,
        'JSON, for every sentence its text with `<del reason="…">old</del><ins>new</ins>`',
        tracked_changes.parse,
        tracked_changes.detect,
    ),
    Format(
        json_edits.NAME,
        "JSON, for every sentence a list of parts, replacements and reasons",
        json_edits.parse,
        json_edits.detect,
    ),
    Format(compact.NAME, "one line for every change: `number | old words | new words`", compact.parse, compact.detect),
    REWRITE,
)


def detect(completion: str, formats: Sequence[Format] = BUILTIN) -> Format:
    """The first format that recognises the completion; a rewrite, which every text can be, where no other does."""
    others = (candidate for candidate in formats if candidate.name != REWRITE.name)
    return next((candidate for candidate in others if candidate.detect(completion)), REWRITE)


@hookimpl
def register_formats(register: Callable[[Format], None]) -> None:
    """Register the formats that come with the core."""
    for builtin in BUILTIN:
        register(builtin)
