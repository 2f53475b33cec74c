from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.text.segment import join_gaps, locate, spans, split

ODD = " .!?\n\r\t\"'()1aAb\xe9\u4e2d\u3002\u2026\u2028\x1c\x85;*-\ud800\xa0\u201c\u201d"
TEXTS = st.one_of(st.text(), st.text(alphabet=ODD), st.text(st.characters()))


def interleave(sentences, gaps):
    return gaps[0] + "".join(sentence + gap for sentence, gap in zip(sentences, gaps[1:], strict=True))


@given(TEXTS)
def test_nothing_is_lost(text):
    sentences, gaps = split(text)
    assert interleave(sentences, gaps) == text
    assert all(sentence and sentence == sentence.strip() for sentence in sentences)
    assert all(not gap or gap.isspace() for gap in gaps)
    assert tuple(text[start:end] for start, end in spans(sentences, gaps)) == sentences


@given(TEXTS)
def test_what_was_split_is_located(text):
    sentences, gaps = split(text)
    assert locate(text, sentences) == gaps


@pytest.mark.parametrize(
    ("text", "sentences", "gaps"),
    [
        ("", (), ("",)),
        (" \n ", (), (" \n ",)),
        ("One.", ("One.",), ("", "")),
        ("  One here.  Two there!\n\nThree? ", ("One here.", "Two there!", "Three?"), ("  ", "  ", "\n\n", " ")),
        ("Dr. Jones agrees. We do not.", ("Dr. Jones agrees.", "We do not."), ("", " ", "")),
        ("Broken\ud800 text.\xa0Next one.", ("Broken\ud800 text.", "Next one."), ("", "\xa0", "")),
        (".A\x85.A\t", (".", "A\x85.A"), ("", "", "\t")),  # the segmenter alone fails here
    ],
)
def test_split(text, sentences, gaps):
    assert split(text) == (sentences, gaps)


def test_long_runs_of_line_breaks():
    text = "\n" * 5000 + "One." + "\n" * 5000 + "Two."
    assert split(text) == (("One.", "Two."), ("\n" * 5000, "\n" * 5000, ""))


@pytest.mark.parametrize(
    ("text", "sentences", "gaps"),
    [
        ("a b", ["a", "b"], ("", " ", "")),
        (" a\n\nb ", ["a", "b"], (" ", "\n\n", " ")),
        ("ab", ["a", "b"], ("", "", "")),
        ("a and b", ["a", "b"], None),
        ("a b", ["b", "a"], None),
        ("a", ["a", "b"], None),
        ("a b c", ["a", "b"], None),
        ("", [], ("",)),
        ("a", [], None),
        ("  ", [], ("  ",)),
    ],
)
def test_locate(text, sentences, gaps):
    assert locate(text, sentences) == gaps


@given(st.lists(st.text()))
def test_join_gaps(sentences):
    assert interleave(sentences, join_gaps(sentences)) == " ".join(sentences)
