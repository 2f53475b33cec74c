"""Edits of several rounds as edits of the original: the same text, anchored as `rewards score` anchors them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rewards.text.anchor import anchor
from rewards.types import Edit, ProposedEdit, apply_spans
from rewards_edit.compose import StandingChange, compose, text_of


def edit(text: str, start: int, end: int, after: str, reason: str | None = "Toxic Emotions") -> Edit:
    return Edit(1, text[start:end], after, reason, text, start, end)


def edits_of(text: str, *stated: tuple[str, str]) -> dict[int, Edit]:
    return {
        index: edit(text, text.index(before), text.index(before) + len(before), after)
        for index, (before, after) in enumerate(stated)
    }


def first(text: str, *stated: tuple[str, str]) -> list[StandingChange]:
    return [change.settled() for change in compose(text, [], edits_of(text, *stated), 1)]


def plain(sentence: str, changes: list[StandingChange]) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(sentence[change.start : change.end], change.after, change.rounds) for change in changes]


SENTENCE = "Only a fool likes tea, as we know."


def test_an_edit_elsewhere_is_a_change_of_its_own() -> None:
    standing = first(SENTENCE, ("a fool", "somebody"))
    found = compose(SENTENCE, standing, edits_of(text_of(SENTENCE, standing), (", as we know", "")), 2)
    assert plain(SENTENCE, found) == [("a fool", "somebody", (1,)), (", as we know", "", (2,))]
    assert [change.new for change in found] == [(), (0,)]


def test_an_edit_of_what_an_earlier_round_wrote_is_one_change_with_it() -> None:
    standing = first(SENTENCE, ("a fool", "some strange body"))
    found = compose(SENTENCE, standing, edits_of(text_of(SENTENCE, standing), ("strange", "kind")), 2)
    assert plain(SENTENCE, found) == [("a fool", "some kind body", (1, 2))]
    assert [change.settled() for change in found[0].old] == standing


def test_an_edit_across_what_stands_takes_in_all_of_it() -> None:
    standing = first(SENTENCE, ("a fool", "x"), ("tea", "y"), (", as we", ""))
    assert text_of(SENTENCE, standing) == "Only x likes y know."
    found = compose(SENTENCE, standing, edits_of("Only x likes y know.", ("likes y kn", "Z")), 2)
    assert plain(SENTENCE, found) == [("a fool", "x", (1,)), ("likes tea, as we kn", "Z", (1, 2))]


def test_an_insertion_where_something_was_deleted_replaces_it() -> None:
    standing = first(SENTENCE, (" a fool", ""))
    found = compose(SENTENCE, standing, {0: edit("Only likes tea, as we know.", 4, 4, " who")}, 2)
    assert plain(SENTENCE, found) == [(" a fool", " who", (1, 2))]


def test_an_edit_that_takes_back_an_earlier_one_changes_nothing() -> None:
    standing = first(SENTENCE, ("fool", "sage"))
    found = compose(SENTENCE, standing, edits_of(text_of(SENTENCE, standing), ("sage", "fool")), 2)
    assert plain(SENTENCE, found) == [("fool", "fool", (1, 2))]


def test_the_newest_stated_reason_is_kept() -> None:
    standing = first(SENTENCE, ("fool", "sage"))
    edited = text_of(SENTENCE, standing)
    start = edited.index("sage")
    with_reason = compose(SENTENCE, standing, {0: edit(edited, start, start + 1, "S", "Other Reasons")}, 2)
    without = compose(SENTENCE, standing, {0: edit(edited, start, start + 1, "S", None)}, 2)
    assert (with_reason[0].reason, without[0].reason) == ("Other Reasons", "Toxic Emotions")


@st.composite
def spans(draw: st.DrawFn, size: int) -> list[tuple[int, int]]:
    """Spans that do not overlap, insertions among them, in any order."""
    points = sorted(draw(st.lists(st.integers(0, size), max_size=8)))
    pairs = list(zip(points[::2], points[1::2], strict=False))
    return draw(st.permutations(pairs))


@given(st.data())
def test_whatever_the_rounds_do_the_text_is_theirs_and_the_changes_can_be_anchored(data: st.DataObject) -> None:
    sentence = data.draw(st.text("abc ", min_size=1, max_size=12))
    standing: list[StandingChange] = []
    for number in range(1, 5):
        edited = text_of(sentence, standing)
        proposed = [
            ProposedEdit(1, edited[start:end], data.draw(st.text("XY", max_size=3)), "r", start, end)
            for start, end in data.draw(spans(len(edited)))
        ]
        edits = {index: one for index, one in enumerate(anchor([edited], proposed)) if one.valid}
        found = compose(sentence, standing, edits, number)
        assert text_of(sentence, found) == apply_spans(edited, edits.values())
        again = [ProposedEdit(1, sentence[c.start : c.end], c.after, c.reason, c.start, c.end) for c in found]
        anchored = anchor([sentence], again)
        empty = "neither a part nor a replacement"
        assert {one.invalid_reason for one in anchored} <= {None, empty}
        assert sorted(index for change in found for index in change.new) == sorted(edits)
        assert sorted(old.start for c in found for old in (c.old or (() if c.new else (c,)))) == sorted(
            c.start for c in standing
        )
        kept = [change if data.draw(st.booleans()) or not change.new else None for change in found]
        standing = [
            one
            for change, stays in zip(found, kept, strict=True)
            for one in ([stays.settled()] if stays else change.old)
            if sentence[one.start : one.end] != one.after
        ]
