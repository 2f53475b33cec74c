from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.records import read_revision
from rewards.text.diff import SpanChange, changes, revision_edits, tokens
from rewards.text.segment import join_gaps, split
from rewards.types import Edit, apply_spans

WORDS = st.lists(st.sampled_from(["a", "b", "it's", ".", ",", "!", " ", "  ", "\n", "c d", '"'])).map("".join)
TEXTS = st.one_of(st.text(), WORDS)


def apply(before: str, found: Sequence[SpanChange]) -> str:
    """The text after its changes."""
    pieces: list[str] = []
    position = 0
    for change in found:
        pieces += (before[position : change.start], change.after)
        position = change.end
    return "".join((*pieces, before[position:]))


def marked(before, after):
    return [(before[c.start : c.end], c.after) for c in changes(before, after)]


def test_tokens():
    text = "Don't stop, it\u2019s 5-6 o'clock!?"
    expected = ["Don't", "stop", ",", "it\u2019s", "5", "-", "6", "o'clock", "!", "?"]
    assert [text[i:j] for i, j in tokens(text)] == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("nai\u0308ve cafe\u0301", "naive the\u0301", [("nai\u0308ve cafe\u0301", "naive the\u0301")]),
        ("यह अच्छा है", "यह अच्छी है", [("अच्छा", "अच्छी")]),
        ("I \u2764\ufe0f it", "I \u2764 it", [("\u2764\ufe0f", "\u2764")]),
        ("", "", []),
        ("same text", "same text", []),
        ("a bad idea", "a weak idea", [("bad", "weak")]),
        ("a very bad idea", "a bad idea", [("very ", "")]),
        ("this is bad really.", "this is bad.", [(" really", "")]),
        ("a bad idea", "a very bad idea", [("", "very ")]),
        ("you stupid old fool", "you my friend", [("stupid old fool", "my friend")]),
        ("One. Two. Three.", "One. Three.", [("Two. ", "")]),
        ("One. Two.", "One.", [(" Two.", "")]),
        ("One. Three.", "One. Two. Three.", [("", "Two. ")]),
        ("I don't care", "I do care", [("don't", "do")]),
        ("a  b", "a b", [(" ", "")]),
        ("a b", "a\nb", [(" ", "\n")]),
        ("", "new", [("", "new")]),
        ("old", "", [("old", "")]),
        ("Stop!!!", "Stop!", [("!!", "")]),
    ],
)
def test_changes_are_what_a_person_would_mark(before, after, expected):
    assert marked(before, after) == expected


@given(TEXTS, TEXTS)
def test_changes_give_the_other_text_exactly(before, after):
    found = changes(before, after)
    assert apply(before, found) == after
    for change in found:
        assert before[change.start : change.end] != change.after
    for first, second in pairwise(found):
        assert before[first.end : second.start].strip(), "changes with only whitespace between are one"


@given(TEXTS, TEXTS)
def test_no_replacement_swallows_a_space_that_stays(before, after):
    for change in changes(before, after):
        old = before[change.start : change.end]
        if old and change.after:
            assert not (old[0].isspace() and old[0] == change.after[0])
            assert not (old[-1].isspace() and old[-1] == change.after[-1])


def rewrite(sentences, gaps, after):
    """The text after all edits, each checked to lie inside its sentence and at most once over any character."""
    spans: dict[int, list[Edit]] = {}
    for edit in revision_edits(sentences, gaps, after):
        if edit.problem:
            assert not sentences
            continue
        sentence = sentences[edit.sentence_id - 1]
        assert 0 <= edit.start <= edit.end <= len(sentence)
        assert sentence[edit.start : edit.end] == edit.before
        assert edit.before != edit.after
        anchored = Edit(edit.sentence_id, edit.before, edit.after, None, sentence, edit.start, edit.end)
        spans.setdefault(edit.sentence_id, []).append(anchored)
    for edits in spans.values():
        assert all(a.end <= b.start for a, b in pairwise(edits))
    texts = [apply_spans(sentence, spans.get(number, [])) for number, sentence in enumerate(sentences, 1)]
    return gaps[0] + "".join(text + gap for text, gap in zip(texts, gaps[1:], strict=True))


def bare(text):
    return "".join(text.split())


@given(TEXTS, TEXTS)
def test_edits_of_a_revision_give_its_text_up_to_whitespace(before, after):
    sentences, gaps = split(before)
    if sentences:
        assert bare(rewrite(sentences, gaps, after)) == bare(after)


@given(st.lists(WORDS.map(str.strip).filter(bool), min_size=1), st.lists(WORDS))
def test_edits_of_sentences_without_a_text(sentences, after):
    text = " ".join(after)
    assert bare(rewrite(sentences, join_gaps(sentences), text)) == bare(text)


@pytest.mark.parametrize(
    ("sentences", "after", "edits"),
    [
        (["A cat sat.", "It slept."], "A cat sat. It slept.", []),
        (["A cat sat.", "It slept."], "A dog sat. It slept.", [(1, "cat", "dog", 2)]),
        (["A cat sat.", "It slept."], "A cat sat.\n\nIt slept.", []),
        (["One is.", "Two was.", "Three will."], "One is. Three will.", [(2, "Two was.", "", 0)]),
        (["One is.", "Three will."], "One is. Two was. Three will.", [(2, "", "Two was. ", 0)]),
        (["One is.", "Three will."], "One is.\nTwo was.\nThree will.", [(1, "", " Two was.", 7)]),
        (["One is."], "One is. Two was.", [(1, "", " Two was.", 7)]),
        (["I left.", "Then he came."], "I left and he came.", [(1, ".", " and", 6), (2, "Then ", "", 0)]),
        (["He left.", "She stayed."], 'He left. "She stayed.', [(2, "", '"', 0)]),
        (["One is.", "Two was here."], "One is.\nThree was here.", [(2, "Two", "Three", 0)]),
        ([], "Something.", [(None, "", "Something.", None)]),
        ([], " ", []),
    ],
)
def test_revision_edits(sentences, after, edits):
    found = revision_edits(sentences, join_gaps(sentences), after)
    assert [(e.sentence_id, e.before, e.after, e.start) for e in found] == edits


def test_long_texts_stay_sane():
    before = " ".join(f"w{i * 7919 % 3001}" for i in range(20_000))
    after = " ".join(f"w{i * 104729 % 2999}" for i in range(20_000))
    began = time.perf_counter()
    found = changes(before, after)
    assert time.perf_counter() - began < 10
    assert apply(before, found) == after


@pytest.mark.parametrize(
    ("before", "after", "edits"),
    [
        ("One is.\n Two was.", "One is.- Two was.", [(1, "", "-", 7)]),
        ("One is.\n\nTwo was.", "One is.\n-\tTwo was.", [(1, "", " -", 7)]),
        ("One is.\n\nTwo was.", 'One is. "Two was.', [(2, "", '"', 0)]),
        ("  One is.", "Well, One is.", [(1, "", "Well, ", 0)]),
    ],
)
def test_what_is_inserted_in_a_gap_goes_to_the_sentence_that_it_belongs_to(before, after, edits):
    found = revision_edits(*split(before), after)
    assert [(e.sentence_id, e.before, e.after, e.start) for e in found] == edits


def test_a_repeated_mark_is_added_behind_the_one_that_was_there():
    assert changes("Go!", "So Go!!") == [SpanChange(0, 0, "So "), SpanChange(3, 3, "!")]
    assert changes("Go!!", "So Go!!!") == [SpanChange(0, 0, "So "), SpanChange(4, 4, "!")]
    assert changes("Go so", "We Go so so") == [SpanChange(0, 0, "We "), SpanChange(3, 3, "so ")]


def test_a_change_is_a_triple():
    assert changes("a b", "a c") == [SpanChange(2, 3, "c")]


def test_sentences_that_touch_are_not_glued_to_what_replaces_a_part_of_both() -> None:
    sentences, gaps = ["Keep it on your own...", "An official letter came."], ["", "", ""]
    text = "Keep it on your site and an official letter came."
    found = read_revision({"argument": "".join(sentences), "sentences": sentences, "rewrite": text})
    assert found.gaps == tuple(gaps)
    assert found.apply(range(len(found.edits))) == text
    sentences, text = ["Stop!", "-Go home."], "Stop now Go home."
    found = read_revision({"argument": "".join(sentences), "sentences": sentences, "rewrite": text})
    assert found.apply(range(len(found.edits))) == text
