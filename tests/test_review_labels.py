"""What people decided in a review holds rewards to account in `rewards eval --labels`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rewards.errors import RewardsError
from rewards_eval.labels import read_labels
from rewards_eval.review.session import Comparison, Review
from rewards_eval.review.sources import read_sources
from tests import pages
from tests.conftest import command, record, write_lines


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
