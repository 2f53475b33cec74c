"""Halves of characters, which JSON escapes and tokenizers can leave, and which no file can hold."""

from __future__ import annotations


def without_surrogates(text: str) -> str:
    """The text with a replacement character for each lone half; two that belong together become their character."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
