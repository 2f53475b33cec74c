"""What a decision says, what is refused, and that a comparison is blind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rewards.errors import RecordError, RewardsError
from rewards_eval.review.session import CHOICES, Comparison, Review
from rewards_eval.review.sources import Source, read_sources
from tests import pages
from tests.conftest import record, write_lines


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    """Two systems on nine arguments; the second changes nothing in the last."""
    raw = [record(i) for i in range(9)]
    first = pages.score(tmp_path, *raw)
    longer = [{**one, "edits": [{**one["edits"][0], "rewritten_part": "far too"}]} for one in raw]
    second = [*pages.score(tmp_path, *longer)[:8], first[8]]
    paths = [write_lines(tmp_path / "anna.jsonl", *first), write_lines(tmp_path / "bert.jsonl", *second)]
    return read_sources(paths, [])


def test_a_decision_says_all_that_one_must_know(sources: list[Source]) -> None:
    review = Review(sources, "me")
    posted = {
        "argument": 3,
        "system": "anna",
        "edit": 1,
        "decision": "amend",
        "amended": ", please",
        "scores_shown": True,
    }
    line = dict(review.line(posted))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "version": 1, "kind": "edit", "reviewer": "me", "id": 3, "issue": "Should lunch be longer?", "system": "anna",
        "edit": 1, "sentence_id": 1, "start": 22, "before": ", duh", "after": "", "reason": "Toxic Emotions",
        "sentence": "Lunch is way too short, duh.", "argument": "Lunch is way too short, duh. Everybody knows it.",
        "accepted": True, "scores": {"shortness": 1.0, "busyness": 2.0}, "file": "anna.jsonl", "digest": sources[0].digest,
        "decision": "amend", "amended": ", please", "scores_shown": True,
    }  # fmt: skip
    assert line["sentence"][line["start"] :].startswith(line["before"])
    assert review.state([line]) == [
        {"argument": 3, "system": "anna", "edit": 1, "decision": "amend", "amended": ", please"}
    ]
    assert review.covered([line]) == (1, 28)


def test_a_decision_says_of_its_own_edit_whether_it_was_accepted(tmp_path: Path) -> None:
    (one,) = pages.score(tmp_path, record())
    one["edits"][1] |= {"accepted": False}
    review = Review(read_sources([write_lines(tmp_path / "anna.jsonl", one)], []), "me")
    posted = {"argument": 0, "system": "anna", "decision": "reject", "amended": "left over", "scores_shown": "false"}
    lines = [review.line({**posted, "edit": index}) for index in (0, 1)]
    assert [line["accepted"] for line in lines] == [True, False]
    assert [(line["amended"], line["scores_shown"]) for line in lines] == [(None, False)] * 2
    longest = "x" * 20_000
    assert review.line({**posted, "edit": 0, "decision": "amend", "amended": longest})["amended"] == longest


def test_an_argument_that_a_system_lacks_is_refused(tmp_path: Path) -> None:
    (first,), (second,) = pages.score(tmp_path, record(2**60)), pages.score(tmp_path, record(2**60 + 1))
    paths = [write_lines(tmp_path / "a.jsonl", first), write_lines(tmp_path / "b.jsonl", second)]
    review = Review(read_sources(paths, []), "me")
    assert [argument["id"] for argument in review.data()["arguments"]] == [str(2**60), str(2**60 + 1)]
    assert review.line({"argument": 1, "system": "b", "edit": 0, "decision": "accept"})["id"] == 2**60 + 1
    with pytest.raises(RecordError, match="argument: this system does not have it"):
        review.line({"argument": 1, "system": "a", "edit": 0, "decision": "accept"})


def test_decisions_on_what_has_changed_do_not_count(sources: list[Source]) -> None:
    review = Review(sources, "me")
    line = review.line({"argument": 3, "system": "anna", "edit": 1, "decision": "accept"})
    assert review.state([{**line, "after": "else"}]) == []
    assert Review(sources, "you").state([line]) == []


@pytest.mark.parametrize(
    ("posted", "field"),
    [
        ({}, "system"),
        ({"system": "nobody"}, "system"),
        ({"argument": "3"}, "argument"),
        ({"argument": 9}, "argument"),
        ({"argument": None}, "argument"),
        ({"edit": 2}, "edit"),
        ({"edit": 9}, "edit"),
        ({"edit": True}, "edit"),
        ({"edit": -1}, "edit"),
        ({"decision": "maybe"}, "decision"),
        ({"decision": ["accept"]}, "decision"),
        ({"decision": "amend"}, "amended"),
        ({"decision": "amend", "amended": "x" * 20_001}, "amended"),
    ],
)
def test_what_is_no_decision_is_refused(sources: list[Source], posted: dict[str, Any], field: str) -> None:
    good = {"argument": 3, "system": "anna", "edit": 0, "decision": "accept"}
    assert Review(sources, "me").line(good)
    with pytest.raises(RecordError) as refused:
        Review(sources, "me").line({**good, **posted} if posted else {})
    assert refused.value.field == field


def test_a_comparison_is_blind_and_drawn_by_its_seed(sources: list[Source]) -> None:
    comparison = Comparison(sources, "me", 7)
    shown = json.dumps(comparison.data())
    assert not any(word in shown for word in ("anna", "bert", *(source.digest for source in sources)))
    assert comparison.data() == Comparison(sources, "me", 7).data()
    assert comparison.data()["trials"] != Comparison(sources, "me", 8).data()["trials"]
    assert (len(comparison.trials), comparison.same) == (8, 1)
    sides = [comparison.line({"trial": i, "decision": "left"})["left_system"] for i in range(8)]
    assert set(sides) == {"anna", "bert"}
    assert [comparison.line({"trial": i, "decision": "left"})["id"] for i in range(8)] != list(range(8))


def test_a_comparison_shows_the_text_that_a_record_states(tmp_path: Path) -> None:
    """It may be another than what the accepted edits make of the argument, as where an editor smoothed it."""
    (one,) = pages.score(tmp_path, record())
    paths = [write_lines(tmp_path / "anna.jsonl", {**one, "argument_after_accepted": "A text of its own."})]
    paths += [write_lines(tmp_path / "bert.jsonl", one)]
    comparison = Comparison(read_sources(paths, []), "me", 7)
    texts = {"A text of its own.", one["argument_after_accepted"]}
    (trial,) = comparison.data()["trials"]
    assert {side["after"] for side in trial["sides"]} == texts
    line = comparison.line({"trial": 0, "decision": "tie"})
    assert {line["left_text"], line["right_text"]} == texts


def test_a_comparison_says_which_system_was_preferred(sources: list[Source]) -> None:
    comparison = Comparison(sources, "me", 7)
    line = dict(comparison.line({"trial": 0, "decision": "right", "changes_shown": True}))
    right = next(source for source in sources if source.name == line["right_system"])
    assert line.pop("time").endswith("+00:00")
    assert line["preferred"] == right.name
    assert line["right_text"] == right.records[str(line["id"])]["argument_after_accepted"]
    assert (line["right_file"], line["right_digest"]) == (right.file, right.digest)
    assert set(line) == {
        "version", "kind", "reviewer", "id", "issue", "argument", "decision", "preferred", "seed", "changes_shown",
        *(f"{side}_{what}" for side in ("left", "right") for what in ("system", "text", "file", "digest")),
    }  # fmt: skip
    assert line["changes_shown"] is True
    assert comparison.line({"trial": 0, "decision": "tie"})["preferred"] is None
    assert Comparison(sources, "you", 7).state([line]) == []


def test_the_digest_is_of_files_reviewer_and_seed(sources: list[Source]) -> None:
    sessions = [
        *(Review(some, reviewer) for some in (sources, sources[:1]) for reviewer in ("me", "you")),
        *(Comparison(sources, reviewer, seed) for reviewer in ("me", "you") for seed in (0, 1)),
    ]
    assert len({session.digest for session in sessions}) == len(sessions)
    assert Comparison(sources, "me").digest == Comparison(sources, "me").digest
    changed = [replace(sources[0], digest="else"), sources[1]]
    renamed = [replace(sources[0], name="else"), sources[1]]
    assert len({Review(some, "me").digest for some in (sources, changed, renamed)}) == 3


def test_decisions_of_another_seed_are_shown_on_the_side_where_the_system_stands(sources: list[Source]) -> None:
    old, new = Comparison(sources, "me", 7), Comparison(sources, "me", 8)
    lines = [old.line({"trial": i, "decision": "left"}) for i in range(8)]
    state = {item["trial"]: item["decision"] for item in new.state(lines)}
    preferred = {line["id"]: line["preferred"] for line in lines}
    assert set(state.values()) == {"left", "right"}
    for trial, decision in state.items():
        line = new.line({"trial": trial, "decision": decision})
        assert line["preferred"] == preferred[line["id"]]


def test_a_preference_does_not_hold_for_other_texts(tmp_path: Path, sources: list[Source]) -> None:
    lines = [Comparison(sources, "me").line({"trial": i, "decision": "left"}) for i in range(8)]
    raw = [record(i) for i in range(9)]
    raw[3]["edits"][0] |= {"rewritten_part": "a little too"}
    paths = [write_lines(tmp_path / "anna.jsonl", *pages.score(tmp_path, *raw)), tmp_path / "bert.jsonl"]
    now = Comparison(read_sources(paths, []), "me")
    assert now.covered(lines) == (7, 8)
    (changed,) = set(range(8)) - {item["trial"] for item in now.state(lines)}
    assert now.line({"trial": changed, "decision": "tie"})["id"] == 3


@pytest.mark.parametrize("posted", [{}, {"trial": 8}, {"trial": -1}, {"trial": True}, {"trial": 0, "decision": "both"}])
def test_what_is_no_choice_is_refused(sources: list[Source], posted: dict[str, Any]) -> None:
    assert all(Comparison(sources, "me").line({"trial": 0, "decision": choice}) for choice in CHOICES)
    with pytest.raises(RecordError):
        Comparison(sources, "me").line({"decision": "left", **posted})


def test_files_that_do_not_go_together_are_refused(tmp_path: Path, sources: list[Source]) -> None:
    (other,) = pages.score(tmp_path, record(3, sentences=["Lunch is way too short, duh.", "No."]))
    paths = [tmp_path / "anna.jsonl", write_lines(tmp_path / "other.jsonl", other)]
    with pytest.raises(RewardsError, match="id 3 is another argument in 'other' than in 'anna'"):
        read_sources(paths, [])
    (far,) = pages.score(tmp_path, record("far"))
    paths[1] = write_lines(tmp_path / "far.jsonl", far)
    with pytest.raises(RewardsError, match="'anna' and 'far' have no id in common"):
        Comparison(read_sources(paths, []), "me")
    same = Comparison(read_sources([paths[0]] * 2, ["a", "b"]), "me")
    assert (same.trials, same.same) == ([], 9)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([b""], "holds no records: there is nothing to review"),
        ([record()], "line 1: status: is missing or of the wrong type"),
        ([record()], "`rewards score .*in.jsonl -o OUT` makes a file to review"),
        ([b"{\n"], "line 1: not JSON"),
    ],
)
def test_a_file_that_is_not_scored_is_named_with_its_line(tmp_path: Path, lines: list[Any], says: str) -> None:
    with pytest.raises(RewardsError, match=says):
        read_sources([write_lines(tmp_path / "in.jsonl", *lines)], [])


def test_an_id_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    scored = pages.score(tmp_path, record(), record())
    with pytest.raises(RewardsError, match='line 2: id "one" is there twice'):
        read_sources([write_lines(tmp_path / "in.jsonl", *scored)], [])


def test_names_must_fit_the_files(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "in.jsonl", *pages.score(tmp_path, record()))
    with pytest.raises(RewardsError, match="--name was given 1 times for 2 files"):
        read_sources([path, path], ["a"])
    with pytest.raises(RewardsError, match="two systems would be called 'in'; tell them apart with --name"):
        read_sources([path, path], [])
    assert [source.name for source in read_sources([path, path], ["a", "b"])] == ["a", "b"]
