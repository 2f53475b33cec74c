"""Word boundaries, and combining marks."""

from __future__ import annotations

import unicodedata

_APOSTROPHES = str.maketrans(dict.fromkeys("\u2019\u2018`\u00b4\u02bc\u2032\uff07", "'"))


def straight(text: str) -> str:
    """The text with a plain apostrophe for each character that people write as one."""
    return text.translate(_APOSTROPHES)


def are_whole(text: str, start: int, end: int) -> bool:
    """Whether both ends of text[start:end], which must not be empty, are word boundaries.

    A word is a run of letters, digits and combining marks. An underscore is not part of a word: arguments use it for
    emphasis (_so_).
    """
    before = start == 0 or not (_in_word(text[start - 1]) and _in_word(text[start]))
    after = end == len(text) or not (_in_word(text[end - 1]) and _in_word(text[end]))
    return before and after


def marks(text: str) -> str:
    """The distinct combining marks in a text, such as separate accents and the vowel signs of Indic scripts."""
    return "" if text.isascii() else "".join(sorted(filter(_is_mark, set(text))))


def _in_word(character: str) -> bool:
    return character.isalnum() or _is_mark(character)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")
