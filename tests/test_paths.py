"""Paths as text."""

from __future__ import annotations

import pytest

from rewards.paths import as_text


@pytest.mark.parametrize(
    ("path", "text"),
    [("ü/b", "ü/b"), ("a\udcff", r"a\xff"), ("a/\ud800", "a/\ufffd")],
    ids=["text", "byte", "surrogate"],
)
def test_any_path_is_text_that_json_can_hold(path: str, text: str) -> None:
    assert as_text(path) == text
