"""Lone surrogates, which JSON escapes and tokenizers can produce, but UTF-8 cannot encode."""

from __future__ import annotations


def without_surrogates(text: str) -> str:
    """The text with a replacement character for each lone surrogate; a surrogate pair becomes its character."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
