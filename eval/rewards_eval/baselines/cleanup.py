"""A rule-based baseline: cleans up case, punctuation, repetition and spacing, and replaces no word."""

from __future__ import annotations

import re

_STRETCHED = re.compile(r"([a-zA-Z])\1{2,}")  # soooo
_SHOUTED = re.compile(r"\b[A-Z]{2,}(?:'[A-Z]+)?\b")
_REPEATED_WORD = re.compile(r"\b(\w+)(?:\s+\1\b)+", re.IGNORECASE)
_DOTS = re.compile(r"\.{2,}|…")
_MARKS = re.compile(r"[!?]{2,}")
_SPACE_BEFORE = re.compile(r"(?<![ \t])[ \t]+([,.;:!?])(?=\s|$)")
_NO_SPACE_AFTER = re.compile(r"(?<=[a-z])([,;!])(?=[A-Za-z])")
_FIRST_LETTER = re.compile(r"(^|[.!?]\s+|\n[^\S\n]*)([a-z])")
_LONE_I = re.compile(r"\bi\b(?=[\s',.;:!?]|$)")
_SHOUTING = 4  # letters: a shorter word in capitals is as likely an abbreviation
_MOST = 0.6  # a text with a larger share of capital letters counts as shouting throughout


def clean_up(text: str) -> str:
    """The text with shouting lowered, stretched letters, repeated words and marks reduced, sentences capitalised.

    Spacing around punctuation is corrected too, and exclamation marks become full stops. Tone and reasons stay: any
    gain is one of orthography alone.
    """
    text = _lower_shouting(text)
    text = _STRETCHED.sub(r"\1\1", text)
    text = _REPEATED_WORD.sub(r"\1", text)
    text = _DOTS.sub(".", text)
    text = _MARKS.sub(lambda match: "?" if "?" in match[0] else "!", text)
    text = _SPACE_BEFORE.sub(r"\1", text)
    text = _NO_SPACE_AFTER.sub(r"\1 ", text)
    text = text.replace("!", ".")
    text = _LONE_I.sub("I", text)
    return _FIRST_LETTER.sub(lambda match: match[1] + match[2].upper(), text)


def _lower_shouting(text: str) -> str:
    letters = [sign for sign in text if sign.isalpha()]
    everywhere = len(letters) > _SHOUTING and sum(map(str.isupper, letters)) / len(letters) > _MOST

    def lower(match: re.Match[str]) -> str:
        return match[0].lower() if everywhere or len(match[0]) >= _SHOUTING else match[0]

    return _SHOUTED.sub(lower, text)
