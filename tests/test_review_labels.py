"""What people decided in a review holds rewards to account in `rewards eval --labels`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rewards.errors import RewardsError
from rewards_eval.labels import read_labels
from rewards_eval.review.agreement import read_reviews
from rewards_eval.review.session import Comparison, Review
from rewards_eval.review.sources import read_sources
from tests import pages
from tests.conftest import command, record, write_lines
from tests.test_review_journal import line


def test_decisions_are_labels(tmp_path: Path) -> None:
    longer = {"sentence_id": 2, "inappropriate_part": "Everybody", "rewritten_part": "Everybody here", "reason": "x"}
    raw = [{**record(i), "edits": [*record()["edits"][:2], longer]} for i in range(4)]
    path = write_lines(tmp_path / "sys.jsonl", *pages.score(tmp_path, *raw))
    sources = read_sources([path], [])
    ann, ben = Review(sources, "ann"), Review(sources, "ben")
    wishes = [(i, edit, "accept" if edit < 2 else "reject") for i in range(4) for edit in range(3)]
    wishes += [(0, 2, "accept"), (0, 2, "amend"), (1, 0, "accept"), (1, 0, "clear")]
    posts = [
        {"argument": i, "system": "sys", "edit": edit, "decision": what, "amended": ""} for i, edit, what in wishes
    ]
    lines = [ann.line(post) for post in posts] + [ben.line({**posts[0], "decision": "reject"})]
    decisions = write_lines(tmp_path / "d.jsonl", *lines)
    labels = read_labels(str(decisions)).values["decision"]
    assert len(labels) == 11  # twelve edits, one taken back
    assert sorted(labels.values()) == [0.0] * 4 + [0.5] + [1.0] * 6
    done = command("eval", path, "-o", tmp_path / "out", "--labels", decisions, "--no-measure")
    assert done.returncode == 0, done.stderr.decode()
    tables = {table["id"]: table for table in json.loads((tmp_path / "out" / "report.json").read_bytes())["tables"]}
    rows = {row["label"]: row["cells"] for row in tables["agreement"]["rows"]}
    auc = rows["shortness ~ decision"]["auc"]
    assert (auc["value"], auc["n"]) == (1.0, 11)


def test_comparisons_are_no_labels_of_edits(tmp_path: Path) -> None:
    first = pages.score(tmp_path, record())
    second = pages.score(tmp_path, record(edits=[]))
    paths = [write_lines(tmp_path / "a.jsonl", *first), write_lines(tmp_path / "b.jsonl", *second)]
    line = Comparison(read_sources(paths, []), "ann").line({"trial": 0, "decision": "left"})
    path = write_lines(tmp_path / "d.jsonl", line)
    with pytest.raises(RewardsError, match=r"d\.jsonl holds no decisions on edits that stand"):
        read_labels(str(path))


def test_decisions_on_equal_edits_are_kept_apart(tmp_path: Path) -> None:
    same = {"sentence_id": 1, "inappropriate_part": "very", "rewritten_part": "quite", "reason": "x"}
    raw = [
        {**record(i), "sentences": [f"It is very bad, very {i} and very sad."], "edits": [same] * 3} for i in range(4)
    ]
    path = write_lines(tmp_path / "sys.jsonl", *pages.score(tmp_path, *raw))
    review = Review(read_sources([path], []), "ann")
    decided = {0: "reject", 1: "reject", 2: "accept"}
    posts = [
        {"argument": i, "system": "sys", "edit": edit, "decision": what}
        for i in range(4)
        for edit, what in decided.items()
        if i or edit  # of the first argument the first edit is left open
    ]
    decisions = write_lines(tmp_path / "d.jsonl", *map(review.line, posts))
    labels = read_labels(str(decisions)).values["decision"]
    assert sorted(labels.values()) == [0.0] * 7 + [1.0] * 4
    done = command("eval", path, "-o", tmp_path / "out", "--labels", decisions, "--no-measure")
    assert done.returncode == 0, done.stderr.decode()
    assert b"sys: 11 of the 11 things labelled" in done.stdout


@pytest.mark.parametrize("word", ["maybe", "Accept", "left"])
def test_a_word_that_is_no_decision(tmp_path: Path, word: str) -> None:
    path = write_lines(tmp_path / "d.jsonl", line(), line(1, word), line(reviewer="ben"))
    message = rf"d\.jsonl, line 2: decision: expected one of accept, reject, amend, clear; found '{word}'"
    with pytest.raises(RewardsError, match=message):
        read_labels(str(path))
    with pytest.raises(RewardsError, match=message):
        read_reviews([path])


def test_a_folder_cannot_be_reviewed() -> None:
    done = command("review", ".")
    assert (done.returncode, done.stderr.decode()) == (2, "error: . is a folder; give a scored file\n")
