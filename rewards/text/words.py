"""Where words begin and end."""

from __future__ import annotations


def are_whole(text: str, start: int, end: int) -> bool:
    """Whether no word reaches over either end of text[start:end], which must not be empty.

    A word is a run of letters and digits. An underscore is none of them: in arguments it marks what is stressed (_so_).
    """
    before = start == 0 or not (text[start - 1].isalnum() and text[start].isalnum())
    after = end == len(text) or not (text[end - 1].isalnum() and text[end].isalnum())
    return before and after
