"""Did the completion say its edits in a form that can be used, and in plain text?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

import rewards

MARKUP = re.compile(
    r"</?[a-zA-Z!|][^<>]*>|&(?:#\d+|#x[0-9a-fA-F]+|[a-zA-Z]{2,8});|\[/?[A-Z]{2,}\]|\*\*|__|~~|`|^#{1,6} |\]\(|\\[a-z]+\{",
    re.MULTILINE,
)
"""Tags, comments, special tokens, entities, Markdown and LaTeX."""


@rewards.reward(name="format", level="global", range=(0, 1))
def usable_share(arguments: Sequence[rewards.Argument]) -> list[float]:
    """Share of the stated edits that are valid; half of that where the completion could not be read in full.

    1 for a completion that was read in full and proposes no edits; 0 for one from which no edit could be read.
    """
    return [_share(argument.revision) for argument in arguments]


def _share(revision: rewards.Revision) -> float:
    if not revision.edits:
        return float(revision.problem is None)
    share = sum(edit.valid for edit in revision.edits) / len(revision.edits)
    return share if revision.problem is None else share / 2


@rewards.reward(level="edit", range=(0, 1), threshold=0.5)
def plain_text(edits: Sequence[rewards.Edit]) -> list[float]:
    """1 where the edit brings in nothing but plain text; 0 where it adds markup, emoji or invisible characters.

    Nor may it add letters of an alphabet that its sentence does not use: they look like others and hide words. What was
    in the sentence before may stay.
    """
    return [float(_plain(edit.sentence_before, edit.after)) for edit in edits]


def _plain(before: str, after: str) -> bool:
    if any(mark not in before for mark in MARKUP.findall(after)):
        return False
    added = {c for c in after if not c.isascii()} - set(before)
    if not added:
        return True
    alphabets = {_alphabet(c) for c in before if c.isalpha()} or {"LATIN"}
    return all(
        _alphabet(c) in alphabets
        if c.isalpha()
        else unicodedata.category(c) in ("Mn", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sc", "Zs", "Nd", "No")
        for c in added
    )


def _alphabet(letter: str) -> str:
    """The alphabet of a letter, by the first word of its name: LATIN, CYRILLIC, FULLWIDTH, MATHEMATICAL and so on."""
    return unicodedata.name(letter, "?").split(" ")[0]


@rewards.hookimpl
def register_rewards(register: Callable[[rewards.Reward], None]) -> None:
    """Register both."""
    register(usable_share)
    register(plain_text)
