"""The formats in which completions state their edits."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rewards.errors import PluginError
from rewards.formats import compact, json_edits, rewrite, tracked_changes
from rewards.hookspecs import hookimpl
from rewards.types import Parsed

log = logging.getLogger("rewards.formats")
EDITS = "edits"
"""The pseudo-format of records that carry their edits as a list; no format can have this name."""


@dataclass(frozen=True, slots=True)
class Format:
    """A way of stating edits. `parse` reads any completion and never raises; `detect` cheaply tells if it is one.

    `rank` orders the calls of `detect`: the lowest rank, the most specific format, comes first. By default a new format
    comes last and only gets completions that would otherwise be read as a rewrite. `prompt` asks a model for the format
    (`rewards.prompts`); its placeholders are `{issue}` and at least one of `{sentences}` and `{argument}`. Without a
    prompt the format can only be read. `reasons` says whether every edit must state a reason, `partial` whether a
    truncated answer can be read: in a rewrite, the missing text would look like deletions. Raises PluginError where a
    field has the wrong type.
    """

    name: str
    description: str
    parse: Callable[[str, Sequence[str]], Parsed]
    detect: Callable[[str], bool]
    rank: int = 50
    prompt: str = ""
    reasons: bool = True
    partial: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise PluginError(f"a format's name is {self.name!r:.100}; it must be a Python identifier")
        if self.name == EDITS:
            raise PluginError(f"format {EDITS!r}: that name stands for a record's own list of edits; give it another")
        for field, (fits, kind) in _FIELDS.items():
            if not fits(value := getattr(self, field)):
                raise PluginError(f"format {self.name!r}: {field} is {value!r:.100}; it must be {kind}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "description": (_is_text, "text"),
    "parse": (callable, "a function of a completion and its sentences"),
    "detect": (callable, "a function of a completion"),
    "rank": (_is_number, "a whole number"),
    "prompt": (_is_text, "text"),
    "reasons": (_is_flag, "True or False"),
    "partial": (_is_flag, "True or False"),
}


REWRITE = Format(
    rewrite.NAME,
    "plain rewritten text; the edits come from a word diff",
    rewrite.parse,
    rewrite.detect,
    prompt=rewrite.PROMPT,
    reasons=False,
    partial=False,
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
        reasons=False,
    ),
    REWRITE,
)


def detect(completion: str, formats: Sequence[Format] = BUILTIN) -> Format:
    """The format that recognises the completion; of several, the one of the lowest rank, whatever the order of `formats`.

    The fallback is a rewrite, which any text can be. A format whose `detect` raises does not recognise the completion.
    """
    others = sorted((candidate for candidate in formats if candidate.name != REWRITE.name), key=_precedence)
    return next((candidate for candidate in others if _detects(candidate, completion)), REWRITE)


def _detects(candidate: Format, completion: str) -> bool:
    try:
        return bool(candidate.detect(completion))
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  (a plugin may fail in any way; the other formats are tried all the same)
        _tell_once(candidate.name, str(getattr(candidate.detect, "__module__", "")))
        return False


@functools.cache
def _tell_once(name: str, module: str) -> None:
    """Log the exception that is being handled, the first time that this format raises."""
    where = f" of module {module}" if module else ""
    log.error("format %r%s: `detect` raised; where it does, that counts as no", name, where, exc_info=True)


def _precedence(candidate: Format) -> tuple[int, str]:
    return candidate.rank, candidate.name


@hookimpl
def register_formats(register: Callable[[Format], None]) -> None:
    """Register the formats that come with the core."""
    for builtin in BUILTIN:
        register(builtin)
