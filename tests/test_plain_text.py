"""What counts as plain text, what a reader does not see, which numbers are new, and what is said twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.types import Edit, seen
from rewards_format import no_bare_negation, no_new_numbers, no_repetition, plain_text
from rewards_format.negation import only_negates
from rewards_format.repetition import repeated

BEFORE = "The heat is 5 is < b and nobody cares about it."


def edit(after: str) -> Edit:
    return Edit(1, "heat", after, None, BEFORE, 4, 8)


@pytest.mark.parametrize(
    "after",
    [
        "20 °C of heat", "5 × 3 ± 1 ≥ 9", "heat—“real” heat…", "l’été à Zürich", "£5 or 3 €", "½ of it, 20 m²", "it\u00b4s hot",
        "don\u02bct", "f**k", "[EU] [SIC]", "____", "B&Bs; R&D", "<http://a.b/c>", "snake_case_word", "www.a.org/b_c?d=1",
        "cafe\u0301", "100 % (sic!)", "a -> b", "state-of-the-art", "so,  well", "heat\n\nand", "wait ... what?!",
    ],
)  # fmt: skip
def test_what_people_write_is_plain(after: str) -> None:
    assert plain_text([edit(after)]) == [1.0]


@pytest.mark.parametrize(
    "after",
    [
        "<b>heat</b>", "<!-- heat -->", "<|im_end|>", "heat &nbsp;", "&frac12;", "&#X3C;", "[/INST] heat", "**heat**",
        "`heat`", "~~heat~~", "# heat", "[heat](x)", "heat 🙂", "he\u200bat", "h\u0435at", "\U0001d7cf heat", "\uff48eat",
        "\x1b[31mheat", "a\x07b", "he\u034fat", "heat\ufe0f", "<br", "\u029c\u1d07\u1d00\u1d1b", "he\u0251t", "\u0131t",
        "heat" + "\u00a0" * 60, "heat\n\n\n", "heat" + "." * 9, "heat.,.,.,.,.,", "-".join(["thank"] * 8), "a" * 41,
    ],
)  # fmt: skip
def test_what_hides_or_decorates_is_not(after: str) -> None:
    assert plain_text([edit(after)]) == [0.0]


@pytest.mark.parametrize(
    ("before", "after", "plain"),
    [
        ("केवल मूर्ख लोग", "कुछ ज़रूरी इंसान भी", 1.0), ("فقط الأغبياء", "الناسُ", 1.0), ("רק טיפשים", "שָׁלוֹם", 1.0),
        ("শুধু বোকা মানুষ", "কিছু", 1.0), ("คนโง่เท่านั้น", "ทำบางคน ผู้", 1.0), ("ばかだけが飼う", "アホなユーザーと人々", 1.0),
        ("狗很笨", "狗が笨", 0.0), ("Dogs are dumb", "dumb\u093f", 0.0), ("คนโง่", "कु", 0.0), ("យល់", "យ\u17b4", 0.0),
    ],
)  # fmt: skip
def test_other_scripts_are_plain_where_the_sentence_is_written_in_them(before: str, after: str, plain: float) -> None:
    assert plain_text([Edit(1, before, after, None, before, 0, len(before))]) == [plain]


def test_what_was_there_may_stay() -> None:
    chinese = Edit(1, "热", "热" * 50, None, "热,对。", 0, 1)
    assert plain_text([chinese]) == [1.0]
    kept = Edit(1, "it 🙂 <b>so</b>", "this 🙂 <b>so</b>", None, "Say it 🙂 <b>so</b> now.", 4, 18)
    assert plain_text([kept]) == [1.0]
    for word, other in (("a" * 60, "b" * 60), ("a.b.c.d.e.f.g.h.i.j", "b.b.c.d.e.f.g.h.i.j")):  # as in an address
        assert plain_text([Edit(1, word, other, None, f"So {word} now.", 3, 3 + len(word))]) == [1.0]


@pytest.mark.parametrize("kept", ["🙂", "<b>", "ж", "a" * 60, "a.b.c.d.e.f.g.h.i.j", "so   long"])
def test_what_stands_elsewhere_in_the_sentence_is_not_new(kept: str) -> None:
    sentence = f"The heat is {kept} here."
    changed = Edit(1, "heat", f"cold {kept}", None, sentence, 4, 8)
    assert plain_text([changed, edit(f"cold {kept}")]) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("word", "plain"), [("a" * 40, 1.0), ("a" * 41, 0.0), ("." * 8 + "a", 1.0), ("." * 9 + "a", 0.0)]
)
def test_a_word_may_have_forty_letters_and_eight_marks(word: str, plain: float) -> None:
    assert plain_text([edit(word)]) == [plain]


@pytest.mark.parametrize("text", ["a\x07b", "a\u200bb", "a\u034fb", "a\ufe0fb", "a\u00adb", "a\U000e0101b"])
def test_invisible_characters_are_not_seen(text: str) -> None:
    assert seen(text) == seen("ab")


def test_an_accent_is_seen_on_its_letter_whatever_invisible_stands_between() -> None:
    assert seen("e\u034f\u0301") == seen("e\u200d\u0301") == seen("\u00e9")
    assert seen("\u0f71\u0f72\ufe0f\u0f71\u0f72") == seen("\u0f71\u0f72\u0f71\u0f72")


def test_spaces_are_seen_as_one_and_letters_as_they_look() -> None:
    assert seen(" a \n\t b\u00a0c ") == "a b c"
    assert seen("a\nb") == seen("a\tb") == "a b"
    assert seen("e\u0301") == seen("é")
    assert seen("A") != seen("a")


@pytest.mark.parametrize(("after", "known"), [("warmth", 1.0), ("5 degrees", 1.0), ("", 1.0), ("3", 0.0), ("15", 0.0)])
def test_a_number_that_the_sentence_does_not_have_is_new(after: str, known: float) -> None:
    assert no_new_numbers([edit(after)]) == [known]


@given(st.text("012 a.,", max_size=10), st.integers(0, 10), st.integers(0, 10), st.text("012 a.,", max_size=10))
def test_a_number_is_new_where_the_sentence_reads_so_however_the_edit_is_cut(
    sentence: str, one: int, other: int, after: str
) -> None:
    start, end = sorted((min(one, len(sentence)), min(other, len(sentence))))
    cut = Edit(1, sentence[start:end], after, None, sentence, start, end)
    whole = Edit(1, sentence, cut.sentence_after, None, sentence, 0, len(sentence))
    assert no_new_numbers([cut]) == no_new_numbers([whole])


@pytest.mark.parametrize(
    ("start", "end", "after", "known"), [(5, 5, "1", 0.0), (7, 8, "", 0.0), (6, 8, "60", 1.0), (8, 8, "s", 1.0)]
)
def test_digits_beside_an_edit_belong_to_its_number(start: int, end: int, after: str, known: float) -> None:
    sentence = "1 in 960."
    assert no_new_numbers([Edit(1, sentence[start:end], after, None, sentence, start, end)]) == [known]


@pytest.mark.parametrize(
    ("before", "after", "bare"),
    [
        ("Lunch should be free.", "Lunch should not be free.", True),
        ("He wants peace.", "He doesn't want peace", True),
        ("I liked it, I dont know why.", "I liked it, I know why!", True),
        ("You can't win.", "You cannot win.", False),
        ("Nobody has any money.", "Somebody has some money.", True),
        ("She has some money.", "She never had any money.", True),
        ("It is not not good.", "It is not good.", False),
        ("No, that is wrong.", "That is wrong.", False),
        ("No dogs are allowed.", "Dogs are allowed.", True),
        ("Only a fool says that.", "I do not say that.", False),
        ("Dosen't it say so?", "Doesn't it say so?", False),
        ("", "", False),
        ("It's a good idea.", "It is not a good idea.", True),
        ("They’re welcome.", "They aren't welcome.", True),
        ("We've seen it.", "We haven't seen it.", True),
        ("This is not Trump's fault.", "This is Biden's fault.", False),
        ("This is Trump's fault.", "This is not Trump's fault.", True),
        ("Vegans are lazy people.", "I do not believe that vegans are lazy people.", True),
        ("Vegans are lazy people!", "It is simply false that Vegans are lazy people", True),
        ("Vegans are lazy people.", "That vegans are lazy people, I deny.", True),
        ("Vegans are lazy people.", "Nobody should say that vegans are lazy people.", True),
        ("Vegans are lazy people.", "I do not deny that vegans are lazy people.", False),
        ("Vegans are lazy people.", "I think that vegans are lazy people.", False),
        ("Vegans are lazy people.", "I do not believe that vegans are lazy, or that people are.", False),
        ("Vegans are lazy people.", "My neighbours do not believe that vegans are lazy people.", False),
        ("Vegans are not lazy people.", "I do not believe that vegans are lazy people.", False),
        ("This is wrong.", "I do not think that this is right.", False),
        ("Think.", "I do not think.", False),
        ("I have never seen that, and neither have you.", "I have never seen that.", False),
        ("Vegans are lazy people.", "It is not true " + "that " * 50_000 + "vegans are lazy people.", False),
        ("Where did you hear that lie?", "Where did you hear that?", False),
        ("Wrong ideas about food hurt.", "Ideas about food hurt.", False),
        ("Zoos are prisons.", "Zoos are rarely prisons.", True),
        ("Zoos are prisons.", "Zoos are far from prisons.", True),
        ("Zoos are prisons.", "Zoos are by no means prisons!", True),
        ("Zoos are prisons.", "Zoos are not remotely prisons.", True),
        ("Zoos are prisons.", "Zoos are really prisons.", False),
        ("That is dumb.", "That is not smart.", False),
        ("It will save money.", "It will not only save money.", False),
        ("He is stupid.", "He is not well informed.", False),
    ],
)
def test_an_edit_that_only_negates(before: str, after: str, bare: bool) -> None:
    assert only_negates(before, after) is only_negates(after, before) is bare


@pytest.mark.parametrize("apostrophe", "'\u2019\u2018`\u00b4\u02bc\u2032\uff07")
def test_a_negation_is_one_whatever_stands_for_its_apostrophe(apostrophe: str) -> None:
    assert only_negates("Lunch is free.", f"Lunch isn{apostrophe}t free.")
    assert not only_negates(f"Lunch isn{apostrophe}t free.", "Lunch is not free.")


@pytest.mark.parametrize("stressed", ["_not_", "__not__", "*not*", "'not'", "\u2018not\u2019", "`not`"])
def test_a_negation_may_be_stressed_or_quoted(stressed: str) -> None:
    assert only_negates("Lunch is free.", f"Lunch is {stressed} free.")
    assert only_negates("Lunch is free.", f"Lunch is {stressed.replace('not', 'far from')} free.")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Do we need that??", "We do not need that."),
        ("A tax on paper cups, are you kidding me?", "I do not think that a tax on paper cups, are you kidding me?"),
        ('He asked: "Is it fair?"', 'He asked: "Is it not fair?"'),
    ],
)
def test_a_question_makes_no_claim_that_could_be_turned_around(before: str, after: str) -> None:
    assert not only_negates(before, after)
    assert only_negates("We need that?! Yes.", "We do not need that?! Yes.")


def test_a_negation_that_was_said_twice_may_go_once() -> None:
    assert not only_negates("There ain't no lunch on Fridays.", "There is no lunch on Fridays.")
    assert not only_negates("I never used it, not once.", "I never used it.")
    assert only_negates("I never used it, because it is bad.", "I never used it, because it is not bad.")


def test_a_negation_that_comes_with_other_words_passes() -> None:
    def one(part: str, text: str) -> Edit:
        return Edit(1, part, text, None, "Say it warmly now.", 7, 13)

    assert no_bare_negation([one("warmly", "not warmly"), one("warmly", "not so coldly")]) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        ("Cyclists run red lights.", "Cyclists run red lights, cyclists run red lights.", 1.0),
        ("We watch Spain.", "To be one to watch, to be one to watch.", 1.0),
        ("We like it here.", "We like it here a lot, and WE LIKE it.", 0.6),
        ("So it is, so it is, so it is.", "So it is, so it is.", 0.0),  # less often than before
        ("So it is, so it is.", "So it is, so it is, so it is.", 1.0),
        ("Self-driving cars and cars.", "Self-driving cars and self-driving cars.", 0.0),  # two words
        ("no no", "no no no no", 1.0),
        ("So it isn't.", "So it isn’t, so it isn't.", 1.0),
        ("天 气 好", "天 气 好 天 气 好", 1.0),
        ("", "", 0.0),
    ],
)
def test_what_is_said_twice_is_counted_in_runs_of_three_words(before: str, after: str, share: float) -> None:
    assert repeated(before, after) == pytest.approx(share)
    assert no_repetition([Edit(1, before, after, None, before, 0, len(before))]) == [pytest.approx(1 - share)]


def test_a_long_run_of_marks_is_read_once() -> None:
    """From each of them on it was tried as an end: hours for a text as long as this."""
    assert only_negates(f"We need that{'?' * 200_000} now.", "We do not need that now.")
    assert only_negates("We need that now?! (", "We do not need that now?! (") is False
