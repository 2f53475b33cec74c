"""Unicode normalisation (NFC and NFD) that stays fast on letters with many combining marks."""

from __future__ import annotations

import unicodedata
from itertools import chain, groupby
from typing import Literal


def normalised(form: Literal["NFC", "NFD"], text: str) -> str:
    """The result of `unicodedata.normalize`, in time that is not quadratic in the number of marks on one letter.

    It sorts the marks by insertion sort; here they are sorted beforehand.
    """
    if unicodedata.is_normalized(form, text):
        return text
    letters = chain.from_iterable(unicodedata.normalize("NFD", character) for character in text)
    runs = groupby(letters, key=lambda letter: unicodedata.combining(letter) > 0)
    ordered = (sorted(run, key=unicodedata.combining) if marks else run for marks, run in runs)
    return unicodedata.normalize(form, "".join(chain.from_iterable(ordered)))
