from __future__ import annotations

import gc
import json
import logging
import re
import subprocess
import sys
import time
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.errors import PluginError
from rewards.formats import BUILTIN, Format, compact, detect, json_edits, rewrite, tracked_changes
from rewards.plugins import registry
from rewards.text.anchor import MAX_EDITS, MAX_LOOKS, anchor
from rewards.text.diff import changes
from rewards.types import Parsed

SENTENCES = ("Only a fool likes tea.", 'They call it "progress" here.', "It is bad, bad policy.")
REFERENCE = Path(__file__).parents[2] / "shared" / "data" / "reference"
DEVIATING = {("base", 727), ("base", 1017), ("base", 1611), ("v11", 1388)}  # explained in docs/formats.md


def fields(parsed: Parsed):
    return [(e.sentence_id, e.before, e.after, e.reason) for e in parsed.edits if e.problem is None]


def problems(parsed: Parsed):
    return [e.problem for e in parsed.edits]


def edit(part, replacement, reason="Toxic Emotions"):
    return {"inappropriate_part": part, "rewritten_part": replacement, "reason": reason}


def answer(*edits, sentence_id=1, **more):
    return {"sentence_edits": [{"sentence_id": sentence_id, **more, "edits": list(edits)}]}


PLAIN = json.dumps(answer(edit("Only a fool", "Not everybody"), edit("tea", "tea.", "Other Reasons")), indent=2)
PLAIN_FIELDS = [
    (1, "Only a fool", "Not everybody", "Toxic Emotions"),
    (1, "tea", "tea.", "Other Reasons"),
]

# How models wrap and mis-write the same answer.
READABLE = {
    "as it should be": PLAIN,
    "in prose": f"Here is the result {{as asked}}:\n\n{PLAIN}\n\nThe {{first}} edit removes an insult.",
    "in a fence": f"```json\n{PLAIN}\n```",
    "trailing commas": PLAIN.replace('"\n', '",\n').replace("}\n", "},\n"),
    "line comments": PLAIN.replace('Emotions"', 'Emotions"  // an "insult", no less').replace(": [", ": [ # two"),
    "block comments": PLAIN.replace('Emotions"', 'Emotions" /* an\n"insult" */'),
    "no commas": PLAIN.replace('",\n', '"\n').replace("},\n", "}\n"),
    "unquoted keys": PLAIN.replace('"reason"', "reason").replace('"sentence_id"', "sentence_id"),
    "a missing colon": PLAIN.replace('"reason":', '"reason"', 1).replace('"edits":', '"edits"'),
    "single quotes": PLAIN.replace('"', "'"),
    "curly quotes": PLAIN.replace(' "', " \u201c").replace('"', "\u201d"),
    "doubled quotes": PLAIN.replace('"Only a fool"', '""Only a fool""'),
    "doubled braces": PLAIN.replace("{", "{{").replace("}", "}}"),
    "a closing quote missing": PLAIN.replace('Emotions"', "Emotions"),
    "an opening quote missing": PLAIN.replace('"tea"', 'tea"'),
    "an object not closed": PLAIN.replace('Emotions"\n        },', 'Emotions",\n'),
    "a string id": PLAIN.replace(": 1", ': "1"'),
    "a worded id": PLAIN.replace(": 1", ': "Sentence 1"'),
    "a float id": PLAIN.replace(": 1", ": 1.0"),
    "a bare list": json.dumps(json.loads(PLAIN)["sentence_edits"]),
    "escapes": PLAIN.replace("fool", "f\\u006fol").replace("tea.", "te\\u0061."),
    "a list of one": PLAIN.replace('"tea"', '["tea"]').replace('"tea."', '["tea."]'),
    "one object for the list": json.dumps(answer(edit("x", "y"))).replace("[{", "{").replace("}]", "}"),
    "cut before the end": PLAIN[: PLAIN.rindex('"') + 1],
}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", READABLE)
def test_json_edits_read_what_models_write(name, end):
    parsed = json_edits.parse(READABLE[name].replace("\n", end), SENTENCES)
    expected = [(1, "x", "y", "Toxic Emotions")] if name == "one object for the list" else PLAIN_FIELDS
    assert fields(parsed) == expected
    assert problems(parsed) == [None] * len(expected)
    assert parsed.problem == ("cut off" if name == "cut before the end" else None)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ('""progress" here"', '"progress" here'),
        ('"it "progress""', 'it "progress"'),
        ('""progress""', "progress"),
        ('""progress"', "progress"),
        ('"call "it", "progress", so"', 'call "it", "progress", so'),
        ('"a\nb"', "a\nb"),
        (r'"say \"it\" now"', 'say "it" now'),
        (r'"\ud83d\ude00 \ud83d \n"', "\U0001f600 \ufffd \n"),
    ],
)
def test_quotes_inside_strings(part, expected):
    text = PLAIN.replace('"tea",', part + ",").replace('"reason"', "reason")  # never strict JSON
    assert fields(json_edits.parse(text, SENTENCES))[1][1] == expected


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (answer(edit("tea", "milk", "")), ["no reason"]),
        (answer(edit("tea", "milk", None)), ["no reason"]),
        (answer(edit("tea", None)), ["no replacement"]),
        (answer(edit(None, "milk")), ["no part"]),
        (answer(edit("tea", 7, None)), ["no replacement, no reason"]),
        (answer(edit("tea", "milk"), sentence_id=None), ["no sentence id"]),
        (answer(edit("tea", "milk"), sentence_id="1-2"), ["no sentence id"]),
        (answer(edit("tea", "milk"), sentence_id=True), ["no sentence id"]),
        (answer(edit("tea", "milk"), sentence_id=1.5), ["no sentence id"]),
        (edit("tea", "milk"), ["no sentence id"]),
        (answer("tea -> milk"), ["an edit that is not an object"]),
        (answer(edit(["tea", "fool"], ["milk", "friend"])), [None, None]),
        (answer(edit(["tea", "fool"], "")), [None, None]),
        (answer(edit(["Only", "a"], "One")), [None]),
        (answer(edit([], "One")), ["no part"]),
    ],
)
def test_what_an_edit_lacks_is_its_problem(value, found):
    assert problems(json_edits.parse(json.dumps(value), SENTENCES)) == found


def test_a_quote_or_a_slip_is_not_guessed():
    parsed = json_edits.parse(PLAIN.replace('"tea",', '""",'), SENTENCES)
    assert problems(parsed) == [None, "no part"]


def test_an_insertion_takes_its_place_from_the_rewritten_sentence():
    rewritten = "Only a fool rarely likes tea."
    parsed = json_edits.parse(json.dumps(answer(edit("", "rarely"), rewritten_sentence=rewritten)), SENTENCES)
    (found,) = parsed.edits
    assert (found.start, found.end, found.problem) == (12, 12, None)
    assert SENTENCES[0][:12] + found.after + SENTENCES[0][12:] == rewritten
    parsed = json_edits.parse(json.dumps(answer(edit("", "never"), rewritten_sentence=rewritten)), SENTENCES)
    assert parsed.edits[0].start is None
    replaced = "Only a fool likes milk."  # which is no place of an insertion
    parsed = json_edits.parse(json.dumps(answer(edit("", "milk"), rewritten_sentence=replaced)), SENTENCES)
    assert parsed.edits[0].start is None


@pytest.mark.parametrize(
    ("was", "now", "problem"),
    [
        ('"rewritten_part": "tea."', '"rewritten_part": None', "no replacement"),
        ('"rewritten_part": "tea."', '"rewritten_part": NULL', "no replacement"),
        ('"inappropriate_part": "tea"', '"inappropriate_part": ', "no part"),
        ('"rewritten_part": "tea."', '"rewritten_part": 7', "no replacement"),
    ],
)
def test_what_is_no_text_is_not_taken_for_one(was, now, problem):
    assert was in PLAIN
    assert problems(json_edits.parse(PLAIN.replace(was, now), SENTENCES)) == [None, problem]


def test_one_word_difference_places_all_insertions_of_a_statement(monkeypatch):
    calls = []
    monkeypatch.setattr(json_edits, "changes", lambda *texts: calls.append(texts) or changes(*texts))
    edits = [edit("", "rarely"), edit("tea", "milk"), edit("", "never"), edit("", "rarely")]
    text = json.dumps(answer(*edits, rewritten_sentence="Only a fool rarely likes tea."))
    parsed = json_edits.parse(text, SENTENCES)
    assert [(e.after, e.start) for e in parsed.edits] == [
        ("rarely ", 12), ("milk", None), ("never", None), ("rarely", None)
    ]  # fmt: skip
    assert len(calls) == 1
    json_edits.parse(json.dumps(answer(edit("tea", "milk"), rewritten_sentence="Only.")), SENTENCES)
    assert len(calls) == 1, "without an insertion there is nothing to place"


def test_insertions_that_are_alike_have_a_place_each():
    text = json.dumps(
        answer(edit("", ","), edit("", ","), edit("", ","), rewritten_sentence="Only, a fool, likes tea.")
    )
    assert [(e.after.strip(), e.start) for e in json_edits.parse(text, SENTENCES).edits] == [
        (",", 4),
        (",", 11),
        (",", None),
    ]


def test_answers_for_other_sentences_are_one_answer_and_for_the_same_are_not():
    both = json.dumps(answer(edit("tea", "milk"))) + "\n" + json.dumps(answer(edit("bad", "weak"), sentence_id=3))
    assert [e.sentence_id for e in json_edits.parse(both, SENTENCES).edits] == [1, 3]
    twice = json_edits.parse(f"{PLAIN} Better: {PLAIN}", SENTENCES)
    assert set(problems(twice)) == {twice.problem} == {json_edits.TWO_ANSWERS}
    first, second = (
        json.dumps(answer(edit("tea", "milk", reason), sentence_id=n)) for n, reason in ((1, ""), (2, "x"))
    )
    between = json_edits.parse(f"{first} {second} {first}", SENTENCES)
    assert problems(between) == ["no reason", json_edits.TWO_ANSWERS, "no reason"]  # each its own problem first


def test_an_edit_that_is_cut_off_is_not_kept_with_a_problem() -> None:
    whole = json.dumps(answer(edit("fool", "friend"), edit("tea", "milk")))
    parsed = json_edits.parse(whole[: whole.index('"milk"')], SENTENCES)
    assert [e.before for e in parsed.edits] == ["fool"]
    assert parsed.problem == "cut off"


@pytest.mark.parametrize("text", ["", "no JSON", "{", "[[[", '{"a": 1}', '{"sentence_edits": 3}', "}{", "{]}["])
def test_nothing_to_read_is_a_problem(text):
    parsed = json_edits.parse(text, SENTENCES)
    assert parsed.edits == ()
    assert parsed.problem


@pytest.mark.parametrize("text", [PLAIN, json.dumps(json.loads(PLAIN)), PLAIN.replace("1,", "1, // first", 1)])
def test_no_edit_is_made_up_where_json_is_cut(text):
    for end in range(len(text) + 1):
        found = fields(json_edits.parse(text[:end], SENTENCES))
        assert [f[:3] for f in found] == [f[:3] for f in PLAIN_FIELDS[: len(found)]]
        assert all(whole[3].startswith(part[3]) for part, whole in zip(found, PLAIN_FIELDS, strict=False))


def tracked(text, sentence_id=1):
    value = {"sentence_id": sentence_id, "rewritten_sentence": "", "tracked_changes": text}
    return json.dumps({"sentence_edits": [value]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'Only <del reason="Toxic Emotions">a fool</del><ins>someone</ins> likes tea.',
            [("a fool", "someone", "Toxic Emotions", 5, None)],
        ),
        ("Only a <del reason='Other Reasons'>fool</del> likes tea.", [("fool", "", "Other Reasons", 7, None)]),
        ("Only a fool <ins reason=x>rarely </ins>likes tea.", [("", "rarely ", "x", 12, None)]),
        (
            'Only a <del reason="x">fool</del> <ins>friend</ins> likes tea.',
            [("fool", "friend", "x", 7, None)],
        ),
        ('Only a <del>fool</del><ins reason="x">friend</ins> likes tea.', [("fool", "friend", "x", 7, None)]),
        ('Only a <del reason="x">fool<ins>friend</ins> likes tea.', [("fool", "friend", "x", 7, None)]),
        (
            'only a <DEL reason="x">fool</DEL> likes <del reason="y">tea</del><ins>milk</ins>',
            [("fool", "", "x", 7, None), ("tea", "milk", "y", 18, None)],
        ),
        ('Only a <del reason=\\"x\\">fool</del> likes tea.', [("fool", "", "x", 7, None)]),
        ("Only a &lt;del reason=&quot;x&quot;&gt;fool&lt;/del&gt; likes tea.", [("fool", "", "x", 7, None)]),
        ("Only a <del>fool</del> likes tea.", [("fool", "", None, 7, "no reason")]),
        ('Only a <del reason="x">fool likes tea.', [("fool likes tea.", "", "x", 7, tracked_changes.UNCLOSED)]),
        ('Only a <ins reason="x">fool likes', [("", "fool likes", "x", 7, tracked_changes.UNCLOSED)]),
        ('Only a <del reason="x">sage</del> likes tea.', [("sage", "", "x", None, None)]),
        ('Wholly other<ins reason="x"> words</ins>!', [("", " words", "x", None, tracked_changes.NO_PLACE)]),
        ("Only a fool</del> likes</ins> tea.", []),
        (' Only a <del reason="x">fool</del> likes tea.', [("fool", "", "x", 7, None)]),
        ('Only a <del reason="x">fool</del></del><ins>friend</ins> likes tea.', [("fool", "friend", "x", 7, None)]),
        (
            'Only a <del reason="x">fool</del><ins reason="y">friend</ins> likes tea.',
            [("fool", "friend", "x", 7, None)],
        ),
        ("Only a <del reason=&quot;x&quot;>fool</del> likes tea.", [("fool", "", "x", 7, None)]),
        (
            'Only a <del reason="x">fool <del reason="y">likes</del> tea.',
            [("fool ", "", "x", 7, tracked_changes.UNCLOSED), ("likes", "", "y", 12, None)],
        ),
        # A word of the sentence is missing: what is inserted follows what stands before it.
        ('Only a <ins reason="x">big </ins>likes tea.', [("", "big ", "x", 7, None)]),
    ],
)
def test_tracked_changes(text, expected):
    parsed = tracked_changes.parse(tracked(text), SENTENCES)
    assert [(e.before, e.after, e.reason, e.start, e.problem) for e in parsed.edits] == expected
    assert parsed.problem is None
    assert all(e.start is None or SENTENCES[0][e.start : e.end] == e.before for e in parsed.edits)


def test_the_marked_occurrence_is_the_one_that_changes():
    parsed = tracked_changes.parse(tracked('It is bad, <del reason="x">bad</del> policy.', 3), SENTENCES)
    assert [(e.start, e.end) for e in parsed.edits] == [(11, 14)]


def test_tracked_changes_of_no_sentence_are_an_answer():
    assert tracked_changes.parse('{"sentence_edits": []}', SENTENCES) == Parsed(())
    assert tracked_changes.parse('{"sentence_edits": [{"sentence_id": 1}]}', SENTENCES).problem == "no tracked_changes"


def test_tracked_changes_that_are_not_escaped_in_their_json():
    text = '{"sentence_edits": [{"sentence_id": 1, "tracked_changes": "Only a <del reason="x">fool</del> likes tea."}]}'
    assert fields(tracked_changes.parse(text, SENTENCES)) == [(1, "fool", "", "x")]


def test_tracked_changes_without_json():
    text = 'Edited: Only a <del reason="x">fool</del> likes tea. They <del reason="y">call</del><ins>deem</ins> it '
    text += '"progress" <del reason="z">here. It is</del> bad, bad policy.'
    parsed = tracked_changes.parse(text, SENTENCES)
    assert [(e.sentence_id, e.before, e.start, e.problem) for e in parsed.edits] == [
        (1, "fool", 7, None),
        (2, "call", 5, None),
        (None, "here. It is", None, "a change across sentences"),
    ]


def test_tracked_changes_that_are_cut_keep_whole_changes():
    text = tracked('<del reason="x">Only</del><ins>Just</ins> a <del reason="y">fool</del><ins>friend</ins> likes tea.')
    whole = fields(tracked_changes.parse(text, SENTENCES))
    assert len(whole) == 2
    for end in range(len(text)):
        found = fields(tracked_changes.parse(text[:end], SENTENCES))
        assert found == whole[: len(found)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 | a fool | someone", [(1, "a fool", "someone", None)]),
        ("1|a fool|", [(1, "a fool", "", None)]),
        ("- 1 | fool | friend\n* 3 | bad, | \n", [(1, "fool", "friend", None), (3, "bad,", "", None)]),
        ("Sure:\n\nSentence 1: | fool | friend\nThat is all.", [(1, "fool", "friend", None)]),
        ("| 1 | fool | friend |", [(1, "fool", "friend", None)]),
        ('1 | "fool" | "friend"', [(1, "fool", "friend", None)]),
        ("`1 | fool | friend`", [(1, "fool", "friend", None)]),
        ('`1` | `fool` | "a friend"', [(1, "fool", "a friend", None)]),
        ('"1" | "fool" | "friend"', [(1, "fool", "friend", None)]),
        ('1 | . | "!"', [(1, ".", "!", None)]),
        ('1 | fool | "', [(1, "fool", '"', None)]),
        ("1 | here | there", [(2, "here", "there", None)]),
        ('2 | "progress" | "change"', [(2, '"progress"', '"change"', None)]),
        (r"1 | a \| b | c \| d", [(1, "a | b", "c | d", None)]),
        ("1 | fool", [(1, "fool", "", "no replacement")]),
        ("1 | fool | friend | Toxic Emotions", [(1, "fool", "friend", "more than two parts")]),
        ("1 | | very", [(1, "", "very", "an insertion without a place")]),
        ("1 | only a fool | nobody", [(1, "Only a fool", "Nobody", None)]),
        ("1 | ONLY a Fool | nobody", [(1, "Only a fool", "nobody", None)]),
        ("3 | Bad | poor", [(3, "Bad", "poor", None)]),  # which of the two?
        ("1 | call it | name it", [(2, "call it", "name it", None)]),
        ("9 | call it | name it", [(2, "call it", "name it", None)]),
        ("1 | bad | poor", [(1, "bad", "poor", None)]),  # too short to be sought elsewhere
        ("3 | like | love", [(3, "like", "love", None)]),  # "likes" is another word
        ("number | old words | new words", []),
        (
            "1 | a\u2028fool | a\x85friend\r\n1|tea|\r\n",
            [(1, "a\u2028fool", "a\x85friend", None), (1, "tea", "", None)],
        ),
    ],
)
def test_compact(text, expected):
    parsed = compact.parse(text, SENTENCES)
    assert [(e.sentence_id, e.before, e.after, e.problem) for e in parsed.edits] == expected
    assert (parsed.problem is None) == bool(expected)


def test_a_rewrite_keeps_an_announcement_that_the_argument_has_itself() -> None:
    parsed = rewrite.parse("Here is why:\nTea is bad.", ["Here is why:", "Tea is good."])
    assert fields(parsed) == [(2, "good", "bad", None)]
    assert fields(rewrite.parse("Here is why:\nTea is bad.", ["Tea is good."])) == [(1, "good", "bad", None)]


def test_compact_parts_that_stand_in_several_other_sentences_are_sought_in_none() -> None:
    assert compact.parse("1 | some words | b", ["Go.", "A: some words.", "B: some words."]).edits[0].sentence_id == 1
    assert compact.parse("1 | FOO | bar", ["\u0130 foo."]).edits[0].before == "FOO"  # its small letters are more


def test_compact_parts_are_sought_as_whole_words_past_places_within_words():
    assert compact.parse("1 | no no | yes", ["Go.", "piano no no."]).edits[0].sentence_id == 2
    assert compact.parse("1 | no no | yes", ["Go.", "piano no."]).edits[0].sentence_id == 1


@pytest.mark.parametrize(
    ("line", "found"), [("1 | REALLY | b", "really"), ("1 | , DUH | b", ", duh"), ("1 | DUMB | b", "DUMB")]
)
def test_compact_parts_end_where_words_do_and_not_where_marks_do(line: str, found: str) -> None:
    sentences = ["It is _really_ dumb1, duh."]
    assert compact.parse(line, sentences).edits[0].before == found
    assert anchor(sentences, compact.parse(line, sentences).edits)[0].valid == (found != "DUMB")


def test_compact_lines_that_are_meant_otherwise_are_sought_in_bounded_work():
    class Searched(str):
        searches = 0

        def find(self, *arguments):
            Searched.searches += 1
            return super().find(*arguments)

    sentences = ("It.", Searched("within " * 2_000))
    parsed = compact.parse("1 | with | b\n" * 2_000, sentences)
    assert [(e.sentence_id, e.before) for e in parsed.edits] == [(1, "with")] * 2_000
    assert Searched.searches < MAX_LOOKS + MAX_EDITS + 1


@pytest.mark.parametrize(
    "text",
    [
        "Only a friend likes tea. {} It is bad, bad policy.",
        "```\nOnly a friend likes tea. {} It is bad, bad policy.\n```",
        "Here is the rewritten argument:\n\nOnly a friend likes tea. {}\n\nIt is bad, bad policy.",
        "\u201cOnly a friend likes tea. {} It is bad, bad policy.\u201d",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rewrite(text, end):
    parsed = rewrite.parse(text.format(SENTENCES[1]).replace("\n", end), SENTENCES)
    assert [(e.sentence_id, e.before, e.after, e.start) for e in parsed.edits] == [(1, "fool", "friend", 7)]
    assert parsed.problem is None


@pytest.mark.parametrize("text", ["", " \n", "```\n```"])
def test_an_empty_rewrite_deletes_nothing(text):
    assert rewrite.parse(text, SENTENCES) == Parsed((), "an empty completion")


def test_quotes_of_the_original_are_no_wrapping():
    assert rewrite.parse('"Yes" they say "no"', ['"Yes" they said "no"']).edits[0].before == "said"
    assert rewrite.parse('"All of it"', ['"All of this"']).edits[0].after == "it"


@pytest.mark.parametrize(
    ("completion", "name"),
    [
        (PLAIN, "json_edits"),
        (PLAIN[:60], "json_edits"),
        (tracked("Only a fool"), "tracked_changes"),
        ("Only a <del>fool</del>", "tracked_changes"),
        ("- 1 | fool | friend", "compact"),
        (f"| 1 | fool | friend |\n\n{PLAIN}", "json_edits"),
        (f"| 1 | fool | friend |\n\n{tracked('Only a fool')}", "tracked_changes"),
        (f"{tracked('Only a fool')} {PLAIN}", "tracked_changes"),
        ("1 | fool | <del>friend</del>", "tracked_changes"),
        ("Nobody likes tea | milk.", "rewrite"),
        ("", "rewrite"),
    ],
)
def test_detect(completion, name):
    assert {detect(completion, order).name for order in permutations(BUILTIN)} == {name}
    assert detect(completion, [f for _, f, _ in registry().formats]).name == name


def test_an_added_format_comes_behind_those_of_the_core_unless_it_says_otherwise():
    added = Format("added", "", rewrite.parse, lambda completion: True)
    for formats in ((added, *BUILTIN), (*BUILTIN, added)):
        assert detect("1 | fool | friend", formats).name == "compact"
        assert detect("Only a friend.", formats).name == "added"
        assert detect(PLAIN, [f if f is not added else replace(added, rank=0) for f in formats]).name == "added"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"name": "two words"}, "a format's name is 'two words'; it must be a Python identifier"),
        ({"name": 3}, "a format's name is 3;"),
        ({"name": "edits"}, "format 'edits': that name stands for a record's own list of edits"),
        ({"description": None}, "format 'fx': description is None; it must be text"),
        ({"parse": "parse"}, "format 'fx': parse is 'parse'; it must be a function of a completion and its sentences"),
        ({"detect": None}, "format 'fx': detect is None; it must be a function of a completion"),
        ({"rank": "5"}, "format 'fx': rank is '5'; it must be a whole number"),
        ({"rank": True}, "format 'fx': rank is True; it must be a whole number"),
        ({"prompt": None}, "format 'fx': prompt is None; it must be text"),
        ({"reasons": "no"}, "format 'fx': reasons is 'no'; it must be True or False"),
        ({"partial": 0}, "format 'fx': partial is 0; it must be True or False"),
    ],
)
def test_a_format_that_is_declared_wrongly_is_refused_with_the_field(wrong, told):
    given = {"name": "fx", "description": "", "parse": rewrite.parse, "detect": rewrite.detect}
    with pytest.raises(PluginError, match=f"^{re.escape(told)}"):
        Format(**given | wrong)


def test_a_format_whose_detect_fails_recognises_nothing_and_is_told_once(caplog):
    class Truthless:
        def __bool__(self):
            raise ValueError("ambiguous")

    def leaves(completion):
        raise SystemExit(3)

    raising = Format("raising_detect", "", rewrite.parse, leaves, rank=1)
    truthless = Format("truthless_detect", "", rewrite.parse, lambda completion: Truthless(), rank=1)
    with caplog.at_level(logging.ERROR, "rewards.formats"):
        for _ in range(2):
            assert detect("1 | fool | friend", (raising, truthless, *BUILTIN)).name == "compact"
    assert [record.getMessage() for record in caplog.records] == [
        f"format '{name}' of module tests.test_formats: `detect` raised; where it does, that counts as no"
        for name in ("raising_detect", "truthless_detect")
    ]
    assert all(record.exc_info for record in caplog.records)

    def interrupted(completion):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        detect("x", (replace(raising, detect=interrupted),))


@pytest.mark.parametrize("form", BUILTIN, ids=lambda form: form.name)
@given(
    st.one_of(
        st.text(),
        st.text(alphabet="{}[]\"',:\\/#*\n 1a_|`<>"),
        st.text(st.characters()),
        st.lists(
            st.sampled_from(
                [
                    *'{}[],:\\"\n1',
                    *("//", "```", "x ", "sentence_edits", '"edits":', '"sentence_id":', '"tracked_changes":"'),
                    *("<del>", "</del>", "<ins reason='", "</ins>", "1 | a | b"),
                ]
            )
        ).map("".join),
    )
)
@settings(max_examples=200, deadline=None)
def test_any_text_is_read(form, text):
    form.detect(text)
    parsed = form.parse(text, SENTENCES)
    assert all(e.problem is not None or e.sentence_id is not None for e in parsed.edits)


UNITS = ["{", "[", '{"a":', '""', '"a" ', '"x', "[{", "\\", '{" ', '"//', '"\n', '",\n', " ", "\n", "a_b ", "<del>"]
UNITS += ["<del", "<ins>a</ins>", "&lt;del", "1 | a | b\n", "1 |", "|", "`", "word ", ". ", '{"edits":["', "\u201c"]


def odd_texts(size):
    """Hostile texts, each as long as `size` says."""
    leads = ("", '{"sentence_edits":[{"sentence_id":1,"tracked_changes":"', '{"sentence_edits":[{"edits":')
    texts = [lead + unit * (size // len(unit)) for unit in UNITS for lead in leads]
    texts += [
        leads[2] + "[" + "1," * (size // 2) + "[" * (size // 2),
        leads[2] + "[" + "{}," * (size // 3) + '{"a":' * (size // 5),
        json.dumps(answer(edit(*([one] * (size // 7) for one in ("", "a", "x"))))),
        json.dumps(
            answer(*[edit("", f"v{i}", "") for i in range(size // 25)], rewritten_sentence="very " * (size // 5))
        ),
        "".join(f"1 | {i} | b\n" for i in range(size // 7)) + PLAIN,
    ]
    return texts


def processor_seconds(form, text):
    took = []
    gc.disable()  # not what the tests before this one left
    try:
        while not took or (took[-1] > 0.5 and len(took) < 3):
            began = time.process_time()  # others may use the machine meanwhile
            form.detect(text)
            anchor(SENTENCES, form.parse(text, SENTENCES).edits)
            took.append(time.process_time() - began)
    finally:
        gc.enable()
    return min(took)


@pytest.mark.parametrize("form", BUILTIN, ids=lambda form: form.name)
def test_time_grows_as_long_odd_text_does(form):
    """Four times the text takes about four times as long, not sixteen times; what takes less than half a second may."""
    for quarter, text in zip(odd_texts(25_000), odd_texts(100_000), strict=True):
        took = processor_seconds(form, text)
        assert took < 0.5 or took < 9 * processor_seconds(form, quarter), (took, text[:100])


def test_importing_the_formats_is_light():
    code = "import sys, rewards.formats; print({'torch', 'numpy', 'json_repair', 'sentencex'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


@pytest.mark.shared
@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference data is not here")
def test_agreement_with_the_reference_parser():
    agreeing, deviating = 0, set()
    for name in ("base", "v11"):
        for line in (REFERENCE / f"{name}.generated.jsonl").read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            keys = ("sentence_id", "inappropriate_part", "rewritten_part", "reason")
            if fields(json_edits.parse(record["completion"], record["sentences"])) == [
                tuple(stated[key] for key in keys) for stated in record["edits"]
            ]:
                agreeing += 1
            else:
                deviating.add((name, int(record["post_id"])))
    assert agreeing >= 446
    assert deviating == DEVIATING


@pytest.mark.parametrize(
    ("stated", "number"),
    [("2", 2), ("Sentence 2", 2), (2.0, 2), (-1, -1), ("-1", None), (-1.0, None), ("Sentence-2", 2)],
)
def test_the_number_of_a_sentence(stated, number):
    assert json_edits.sentence_number(stated) == number


def test_compact_words_in_other_letters_are_whole():
    """The small letters of a capital may be more of them: "İ" has two."""
    (found,) = anchor(["We love i̇stanbul."], compact.parse("1 | İstanbul | it", ["We love i̇stanbul."]).edits)
    assert (found.before, found.sentence_after) == ("i̇stanbul", "We love it.")
