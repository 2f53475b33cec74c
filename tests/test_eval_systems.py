"""Files that do not fit: each is refused with file, line and remedy, and nothing is guessed."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rewards.errors import ConfigError, RewardsError
from rewards.plan import SuitePlan
from rewards_eval import authors, labels, notes, references, systems
from rewards_eval.names import choose_names
from rewards_eval.review.session import Review
from rewards_eval.review.sources import read_sources
from rewards_eval.run import Options, run
from rewards_eval.systems import System, read_system
from rewards_eval.values import collect
from tests.conftest import command, record, write_lines
from tests.scored import edit, scored


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return scored(tmp_path, "good.jsonl", *(record(i, edits=[edit("way too", "too")]) for i in (1, 2, 3)))


def changed(path: Path, line: int, **values: Any) -> None:
    """Change keys of one record of a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[line - 1] = json.dumps(json.loads(lines[line - 1]) | values)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def refused(message: str, *files: Path, **more: Any) -> None:
    with pytest.raises(RewardsError, match=f"^{message}$"):
        run(Options([str(file) for file in files], files[0].parent / "out", **more))


def test_a_file_half_written(good: Path) -> None:
    good.write_bytes(good.read_bytes()[:-40])
    refused(
        re.escape(f"{good}, line 3: not JSON: ") + ".*" + re.escape(
            "; the file ends in the middle of a record: end its run with --resume, or remove this line"), good,
    )  # fmt: skip


def test_a_line_that_is_no_record(good: Path) -> None:
    changed(good, 2, edits=3)
    message = "edits: is missing or of the wrong type: this is not a file that `rewards score` wrote"
    refused(re.escape(f"{good}, line 2: {message}; score the file again, or remove this line"), good)


def test_one_id_twice(good: Path) -> None:
    changed(good, 3, id=1)
    refused(re.escape(f"{good}: id 1 stands on line 1 and on line 3 of {good}; ids must be unique") + ".*", good)


def test_another_argument_under_one_id(good: Path, tmp_path: Path) -> None:
    other = scored(tmp_path, "other.jsonl", record(2, sentences=["Dinner is way too late."], edits=[]))
    refused(
        re.escape(f"id 2 is one argument in {good} ('Lunch is way too short, duh. Everybody knows it.') and another in"
                  f" {other} ('Dinner is way too late.'); ids must name the same argument in every file"), good, other,
    )  # fmt: skip


def test_arguments_are_quoted_where_they_differ(tmp_path: Path) -> None:
    same = "Lunch is too short, and everybody who eats here knows that it has been so for years."
    long = scored(
        tmp_path,
        "long.jsonl",
        record(1, sentences=[same, "Nobody does anything, whatever is said or written about it."], edits=[]),
    )
    short = scored(tmp_path, "short.jsonl", record(1, sentences=[same, "Now what?"], edits=[]))
    message = (
        f"id 1 is one argument in {long} (…'een so for years. Nobody does anything, whatever is said or '…) and another in"
        f" {short} (…'een so for years. Now what?'); ids must name the same argument in every file"
    )
    refused(re.escape(message), long, short)


def test_nothing_in_common(good: Path, tmp_path: Path) -> None:
    other = scored(tmp_path, "other.jsonl", record("1", edits=[]), record("2", edits=[]))
    refused(
        re.escape("the files have no id in common (as text they would be the same: some files hold numbers, others"
                  f" strings): {good}: 1, 2, 3; {other}: '1', '2'; give records the same `id` in every file"), good, other,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"score": 1, "id": 2}\n', ", line 1: unknown dialect \\(id, score\\); expected .*"),
        (b"[1, 2]\n", ", line 1: unknown dialect \\(no object\\); expected .*"),
        (b"", " holds no records"),
        (b'{"id": 1,\n', ", line 1: not JSON: .*"),
    ],
)
def test_an_unknown_dialect(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    refused(re.escape(str(path)) + message, path)


def test_names(good: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    other = scored(tmp_path / "more", "good.scored.jsonl", record(1, edits=[]))
    refused("two systems would be called 'good'; tell them apart with --name, one for each file", good, other)
    refused("--name was given 1 times for 2 files; give one for each, in order", good, other, names=("a",))
    assert choose_names(["a/x.scored.jsonl", "y.generated.jsonl.gz"], []) == ["x", "y"]


def test_options_that_do_not_fit(good: Path, tmp_path: Path) -> None:
    for given in (Options(["-"], tmp_path / "out"), Options([str(good)], tmp_path / "out", labels="-")):
        with pytest.raises(RewardsError, match="- is read more than once, so it cannot be standard input or a pipe"):
            run(given)
    done = command("eval", good, "-o", good)
    assert (done.returncode, done.stderr.decode()) == (2, f"error: -o {good} is a file; give a folder\n")
    done = command("eval", good, "-o", tmp_path / "out", "--suite", "default")
    assert done.returncode == 2
    assert b"--suite says how to score, but every FILE is scored already" in done.stderr
    assert not (tmp_path / "out").exists()


def test_options_that_compute_nothing(good: Path, tmp_path: Path) -> None:
    for plan in (SuitePlan(models={"perplexity": "x"}), SuitePlan(profile="full")):
        with pytest.raises(ConfigError, match="every FILE is scored already; add --measure"):
            run(Options([str(good)], tmp_path / "out", plan=plan))


@pytest.mark.parametrize(
    ("read", "line", "message"),
    [
        (references.read_references, {"rewrite": "x"}, "no `id`; a reference says which argument it rewrites"),
        (references.read_references, {"id": 1, "rewrite": 3}, "no rewrite; expected a text, or a list of texts, in .*"),
        (references.read_references, [1], "expected an object, found a list"),
        (labels.read_labels, {"id": 1, "label": "x" * 500}, "label: expected true or false, .*; found 'x{99}"),
        (labels.read_labels, {"label": 1}, "no `id`; a label says which argument it is about"),
        (
            references.read_references,
            {"id": 1.5, "rewrite": "x"},
            "id: expected a string or an integer, found a number",
        ),
        (labels.read_labels, {"id": 2.0**64, "label": 1}, "id: is too large a number .*; write it as a string"),
        (labels.read_labels, {"kind": [], "label": 1}, "no `id`; a label says which argument it is about"),
        (labels.read_labels, {"id": 1, "edit": "first", "label": 1}, "edit: expected an edit's place .*"),
        (labels.read_labels, {"id": 1, "label": "perhaps"}, "label: expected true or false, a number, .*'perhaps'"),
    ],
)
def test_references_and_labels_that_cannot_be_read(
    tmp_path: Path, read: Callable[[str], Any], line: dict[str, Any], message: str
) -> None:
    path = write_lines(tmp_path / "x.jsonl", line)
    with pytest.raises(RewardsError, match=f"^{re.escape(str(path))}, line 1: {message}$"):
        read(str(path))


def test_an_id_is_read_alike_in_every_file(tmp_path: Path) -> None:
    stated = {"id": None, "post_id": 1.0}
    path = write_lines(tmp_path / "x.jsonl", {**stated, "argument": "a", "rewrite": "b", "label": 1})
    assert systems.stated_ids(str(path)) == [1]
    assert list(references.read_references(str(path))) == [1]
    assert labels.read_labels(str(path)).units == {(1, None)}
    assert authors.to_record({**AUTHORS, **stated}, 9)["id"] == 1


AUTHORS: dict[str, Any] = {
    "post_id": 5, "issue": "Lunch?", "argument": "It is too short. I know.",
    "argument_after_edits": "It is short. I know.", "argument_after_all_edits": "It is short.",
    "metrics": {"App": 1.0, "Sim": 0.9, "NES": 0.8, "PPL": 30.0},
    "metrics_all": {"App": 0.0, "Sim": 0.7, "NES": 0.6, "PPL": None},
    "predicted_scores_before": {"Inappropriateness": 1.0}, "predicted_scores_after": {"Inappropriateness": 0.0},
    "predicted_scores_after_all": {"Inappropriateness": 1.0},
    "edits": [
        {"reason": "Other Reasons", "inappropriate_part": "too ", "rewritten_part": "", "valid": True, "reason_correct": True,
         "original_sentence": "It is too short.", "sentence_id": 1,
         "rewards": {"semantic_similarity": 1.0, "fluency": 1.0, "human_like": 1.0, "app": 1.0, "perfect": 1.0}},
        {"reason": "Other Reasons", "inappropriate_part": "nope", "rewritten_part": "", "valid": False, "reason_correct": False,
         "original_sentence": "", "sentence_id": 7,
         "rewards": {"semantic_similarity": 0.0, "fluency": 0.0, "human_like": 0.0, "app": 0.0, "perfect": 0.0}},
    ],
}  # fmt: skip


def test_the_authors_dialect_can_be_reviewed(tmp_path: Path) -> None:
    (source,) = read_sources([write_lines(tmp_path / "theirs.jsonl", AUTHORS)], [])
    review = Review([source], "me")
    assert [one["id"] for one in review.data()["arguments"]] == [5]
    line = review.line({"argument": 0, "system": "theirs", "edit": 0, "decision": "reject"})
    assert (line["id"], line["start"], line["before"], line["accepted"]) == (5, 6, "too ", True)


def test_the_authors_dialect_is_told_by_its_shape(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "any.name", AUTHORS)
    assert systems.detect(str(path)) == "authors"
    found = systems.read_system(str(path), "x", "authors").records[5]
    assert [one["before"] for one in found["sentences"]] == ["It is too short.", "I know."]
    assert [(one["valid"], one["start"], one["accepted"], one["sentence_id"]) for one in found["edits"]] == [
        (True, 6, True, 1), (False, None, False, None),
    ]  # fmt: skip
    assert found["rewards"] == {
        "semantic_similarity": 1.0, "fluency": 1.0, "pattern_conformity": 1.0, "appropriateness": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"post_id": [5]}, "post_id: expected a string or an integer, found a list"),
        ({"metrics": 3}, "metrics: is missing or no dict, as the authors' scored files have it"),
        ({"argument": "Something else."}, "argument: sentence 1 of its edits does not occur in the argument"),
        ({"predicted_scores_after": {}}, "predicted_scores_after: expected numbers, 'Inappropriateness' among them"),
        ({"metrics": {"Sim": "high"}}, "metrics.Sim: expected a number or null"),
        ({"edits": [{}]}, "edits[0].inappropriate_part: is missing or of the wrong type in the authors' scored file"),
    ],
)
def test_a_record_of_the_authors_that_does_not_fit(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = write_lines(tmp_path / "x.jsonl", AUTHORS | change)
    refused(re.escape(f"{path}, line 1: {message}; score the file again, or remove this line"), path)


@pytest.mark.parametrize(
    ("stated", "differing"),
    [
        ({"keeps": {"gate": True, "weight": 0, "threshold": 0.5}}, ""),
        ({"keeps": {"gate": True, "weight": 0, "threshold": 0.6}}, "keeps.threshold"),
        ({"keeps": {"gate": True, "weight": 0, "threshold": 0.5}, "more": {"gate": False, "weight": 0}}, ""),
        ({"keeps": {"gate": True, "weight": 0, "threshold": 0.5}, "more": {"gate": False, "weight": 2}}, "more in one"),
    ],
)
def test_suites_differ_by_what_they_accept_and_pay(tmp_path: Path, stated: dict[str, Any], differing: str) -> None:
    files = [scored(tmp_path, name, record(1, edits=[])) for name in ("one.jsonl", "two.jsonl")]
    for file, rewards in zip(files, ({"keeps": {"gate": True, "weight": 0, "threshold": 0.5}}, stated), strict=True):
        file.with_name(f"{file.name}.meta.json").write_text(json.dumps({"rewards": rewards}), encoding="utf-8")
    systems = [read_system(str(file), file.name, "scored") for file in files]
    said = list(notes._incomparable(systems))
    assert bool(said) == bool(differing)
    assert differing in "".join(said)


def test_values_take_no_more_memory_than_their_numbers(good: Path) -> None:
    first, *_ = read_system(str(good), "one", "scored").records.values()
    many = System("one", "one.jsonl", "", "scored", {0: {i: {**first, "id": i} for i in range(2_000)}})
    common = systems.compare([many])
    collect(common, {})  # imports what it needs
    tracemalloc.start()
    try:
        values = collect(common, {})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * values.data.nbytes
