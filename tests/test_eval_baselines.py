"""The rewriting by rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards_eval.baselines.cleanup import clean_up


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("this is STUPID!!! who cares???", "This is stupid. Who cares?"),
        ("WHY DO YOU HATE IT", "Why do you hate it"),
        ("the USA and the the EU...they are soooo big", "The USA and the EU.they are soo big"),
        ("i think so , and i'm right", "I think so, and I'm right"),
        ("yes,no", "Yes, no"),
        ("A sentence. Another one.", "A sentence. Another one."),
        ("see 3.5 and http://a.b/c?d=e", "See 3.5 and http://a.b/c?d=e"),
        ("", ""),
    ],
)
def test_by_hand(text: str, clean: str) -> None:
    assert clean_up(text) == clean


@given(st.text())
def test_any_text_is_read_and_no_word_is_new(text: str) -> None:
    assert len(clean_up(text)) <= 2 * len(text) + 2
