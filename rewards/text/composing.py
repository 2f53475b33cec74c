"""Letters and the marks on them, as one character or as several."""

from __future__ import annotations

import unicodedata
from itertools import chain, groupby
from typing import Literal


def normalised(form: Literal["NFC", "NFD"], text: str) -> str:
    """What `unicodedata.normalize` gives, in time that does not grow with the square of the marks on one letter.

    It sorts them by insertion, and finds them sorted here.
    """
    if unicodedata.is_normalized(form, text):
        return text
    letters = chain.from_iterable(unicodedata.normalize("NFD", character) for character in text)
    runs = groupby(letters, key=lambda letter: unicodedata.combining(letter) > 0)
    ordered = (sorted(run, key=unicodedata.combining) if marks else run for marks, run in runs)
    return unicodedata.normalize(form, "".join(chain.from_iterable(ordered)))
