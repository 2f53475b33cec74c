"""The formats in which completions state their edits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rewards.formats import compact, json_edits, rewrite, tracked_changes
from rewards.hookspecs import hookimpl
from rewards.types import Parsed


@dataclass(frozen=True, slots=True)
class Format:
    """A way of stating edits. `parse` reads any completion and never raises; `detect` cheaply tells if it is one.

    `rank` settles which format is asked first, the most specific (lowest) before others: a format that is added takes
    no completion from those of the core unless it says so. `prompt` asks a model for it (`rewards.prompts`): in it
    `{issue}`, and `{sentences}` or `{argument}`, stand for the text; without one the format can be read only.
    """

    name: str
    description: str
    parse: Callable[[str, Sequence[str]], Parsed]
    detect: Callable[[str], bool]
    rank: int = 50
    prompt: str = ""


REWRITE = Format(
    rewrite.NAME,
    "plain rewritten text; the edits come from a word diff",
    rewrite.parse,
    rewrite.detect,
    prompt=rewrite.PROMPT,
)
BUILTIN: tuple[Format, ...] = (
    Format(
        tracked_changes.NAME,
        'JSON, for every sentence its text with `<del reason="…">old</del><ins>new</ins>`',
        tracked_changes.parse,
        tracked_changes.detect,
        rank=10,
        prompt=tracked_changes.PROMPT,
    ),
    Format(
        json_edits.NAME,
        "JSON, for every sentence a list of parts, replacements and reasons",
        json_edits.parse,
        json_edits.detect,
        rank=20,
        prompt=json_edits.PROMPT,
    ),
    Format(
        compact.NAME,
        "one line for every change: `number | old words | new words`",
        compact.parse,
        compact.detect,
        rank=30,
        prompt=compact.PROMPT,
    ),
    REWRITE,
)


def detect(completion: str, formats: Sequence[Format] = BUILTIN) -> Format:
    """The format that recognises the completion, in whatever order the formats come: of several, that of the lowest rank.

    A rewrite, which every text can be, is taken where no other does.
    """
    others = sorted((candidate for candidate in formats if candidate.name != REWRITE.name), key=_precedence)
    return next((candidate for candidate in others if candidate.detect(completion)), REWRITE)


def _precedence(candidate: Format) -> tuple[int, str]:
    return candidate.rank, candidate.name


@hookimpl
def register_formats(register: Callable[[Format], None]) -> None:
    """Register the formats that come with the core."""
    for builtin in BUILTIN:
        register(builtin)
