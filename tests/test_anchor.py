"""Edits anchored to spans: any subset in any order gives one text, and nothing is dropped without a reason."""

from __future__ import annotations

import random
import tracemalloc
import unicodedata
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.formats.tracked_changes import NO_PLACE
from rewards.text import anchor as anchoring
from rewards.text.anchor import MAX_EDITS, NOT_FOUND, NOTHING, TOO_MANY, anchor
from rewards.text.composing import normalised
from rewards.text.segment import join_gaps
from rewards.types import ProposedEdit, Revision

SENTENCE = "This is bad, and is it not sad?"


def revise(sentences: tuple[str, ...], *proposed: ProposedEdit) -> Revision:
    return Revision("r", "", sentences, join_gaps(sentences), anchor(sentences, proposed), "edits")


def edit(before: str, after: str, number: int | None = 1, **more: object) -> ProposedEdit:
    return ProposedEdit(number, before, after, "Other Reasons", **more)


@pytest.mark.parametrize(
    ("proposed", "reason"),
    [
        (edit("nowhere", "x"), NOT_FOUND),
        (edit("bad", "good", 2), "sentence id 2 is outside 1–1"),
        (edit("bad", "good", 0), "sentence id 0 is outside 1–1: they count from 1"),
        (edit("bad", "good", None), "no sentence id"),
        (edit("", "new"), NO_PLACE),
        (edit("", ""), NOTHING),
        (edit("bad", "good", problem="no reason"), "no reason"),
        (edit("bad", "good", None, problem="a change across sentences"), "a change across sentences"),
        (edit("not sad?", "glad", start=23, end=99), NOT_FOUND),
        (edit("not sad?", "glad", start=-8, end=31), NOT_FOUND),
        (edit("", "", start=0, end=0), NOTHING),
    ],
)
def test_an_edit_that_cannot_be_applied_is_kept_with_its_reason(proposed: ProposedEdit, reason: str) -> None:
    revision = revise((SENTENCE,), proposed)
    (found,) = revision.edits
    assert not found.valid
    assert found.invalid_reason == reason
    assert (found.before, found.after) == (proposed.before, proposed.after)
    assert revision.apply([0]) == SENTENCE


def test_a_part_that_occurs_once_is_placed_before_one_that_occurs_often() -> None:
    revision = revise((SENTENCE,), edit("is", "was"), edit("This is bad", "That is good"))
    assert [e.invalid_reason for e in revision.edits] == [None, None]
    assert revision.apply([0, 1]) == "That is good, and was it not sad?"


def test_whole_words_come_before_parts_of_words() -> None:
    revision = revise((SENTENCE,), edit("is", "was"))
    assert revision.apply([0]) == "This was bad, and is it not sad?"
    assert [e.start for e in revise(("a1 1",), edit("1", "2")).edits] == [3]
    assert [e.start for e in revise(("ano no no",), edit("no no", "no")).edits] == [4]  # the places overlap


def test_a_part_whose_places_overlap_each_other_occurs_more_than_once() -> None:
    revision = revise(("Well, so so so.",), edit("so so", "so"), edit("Well, so", "So"))
    assert [(e.start, e.invalid_reason) for e in revision.edits] == [(9, None), (0, None)]


def test_an_overlap_names_the_edit_that_stays() -> None:
    revision = revise((SENTENCE,), edit("bad, and", "good, and"), edit("and is it", "and was it"))
    assert [e.invalid_reason for e in revision.edits] == [None, "overlaps edit 1"]
    revision = revise(("abcdef",), edit("ef", "x"), edit("ab", "y"), edit("bcde", "z"))
    assert revision.edits[2].invalid_reason == "overlaps edit 1"  # of two, the one that was placed first


def test_an_edit_that_touches_another_still_lies_in_the_way_of_a_third() -> None:
    revision = revise(("abcdef",), edit("ab", "x"), edit("cd", "y"), edit("de", "z"))
    assert [e.invalid_reason for e in revision.edits] == [None, None, "overlaps edit 2"]


def test_a_part_without_a_free_place_names_what_lies_in_the_way_of_its_last() -> None:
    revision = revise(("is his is",), edit("is", "a"), edit("is", "b"), edit("is", "c"), edit("is", "d"))
    assert [(e.start, e.invalid_reason) for e in revision.edits] == [
        (0, None),
        (7, None),
        (4, None),
        (-1, "overlaps edit 3"),
    ]


class Searched(str):
    """A sentence that counts how often it is searched."""

    __slots__ = ("searches",)

    def find(self, *arguments: object) -> int:
        self.searches = getattr(self, "searches", 0) + 1
        return super().find(*arguments)


@pytest.mark.parametrize("part", ["a", "b", "xa"])
def test_the_searches_grow_with_the_edits_and_not_with_their_product(part: str) -> None:
    sentence = Searched(" ".join([part] * MAX_EDITS))
    placed = anchor((sentence,), [edit(part, "c")] * MAX_EDITS)
    assert [e.start for e in placed] == [i * (len(part) + 1) for i in range(MAX_EDITS)]
    assert sentence.searches < 3 * MAX_EDITS
    sentence = Searched(f"{part}y " * MAX_EDITS)  # no whole words
    assert all(e.valid for e in anchor((sentence,), [edit(part, "c")] * MAX_EDITS))
    assert sentence.searches < 4 * MAX_EDITS
    sentence = Searched(f"{part} " * MAX_EDITS)  # nothing free
    placed = anchor((sentence,), [edit(sentence[:-1], ""), *[edit(part, "c")] * (MAX_EDITS - 1)])
    assert {e.invalid_reason for e in placed[1:]} == {"overlaps edit 1"}
    assert sentence.searches < 2 * MAX_EDITS


def test_many_different_parts_of_a_long_sentence_are_placed_in_bounded_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchoring, "MAX_LOOKS", 1_000)
    sentence = Searched("a bb " * 5_000 + "a b")
    parts = ["a bb " * count + "a b" for count in range(50)]
    assert all(e.valid for e in anchor((sentence,), [edit(part, "c") for part in parts]))
    assert sentence.searches < 1_000 + 50 * 50


def test_the_last_place_of_a_part_is_sought_in_bounded_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchoring, "MAX_LOOKS", 100)
    sentence = Searched("a " * 5_000)
    (_, lost) = anchor((sentence,), [edit(sentence[:-1], ""), edit("a", "c")])
    assert lost.invalid_reason == "overlaps edit 1"
    assert sentence.searches < 200


def test_edits_beyond_the_first_thousand_are_kept_and_not_applied() -> None:
    sentence = " ".join(f"w{i}" for i in range(MAX_EDITS + 2)) + " " + "long" * 25_000
    proposed = [edit(f"w{i}", "b") for i in range(MAX_EDITS + 2)]
    tracemalloc.start()
    placed = anchor((sentence,), proposed)
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [e.invalid_reason for e in placed] == [None] * MAX_EDITS + [TOO_MANY] * 2
    assert [e.before for e in placed] == [e.before for e in proposed]
    assert used < 20 * len(sentence), "an edit does not hold a sentence of its own"


def test_the_sentence_after_an_edit_is_that_of_this_edit_alone() -> None:
    bad, no_op, lost, unknown = anchor(
        (SENTENCE,), [edit("bad", "good"), edit("sad", "sad"), edit("x", "y"), edit("x", "y", 7)]
    )
    assert (bad.sentence_after, bad.changes) == ("This is good, and is it not sad?", True)
    assert [(e.sentence_after, e.changes) for e in (no_op, lost)] == [(SENTENCE, False)] * 2
    assert (unknown.sentence_before, unknown.sentence_after, unknown.changes) == ("", "", False)


def test_edits_that_touch_do_not_overlap() -> None:
    revision = revise(("abcd",), edit("ab", "x"), edit("cd", "y"), edit("", "-", start=2, end=2))
    assert revision.apply([0, 1, 2]) == "x-y"


def test_an_edit_is_applied_once_and_insertions_at_one_place_stay_in_their_order() -> None:
    revision = revise(("ab",), edit("", "1", start=1, end=1), edit("", "2", start=1, end=1), edit("b", "c"))
    assert revision.apply([1, 0]) == revision.apply([0, 1]) == "a12b"
    assert revision.apply([0, 0]) == "a1b"


def test_edited_sentences_are_in_the_order_of_the_text() -> None:
    revision = revise(("One.", "Two."), edit("Two", "2", 2), edit("One", "1", 1))
    assert [(s.sentence_id, s.before, s.after) for s in revision.edited_sentences()] == [
        (1, "One.", "1."),
        (2, "Two.", "2."),
    ]


def test_a_record_says_of_an_edit_without_a_place_that_it_has_none() -> None:
    placed, lost, unknown = (
        e.to_record() for e in anchor((SENTENCE,), [edit("bad", ""), edit("x", ""), edit("x", "", 7)])
    )
    assert [(one["sentence_id"], one["start"]) for one in (placed, lost, unknown)] == [(1, 8), (1, None), (None, None)]


@pytest.mark.parametrize(
    ("gaps", "deleted", "after"),
    [
        (("", "\n\n", ""), 0, "Two."),
        (("", "\n\n", ""), 1, "One."),
        (("", " ", "\n\n", ""), 1, "One.\n\nThree."),
        (("", "\n\n", " ", ""), 1, "One.\n\nThree."),
        (("", "  ", " ", ""), 1, "One.  Three."),
    ],
)
def test_a_deleted_sentence_leaves_the_gap_with_more_line_breaks(
    gaps: tuple[str, ...], deleted: int, after: str
) -> None:
    sentences = ("One.", "Two.", "Three.")[: len(gaps) - 1]
    deletion = anchor(sentences, [edit(sentences[deleted], "", deleted + 1)])
    assert Revision("r", "", sentences, gaps, deletion, "edits").apply([0]) == after


def test_a_sentence_that_was_empty_keeps_its_gaps() -> None:
    revision = revise(("One.", "", "Two."), edit("Two", "2", 3))
    assert revision.argument == "One.  Two."
    assert revision.apply([0]) == "One.  2."


def test_deletion_of_a_sentence_takes_one_space_with_it() -> None:
    sentences = ("First.", "Second.", "Third.")
    deletions = [edit(sentence, "", number) for number, sentence in enumerate(sentences, 1)]
    revision = revise(sentences, *deletions)
    assert revision.apply([0]) == "Second. Third."
    assert revision.apply([1]) == "First. Third."
    assert revision.apply([2]) == "First. Second."
    assert revision.apply([0, 1, 2]) == ""


@st.composite
def revisions(draw: st.DrawFn) -> Revision:
    sentences = tuple(draw(st.lists(st.text("ab .", min_size=1, max_size=12), min_size=1, max_size=3)))
    proposed = []
    for _ in range(draw(st.integers(0, 6))):
        number = draw(st.integers(1, len(sentences)))
        sentence = sentences[number - 1]
        start = draw(st.integers(0, len(sentence)))
        end = draw(st.integers(start, len(sentence)))
        offsets = {"start": start, "end": end} if draw(st.booleans()) else {}
        proposed.append(edit(sentence[start:end], draw(st.text("xy ", max_size=3)), number, **offsets))
    return revise(sentences, *proposed)


@given(revisions(), st.randoms(use_true_random=False), st.data())
def test_any_subset_in_any_order_gives_the_same_text(
    revision: Revision, rng: random.Random, data: st.DataObject
) -> None:
    subset = data.draw(st.lists(st.integers(0, max(0, len(revision.edits) - 1)), unique=True)) if revision.edits else []
    shuffled = list(subset)
    rng.shuffle(shuffled)
    assert revision.apply(subset) == revision.apply(shuffled)


@given(revisions())
def test_valid_edits_do_not_overlap_and_say_what_they_replace(revision: Revision) -> None:
    for index, found in enumerate(revision.edits):
        if not found.valid:
            assert found.invalid_reason
            continue
        assert found.sentence_before[found.start : found.end] == found.before
        for other in revision.edits[:index]:
            if other.valid and other.sentence_id == found.sentence_id:
                assert found.end <= other.start or other.end <= found.start or found.start == found.end


@given(revisions())
def test_nothing_accepted_is_the_original(revision: Revision) -> None:
    assert revision.apply([]) == revision.argument


@pytest.mark.parametrize(("of_text", "of_part"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_letter_with_its_accent_is_found_as_one_character_or_as_two(of_text: Any, of_part: Any) -> None:
    sentence, part = (
        unicodedata.normalize(of_text, "Le café est naïf, un café!"),
        unicodedata.normalize(of_part, "café"),
    )
    revision = revise((sentence,), edit(part, "thé"), edit(part, "bar"))
    assert [each.before for each in revision.edits] == [unicodedata.normalize(of_text, "café")] * 2
    assert unicodedata.normalize("NFC", revision.apply([0, 1])) == "Le thé est naïf, un bar!"


@given(st.text("aé\u0301\u0323\u0344\u0f73\u093c\u0958가\u1161"))
def test_letters_are_composed_as_unicode_says(text: str) -> None:
    forms: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")
    assert [normalised(form, text) for form in forms] == [unicodedata.normalize(form, text) for form in forms]


def test_many_marks_on_one_letter_hold_nothing_up() -> None:
    """Python sorts them by insertion: these would take it minutes, in every form and twice for every edit."""
    letter = "a" + "\u0301\u0323" * 200_000
    assert not revise(("One.",), edit(letter, "x")).edits[0].valid
    assert revise(("One.",), edit("One", letter)).edits[0].changes


@pytest.mark.parametrize(("sentence", "part", "start"), [("cafe\u0301, or a cafe", "cafe", 12), ("कि क है", "क", 3)])
def test_a_mark_on_its_last_letter_belongs_to_a_word(sentence: str, part: str, start: int) -> None:
    (found,) = anchor((sentence,), (edit(part, "x"),))
    assert found.start == start
