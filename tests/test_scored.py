"""Records that were written are read back as what they were."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rewards.errors import RecordError
from rewards.records import read_revision
from rewards.scored import differing, is_scored, read_scored, together
from rewards.suite import suite_of
from tests.conftest import ROOT, read_lines, record


def test_every_example_comes_back_as_it_was() -> None:
    revisions = [read_revision(one) for one in read_lines(ROOT / "rewards" / "examples.jsonl")]
    for result in suite_of(["format"]).score(revisions):
        scored = read_scored(json.loads(json.dumps(result.to_record())))
        assert scored.revision == result.revision
        assert scored.accepted == result.accepted
        assert scored.revision.apply(scored.accepted) == result.after_accepted


@pytest.mark.parametrize(
    ("format", "completion"),
    [
        ("compact", "2 | old words\n1 | dumb | hard to train"),
        ("compact", "Sorry, I cannot."),
        ("json_edits", '{"sentence_id": 1, "edits": [{"inappropriate_part": "dumb", "reason": "x"}]}'),
        ("json_edits", "{"),
        ("rewrite", "Dogs are hard to train."),
    ],
)
def test_a_scored_record_is_scored_again_as_what_it_was(format: str, completion: str) -> None:
    first = read_revision({"sentences": ["Dogs are dumb.", "Cats are not."], "completion": completion}, format=format)
    suite = suite_of(["format"])
    once = suite.score([first])[0].to_record()
    again = suite.score([read_revision(json.loads(json.dumps(once)))])[0].to_record()
    assert again == once
    assert read_revision(again) == read_revision(again, format="edits") == first
    anew = read_revision(
        {**again, "format": "compact", "completion": "1 | dumb | clever"}
    )  # a completion is what is to be read
    assert (anew.format, anew.edits[0].after) == ("compact", "clever")


@pytest.mark.parametrize("broken", [None, [], "text", {}, {"id": 1}, record()])
def test_anything_else_is_refused(broken: object) -> None:
    with pytest.raises(RecordError):
        read_scored(broken)


def written() -> dict[str, Any]:
    edit = {"sentence_id": 1, "inappropriate_part": "Only fools", "rewritten_part": "Few people", "reason": "r"}
    revision = read_revision({"id": 1, "sentences": ["Only fools drink tea."], "edits": [edit]})
    found: dict[str, Any] = json.loads(json.dumps(suite_of(["plain_text"]).score([revision])[0].to_record()))
    return found


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("edits", 1, "accepted"), True, "edits[1].accepted: an invalid edit is accepted"),
        (("sentences", 0, "sentence_id"), 2, "sentences[0].sentence_id: is not the place of its sentence"),
        (("sentences", 1, "sentence_id"), 1, "sentences[1].sentence_id: is not the place of its sentence"),
    ],
)
def test_what_contradicts_itself_is_refused(path: tuple[Any, ...], value: Any, message: str) -> None:
    edits = [{"sentence_id": 1, "before": part, "after": "tea", "reason": "r"} for part in ("Only fools", "nothing")]
    revision = read_revision({"sentences": ["Only fools drink tea.", "I know."], "edits": edits})
    whole = holder = json.loads(json.dumps(suite_of(["format"]).score([revision])[0].to_record()))
    assert read_scored(whole).accepted == (0,)
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    with pytest.raises(RecordError) as caught:
        read_scored(whole)
    assert str(caught.value) == f"{message}: the record was changed after scoring"


MISSING = object()


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("reward",), "high", "reward"),
        (("reward",), MISSING, "reward"),
        (("error",), 5, "error"),
        (("argument_after_accepted",), None, "argument_after_accepted"),
        (("argument_after_all",), MISSING, "argument_after_all"),
        (("rewards", "plain_text"), [1], "rewards.plain_text"),
        (("edits", 0, "scores", "plain_text", "passed"), MISSING, "edits[0].scores.plain_text.passed"),
        (("edits", 0, "scores", "plain_text", "value"), "1", "edits[0].scores.plain_text.value"),
        (("edits", 0, "scores", "plain_text"), None, "edits[0].scores.plain_text.value"),
        (("edits", 0, "scores", "plain_text", "threshold"), [1], "edits[0].scores.plain_text.threshold"),
        (("edits", 0, "scores", "plain_text", "failed"), {}, "edits[0].scores.plain_text.failed"),
        (("edits", 0, "scores", "plain_text", "details"), "x", "edits[0].scores.plain_text.details"),
        (("edits", 0, "failed_gates"), [["plain_text"]], "edits[0].failed_gates"),
        (("details",), {"appropriateness": 1}, "details.appropriateness"),
        (("edits", 0, "reason"), MISSING, "edits[0].reason"),
        (("edits", 0, "sentence_id"), [1], "edits[0].sentence_id"),
        (("sentences", 0, "sentence_id"), {"a": 1}, "sentences[0].sentence_id"),
    ],
)
def test_what_is_of_the_wrong_type_is_named(path: tuple[Any, ...], value: Any, field: str) -> None:
    whole = holder = written()
    for key in path[:-1]:
        holder = holder[key]
    assert read_scored(whole).accepted == (0,)
    if value is MISSING:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    with pytest.raises(RecordError, match="is missing or of the wrong type") as caught:
        read_scored(whole)
    assert caught.value.field == field
    assert is_scored(whole) == ("[" in field)


def test_an_invalid_edit_passes_nothing_of_its_sentence() -> None:
    """The sentence passes; the edit that could not be placed in it was never judged."""
    edits = [
        {"sentence_id": 1, "inappropriate_part": part, "rewritten_part": "Few people", "reason": "r"}
        for part in ("Only fools", "Not there")
    ]
    revision = read_revision({"id": 1, "sentences": ["Only fools drink tea."], "edits": edits})
    suite = suite_of(["sentence_pattern_conformity"], settings={"sentence_pattern_conformity": {"threshold": 99.0}})
    scored = read_scored(json.loads(json.dumps(suite.score([revision])[0].to_record())))
    assert scored.passed == ({"sentence_pattern_conformity": True}, {})


def test_what_two_suites_say_differently_is_named_and_what_decides_nothing_is_not() -> None:
    gate = {"gate": True, "threshold": 0.5, "params": {"folder": "here", "digest": "abc"}}
    elsewhere = {**gate, "together": False, "params": {"folder": "there", "digest": "abc"}, "range": [0, 1]}
    assert differing({"a": gate, "b": {"weight": 0}}, {"a": elsewhere}) == []  # as files said it before `together`
    changed = {**gate, "together": True, "params": {"folder": "here", "digest": "abd"}}
    assert differing({"a": gate}, {"a": changed}) == ["a.together", "a.params"]
    for key, value in (
        ("empty", "zero"),
        ("arguments", {"least": 2}),
        ("version", "2"),
        ("weight", 1),
        ("threshold", 0),
    ):
        assert differing({"a": gate}, {"a": {**gate, key: value}}) == [f"a.{key}"]
    paid = {"weight": 0.5}
    assert differing({"a": paid}, {"a": {"weight": 0}}) == ["a.weight"]
    for one, other in (({"a": paid}, {}), ({}, {"a": paid})):
        assert differing(one, other) == ["a in one of them only"]


def test_of_what_gates_say_together_only_those_that_the_edit_did_not_pass_are_told() -> None:
    made = {
        "edits": [{"sentence_id": 1, "failed_gates": ["short", "kind together"]}, {"sentence_id": 2}],
        "sentences": [
            {"sentence_id": 1, "together": {"short": {"passed": True}, "kind": {"passed": False}}},
            {"sentence_id": 2, "together": {"kind": {"passed": True}}},
        ],
    }
    assert [together(made, edit) for edit in made["edits"]] == [{"kind": {"passed": False}}, {}]
