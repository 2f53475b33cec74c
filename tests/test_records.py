"""Every accepted shape of record, and what is said of those that do not fit."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.errors import RecordError
from rewards.formats import Format
from rewards.records import completion_text, identifier, read_revision
from rewards.types import Parsed, ProposedEdit
from tests.conftest import ROOT, record

SENTENCES = ["Cats are dumb.", "Dogs rule."]
JSON = json.dumps(
    {
        "sentence_edits": [
            {
                "sentence_id": 1,
                "rewritten_sentence": "Cats are hard to train.",
                "edits": [
                    {"inappropriate_part": "dumb", "rewritten_part": "hard to train", "reason": "Toxic Emotions"}
                ],
            }
        ]
    }
)
AFTER = "Cats are hard to train. Dogs rule."


@pytest.mark.parametrize(
    "fields",
    [
        {"sentences": SENTENCES, "completion": JSON},
        {"argument": " ".join(SENTENCES), "completion": JSON},
        {"text": " ".join(SENTENCES), "completion": f"Here you are:\n```json\n{JSON}\n```"},
        {"sentences": SENTENCES, "completion": "1 | dumb | hard to train"},
        {"argument": " ".join(SENTENCES), "completion": AFTER},
        {"argument": " ".join(SENTENCES), "rewrite": AFTER},
        {"before": " ".join(SENTENCES), "after": AFTER},
        {"prompt": "Edit it.", "sentences": SENTENCES, "completion": [{"role": "assistant", "content": JSON}]},
        {"prompt": "Edit it.\n1. Cats are dumb.\n2. Dogs rule.", "completion": JSON},
        {
            "prompt": [{"role": "user", "content": "Sentence 1: Cats are dumb.\nSentence 2: Dogs rule."}],
            "completion": JSON,
        },
        {
            "sentences": SENTENCES,
            "completion": [{"role": "assistant", "content": [{"type": "text", "text": JSON}]}],
        },
        {
            "sentences": SENTENCES,
            "edits": [
                {
                    "sentence_id": "1",
                    "inappropriate_part": "dumb",
                    "rewritten_part": "hard to train",
                    "reason": "Toxic Emotions",
                }
            ],
        },
    ],
)
def test_accepted_shapes(fields: dict[str, Any]) -> None:
    revision = read_revision(fields, number=7)
    assert revision.id == 7
    assert revision.sentences == tuple(SENTENCES)
    assert revision.apply(range(len(revision.edits))) == AFTER
    assert all(edit.valid for edit in revision.edits)


def test_the_completion_comes_before_the_edits_unless_asked_otherwise() -> None:
    both = {**record(), "completion": "1 | Lunch | Dinner"}
    assert [edit.before for edit in read_revision(both).edits] == ["Lunch"]
    assert len(read_revision(both, format="edits").edits) == 3
    assert read_revision({**both, "completion": None}).format == "edits"


def test_spacing_of_the_original_is_kept() -> None:
    text = "  Cats are dumb.\n\n\tDogs   rule.  "
    revision = read_revision({"argument": text, "sentences": ["Cats are dumb.", "Dogs   rule."], "rewrite": text})
    assert revision.argument == text
    assert read_revision({"argument": text, "rewrite": text}).argument == text


def test_an_argument_with_the_word_assistant_is_whole() -> None:
    sentences = ["My assistant is lazy.", "user: fire him."]
    assert read_revision({"prompt": "p", "sentences": sentences, "completion": "{}"}).sentences == tuple(sentences)


def test_lone_surrogates_do_not_get_through() -> None:
    completion = JSON.replace("hard to train", "\\ud800")
    (edit,) = read_revision({"sentences": SENTENCES, "completion": completion}).edits
    assert edit.after == "\ufffd"
    edit.sentence_after.encode()
    second = {"sentence_id": 1, "inappropriate_part": "is", "rewritten_part": "was", "reason": "\ud800", "start": 20}
    (edit,) = read_revision({"sentences": ["This is what it all is."], "edits": [second]}).edits
    assert edit.sentence_after == "This is what it all was."
    (edit,) = read_revision({"argument": "A very cat.", "rewrite": "A very \ud83d small cat."}).edits
    assert (edit.valid, edit.sentence_after) == (True, "A very \ufffd small cat.")


def test_numbered_sentences_of_a_prompt() -> None:
    prompt = "Edit:\r\n 1. Cats\u2028are dumb.  \r\n(not 2)\nSentence 2 | Dogs rule.<|eot|> \r\n"
    assert read_revision({"prompt": prompt, "completion": "x"}).sentences == ("Cats\u2028are dumb.", "Dogs rule.")


@pytest.mark.parametrize(
    ("prompt", "sentences"),
    [
        ("1" * 5_000 + ". x", None),
        ("1. a\n" + "2" * 5_000 + ". x", ("a",)),
        ("1. a" + " " * 500_000 + "b", ("a" + " " * 500_000 + "b",)),
        ("1" + " " * 500_000 + "b", None),
        ("sentence" + " " * 500_000 + "b", None),
        ("1. " + "<|a" * 200_000, ("<|a" * 200_000,)),
    ],
    ids=range(6),
)
def test_odd_prompts_are_read_in_time(prompt: str, sentences: tuple[str, ...] | None) -> None:
    began = time.perf_counter()
    if sentences is None:
        with pytest.raises(RecordError, match="exactly one numbered list"):
            read_revision({"prompt": prompt, "completion": "{}"})
    else:
        assert read_revision({"prompt": prompt, "completion": "{}"}).sentences == sentences
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ([1], "", "expected an object, found a list"),
        (None, "", "expected an object, found null"),
        ({}, "argument", "no text"),
        ({"argument": "   ", "completion": "x"}, "argument", "no text"),
        ({"argument": 3, "completion": "x"}, "argument", "expected a string, found a number"),
        ({"argument": "a b."}, "completion", "nothing to score"),
        (
            {"argument": "a b.", "completion": 3},
            "completion",
            "expected a string or a list of messages, found a number",
        ),
        ({"argument": "a b.", "completion": ["x"]}, "completion[0]", "expected a message"),
        ({"argument": "a b.", "edits": "x"}, "edits", "expected a list of edits"),
        ({"argument": "a b.", "edits": [3]}, "edits[0]", "expected an object, found a number"),
        ({"sentences": "a b.", "completion": "x"}, "sentences", "expected a list of strings"),
        ({"sentences": ["a", 3], "completion": "x"}, "sentences[1]", "expected a string, found a number"),
        ({"sentences": [], "completion": "x"}, "sentences", "every sentence is empty"),
        ({"sentences": ["a."], "argument": "b.", "completion": "x"}, "sentences", "do not make up `argument`"),
        ({"argument": "a b.", "before": "a c.", "after": "x"}, "before", "it is another text than `argument`"),
        ({"argument": "a b.", "rewrite": "a c.", "after": "a d."}, "after", "it is another text than `rewrite`"),
        ({"argument": "a b.", "completion": "x", "id": 1.5}, "id", "expected a string or an integer"),
        ({"argument": "a b.", "completion": "x", "id": True}, "id", "found a boolean"),
        ({"prompt": "1. a\n2. b\nthen\n1. c", "completion": "x"}, "prompt", "exactly one numbered list"),
        ({"argument": "a b.", "rewrite": ["x"]}, "rewrite", "expected a string, found a list"),
        ({"argument": b"a b.", "rewrite": "x"}, "argument", "expected a string, found a value of type bytes"),
        ({"argument": "a b.", "completion": "x", "issue": 3}, "issue", "expected a string"),
        (pandas.Series({"argument": "a b."}), "", "of type Series; of a table, read each of .to_dict('records')"),
    ],
)
def test_what_does_not_fit_is_named(fields: Any, field: str, reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        read_revision(fields)
    assert caught.value.field == field
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"id": 1, "argumnet": "a b.", "rewrite": "a."}, "; keys not read: `argumnet` (did you mean 'argument'?)"),
        ({"original": "a b.", "changed": "a."}, "; keys not read: `original`, `changed`"),
        ({"argument": "a b.", "topic": "x", "rewriten": "a."}, "`rewriten` (did you mean 'rewrite'?), `topic`"),
        ({"argument": "a b.", **dict.fromkeys("abcdefgh", 1)}, "; keys not read: `a`, `b`, `c`, `d`, `e`"),
        ({"argument": "a b."}, "`rewrite` or `after`"),
    ],
)
def test_a_key_that_is_misspelt_is_named_with_the_nearest(fields: Any, told: str) -> None:
    with pytest.raises(RecordError) as caught:
        read_revision(fields)
    assert caught.value.reason.endswith(told)


def test_an_argument_that_is_given_twice_is_read_once() -> None:
    given = {"argument": "Foo is dumb.", "before": "Foo is  dumb.\n", "after": "Foo is."}
    assert read_revision(given).argument == "Foo is dumb."


def test_every_example_can_be_read() -> None:
    lines = (ROOT / "rewards" / "examples.jsonl").read_text(encoding="utf-8").splitlines()
    revisions = [read_revision(json.loads(line)) for line in lines]
    assert len(revisions) >= 20
    assert {revision.format for revision in revisions} == {
        "json_edits",
        "tracked_changes",
        "compact",
        "rewrite",
        "edits",
    }
    assert sum(edit.valid for revision in revisions for edit in revision.edits) > 40


def test_a_record_may_say_in_which_format_its_completion_is() -> None:
    prose = {"sentences": SENTENCES, "completion": "Sorry, I cannot."}
    assert read_revision(prose).format == "rewrite"
    named = read_revision({**prose, "format": "compact"})
    assert (named.format, named.edits) == ("compact", ())
    assert named.problem == "no line of the form `number | old words | new words`"
    assert read_revision({**prose, "format": "compact"}, format="rewrite").format == "rewrite"
    assert read_revision({**prose, "format": "markdown"}).format == "rewrite"


@pytest.mark.parametrize("format", ["compact", "rewrite"])
def test_edits_of_a_format_without_reasons_need_none(format: str) -> None:
    listed = {"sentences": SENTENCES, "edits": [{"sentence_id": 1, "before": "dumb", "after": "hard to train"}]}
    assert [edit.invalid_reason for edit in read_revision(listed).edits] == ["no reason"]
    assert [edit.invalid_reason for edit in read_revision({**listed, "format": "json_edits"}).edits] == ["no reason"]
    revision = read_revision({**listed, "format": format})
    assert (revision.format, revision.apply([0])) == ("edits", AFTER)


def test_an_edit_with_other_keys_names_them_and_the_expected_ones() -> None:
    edits = [{"id": 1, "old": "dumb", "new": "slow"}, {"sentence_id": 1, "before": "dumb", "reason": "x"}]
    expected = "expected sentence_id, inappropriate_part, rewritten_part, reason)"
    found = read_revision({"sentences": SENTENCES, "edits": edits}).edits
    assert [edit.invalid_reason for edit in found] == [
        f"no sentence id, no part, no replacement, no reason (its keys are id, old, new; {expected}",
        f"no replacement (its keys are sentence_id, before, reason; {expected}",
    ]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    [
        "id",
        "issue",
        "sentences",
        "argument",
        "text",
        "before",
        "after",
        "rewrite",
        "completion",
        "edits",
        "prompt",
        "format",
    ]
)


@given(st.dictionaries(keys, values | st.text(max_size=60) | st.just(JSON), max_size=6))
def test_any_object_is_a_revision_or_a_record_error(fields: dict[str, Any]) -> None:
    try:
        revision = read_revision(fields)
    except RecordError as error:
        assert error.reason
    else:
        assert "".join(revision.argument.split())


def test_a_whole_number_that_a_table_made_a_float_of_is_an_id() -> None:
    assert read_revision({"post_id": 7.0, "argument": "a", "rewrite": "b"}).id == 7
    with pytest.raises(RecordError, match="post_id: expected a string or an integer, found a number"):
        read_revision({"post_id": 7.5, "argument": "a", "rewrite": "b"})


@pytest.mark.parametrize(
    "value", [2**64, -(2**63) - 1, float(2**53), 1e30, json.loads("-9223372036854775809.0"), 1.8446744073709552e19]
)
@pytest.mark.parametrize("key", ["id", "post_id"])
def test_a_number_that_no_file_can_hold_or_tell_from_others_is_no_id(key: str, value: float) -> None:
    with pytest.raises(RecordError, match=f"^{key}: is too large a number .*; write it as a string$"):
        read_revision({key: value, "argument": "a", "rewrite": "b"})


@pytest.mark.parametrize("value", [2**64 - 1, -(2**63), 2**53 + 1, str(2**70)])
def test_every_integer_that_a_file_can_hold_is_an_id_as_it_stands(value: int | str) -> None:
    assert identifier({"id": value}) == value


def test_of_several_keys_that_say_the_same_the_first_counts() -> None:
    edit = {"sentence_id": 1, "inappropriate_part": "b", "rewritten_part": "c", "reason": "r"}
    edit |= {"before": "A", "after": "B"}
    given = {"argument": "A b.", "text": "C d.", "before": "A b.", "prompt": "1. G h.", "edits": [edit]}
    revision = read_revision(given)
    assert (revision.argument, revision.apply([0])) == ("A b.", "A c.")


def test_messages_are_lines_and_the_parts_of_one_are_not() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    assert completion_text([{"content": parts}, {"content": "c"}]) == "ab\nc"


def test_sentences_of_spaces_are_no_text() -> None:
    with pytest.raises(RecordError, match="^sentences: no text: every sentence is empty$"):
        read_revision({"sentences": [" ", ""], "edits": []})


def test_of_a_format_without_reasons_only_their_lack_is_no_problem() -> None:
    edits = [{"sentence_id": 1, "inappropriate_part": "b", **more} for more in ({"rewritten_part": "c"}, {})]
    revision = read_revision({"sentences": ["A b b."], "format": "compact", "edits": edits})
    whole, lacking = (edit.invalid_reason for edit in revision.edits)
    assert (whole, str(lacking).startswith("no replacement, no reason (its keys are ")) == (None, True)


def test_an_id_of_nothing_is_an_id_and_the_first_key_counts() -> None:
    for stated in (0, ""):
        assert read_revision({"id": stated, "post_id": 5, "argument": "a", "rewrite": "b"}, number=7).id == stated


def test_a_null_id_gives_way_to_the_other_key() -> None:
    assert identifier({"id": None, "post_id": -3.0}) == -3
    assert identifier({"id": None}) is None
    with pytest.raises(RecordError, match="^id: expected a string or an integer, found a boolean$"):
        identifier({"id": True})


def read_by(parse: Any) -> Any:
    """What a record is whose completion a format of this `parse` reads."""
    form = Format("fx", "", parse, lambda _: True)
    return read_revision({"sentences": SENTENCES, "completion": "x", "format": "fx"}, formats=(form,))


EDIT: Any = ProposedEdit


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (None, "returned NoneType; expected a Parsed"),
        ([ProposedEdit(1, "dumb", "shy")], "returned list; expected a Parsed"),
        (Parsed(None), "returned a Parsed whose edits are NoneType; expected a tuple"),  # type: ignore[arg-type]
        (Parsed((), 3), "returned a Parsed whose problem is int; expected text or None"),  # type: ignore[arg-type]
        (Parsed((EDIT(1, "a", "b"), {"before": "a"})), "returned edits[1] which is dict; expected a ProposedEdit"),  # type: ignore[arg-type]
        (Parsed((EDIT(1, None, "b"),)), "returned edits[0] whose before is NoneType; expected text"),
        (Parsed((EDIT(1, "a", b"b"),)), "returned edits[0] whose after is bytes; expected text"),
        (Parsed((EDIT(1, "a", "b", 5),)), "returned edits[0] whose reason is int; expected text or None"),
        (Parsed((EDIT(1, "a", "b", problem=["x"]),)), "returned edits[0] whose problem is list; expected text or None"),
        (Parsed((EDIT("1", "a", "b"),)), "returned edits[0] whose sentence_id is str; expected a whole number or None"),
        (Parsed((EDIT(True, "a", "b"),)), "returned edits[0] whose sentence_id is bool;"),
        (Parsed((EDIT(1, "a", "b", start=0.0),)), "returned edits[0] whose start is float; expected a whole number"),
    ],
)
def test_what_a_format_returns_is_checked(returned: Any, told: str) -> None:
    with pytest.raises(RecordError, match="completion: format 'fx': `parse` ") as error:
        read_by(lambda completion, sentences: returned)
    assert error.value.field == "completion"
    assert error.value.reason.startswith(f"format 'fx': `parse` {told}")


@pytest.mark.parametrize("raised", [SystemExit(3), ValueError("no"), RecordError("no", "mine")])
def test_a_format_that_raises_is_named(raised: BaseException) -> None:
    def parse(completion: str, sentences: Any) -> Parsed:
        raise raised

    with pytest.raises(RecordError, match=f"^completion: format 'fx': `parse` failed: {type(raised).__name__}: "):
        read_by(parse)


def test_integers_of_numpy_are_integers_and_no_half_of_a_character_stays() -> None:
    edit = EDIT(np.int64(1), "dumb", "shy", start=np.int32(9), end=np.int64(13))
    wrong = EDIT(1, "Cats", "Dogs", problem="\ud800")
    revision = read_by(lambda completion, sentences: Parsed([edit, wrong], "\udfff"))  # type: ignore[arg-type]
    found, other = revision.edits
    assert [type(number) for number in (found.sentence_id, found.start, found.end)] == [int] * 3
    assert found.sentence_after == "Cats are shy."
    assert (other.invalid_reason, revision.problem) == ("\ufffd", "\ufffd")


def test_a_row_of_pandas_is_read_as_the_record_that_it_was() -> None:
    """Parquet's lists come as arrays; integers as numpy's, or as floats where other rows have none."""
    twice = {"inappropriate_part": "bad", "rewritten_part": "good", "reason": "x"}
    for number, start in ((np.int64(2), np.int64(8)), (2.0, 8.0), (np.float32(2), np.float32(8))):
        edits = np.array([{**twice, "sentence_id": number, "start": start, "before": "bad", "after": "good"}])
        row = {
            "id": np.int64(3),
            "issue": math.nan,
            "rewrite": np.float64("nan"),
            "sentences": np.array(["One.", "bad, or bad."], dtype=object),
            "edits": edits,
        }
        revision = read_revision(row)
        assert (revision.id, type(revision.id), revision.sentences) == (3, int, ("One.", "bad, or bad."))
        (found,) = revision.edits
        assert (found.sentence_id, found.start, found.sentence_after) == (2, 8, "bad, or good.")
    said = np.array([{"role": "assistant", "content": "1 | bad | good"}])
    assert read_revision({"argument": "A bad one.", "completion": said}).edits[0].valid


def test_a_format_that_nobody_registered_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(RecordError, match=r"no format is called 'compct' \(did you mean 'compact'\?\)"):
        read_revision({"argument": "A.", "completion": "1 | A | B"}, format="compct")
