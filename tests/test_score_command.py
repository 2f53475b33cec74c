"""`rewards score` as a user runs it, with rewards that need no model."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.conftest import ROOT, command, read_lines, record, start, write_lines
from tests.forked import Started

EXAMPLES = ROOT / "rewards" / "examples.jsonl"
KEYS = [
    "id", "status", "error", "failures", "reward", "rewards", "issue", "format", "problem", "edits", "sentences",
    "argument", "argument_after_accepted", "argument_after_all", "details",
]  # fmt: skip


def score(*arguments: Any, **more: Any) -> subprocess.CompletedProcess[bytes]:
    return command("score", *arguments, "--reward", "format", **more)


def test_one_output_record_per_input_record_in_order(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", *(record(name) for name in "abc"))
    done = score(source, "-o", tmp_path / "out.jsonl")
    assert done.returncode == 0, done.stderr
    found = read_lines(tmp_path / "out.jsonl")
    assert [one["id"] for one in found] == ["a", "b", "c"]
    assert all(list(one) == KEYS for one in found)
    first = found[0]
    assert first["rewards"] == {"format": pytest.approx(2 / 3)}
    assert [edit["invalid_reason"] for edit in first["edits"]] == [
        None,
        None,
        "its part does not occur in its sentence",
    ]
    assert first["argument_after_accepted"] == "Lunch is too short. Everybody knows it."
    assert [sentence["before"] for sentence in first["sentences"]] == record()["sentences"]
    assert b"format" in done.stderr
    assert b"3 records" in done.stderr


def test_the_header_says_how_the_file_was_made(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", record(), b"broken\n")
    assert score(source, "-o", tmp_path / "out.jsonl").returncode == 1
    header = json.loads((tmp_path / "out.jsonl.meta.json").read_text())
    assert header["rewards"]["format"]["distribution"] == "appropriateness-rewards"
    assert header["counts"]["records"] == 1
    assert header["counts"]["rejected"] == 1
    assert {"suite", "profile", "models", "versions", "seed", "created", "features"} <= set(header)
    assert {"python", "torch", "transformers", "tokenizers", "rapidfuzz", "sentencex"} <= set(header["versions"])
    assert header["source_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    options = ("format", "limit", "batch_size", "token_budget")
    assert [header[one] for one in options] == [None, None, 64, 0]
    given = ("--format", "rewrite", "--limit", 1, "--batch-size", 2, "--token-budget", 3)
    assert score(source, "-o", tmp_path / "other.jsonl", *given).returncode == 0
    header = json.loads((tmp_path / "other.jsonl.meta.json").read_text())
    assert [header[one] for one in options] == ["rewrite", 1, 2, 3]


def test_a_result_is_made_again_from_what_its_header_says(tmp_path: Path) -> None:
    quality = ("--set", "edit_quality.power=2", "--set", "edit_quality.weight=0.3", "--set", "edit_quality.empty=zero")
    plain = ("--set", "plain_text.gate=true", "--set", "plain_text.together=true", "--set", "plain_text.threshold=0.25")
    rewards = ("--reward", "edit_quality", "--reward", "plain_text")
    first = score(EXAMPLES, "-o", tmp_path / "first.jsonl", *rewards, *quality, *plain)
    assert first.returncode == 0, first.stderr
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    (tmp_path / "again.py").write_text(
        next(code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "meta.json" in code),
        encoding="utf-8",
    )
    (tmp_path / "first.jsonl.meta.json").rename(tmp_path / "scored.jsonl.meta.json")
    subprocess.run([sys.executable, "again.py"], cwd=tmp_path, check=True)
    again = command("score", EXAMPLES, "-o", tmp_path / "again.jsonl", "--suite", tmp_path / "again.yaml")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "first.jsonl").read_bytes()


def test_stdout_holds_results_only(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", record(), [3])
    done = score(source)
    assert done.returncode == 1
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["one"]
    assert b'rejected: {"line":2' in done.stderr


def test_standard_input(tmp_path: Path) -> None:
    done = score("-", stdin=json.dumps(record()).encode())
    assert json.loads(done.stdout)["id"] == "one"


def test_gzip_and_parquet_give_what_jsonl_gives(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    rows = [record("a"), record("b")]
    plain = write_lines(tmp_path / "in.jsonl", *rows)
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "in.parquet")
    outputs = [score(tmp_path / name).stdout for name in ("in.jsonl", "in.jsonl.gz", "in.parquet")]
    assert outputs[0]
    assert outputs[0] == outputs[1] == outputs[2]


def test_standard_input_and_pipes_may_be_gzipped_and_no_parquet(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    source = write_lines(tmp_path / "in.jsonl", record("a"))
    parquet.write_table(pyarrow.Table.from_pylist([record("a")]), tmp_path / "in.parquet")
    packed = gzip.compress(source.read_bytes())
    assert score("-", stdin=packed).stdout == score(source).stdout
    for given, told in (
        (packed[:40], b"standard input cannot be read as gzip"),
        (
            (tmp_path / "in.parquet").read_bytes(),
            b"standard input gives Parquet, which is read from files only: save it",
        ),
        (b'{\n "a": 1}', b"standard input has JSON over several lines; write one record per line, as `jq -c .` does"),
    ):
        done = score("-", stdin=given)
        assert (done.returncode, told in done.stderr, done.stdout) == (2, True, b""), done.stderr


BAD = {
    b"not json\n": "not JSON",
    b'{"id": NaN}\n': "not JSON",
    b'{"argument": "\xff"}\n': "not valid UTF-8 at byte 14",
    b'"text"\n': "expected an object, found a string",
    b'{"argument": 5, "completion": "x"}\n': "expected a string, found a number",
    b'{"completion": "x"}\n': "no text",
    b'{"argument": "' + b"x" * 10_000_000 + b'", "completion": "x"}\n': "longer than 5,000,000 bytes",
    b"[" * 5000 + b"\n": "not JSON",
    b'{"argument": "a\\ud800", "completion": "x"}\n': "not JSON",
    b'{"argument": "A fool.", "completion": "x", "completion": "y"}\n': "stands twice in one object",
}


def test_bad_lines_are_rejected_with_line_field_and_reason_and_the_rest_is_scored(tmp_path: Path) -> None:
    lines: list[Any] = [record("first"), b"\n"]
    lines += BAD
    source = write_lines(tmp_path / "in.jsonl", *lines, record("last"))
    done = score(source, "-o", tmp_path / "out.jsonl")
    assert done.returncode == 1, done.stderr
    assert [one["id"] for one in read_lines(tmp_path / "out.jsonl")] == ["first", "last"]
    rejected = read_lines(tmp_path / "out.jsonl.rejected.jsonl")
    assert [one["line"] for one in rejected] == list(range(3, 3 + len(BAD)))
    for one, reason in zip(rejected, BAD.values(), strict=True):
        assert reason in one["reason"], one
    assert rejected[4]["field"] == "argument"
    assert len(rejected[6]["text"]) == 2000
    assert b"rejected.jsonl" in done.stderr
    assert "rejected 1×: not JSON" in done.stderr.decode()  # what is wrong is seen without opening the file
    counts = json.loads((tmp_path / "out.jsonl.meta.json").read_text())["counts"]
    assert sum(counts["rejections"].values()) == counts["rejected"] == len(BAD)


def test_a_table_is_refused_with_the_way_to_make_lines_of_it(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("issue,argument,rewrite\nTea?,It is vile.,It is bitter.\n", encoding="utf-8")
    done = score(tmp_path / "in.csv", "-o", tmp_path / "out.jsonl")
    assert done.returncode == 2
    told = done.stderr.decode()
    assert "in.csv is no JSONL; make one: python -c" in told
    program = told.partition('python -c "')[2].rpartition('"')[0]
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert score(tmp_path / "in.jsonl", "-o", tmp_path / "out.jsonl").returncode == 0
    (tmp_path / "empty.jsonl").touch()
    done = score(tmp_path / "empty.jsonl", "-o", tmp_path / "none.jsonl")
    assert done.returncode == 0
    assert b"there were no records to score" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.jsonl"], "nowhere.jsonl: no such file"),
        (["-", "--suite", "defualt"], "no suite is called 'defualt' (did you mean 'default'"),
        (["-", "--reward", "formt"], "no reward is called 'formt' (did you mean 'format'"),
        (
            ["-", "--reward", "format", "--format", "jsonedits"],
            "no format is called 'jsonedits' (did you mean 'json_edits'",
        ),
        (["-", "--reward", "format", "--set", "format.weigth=1"], "no argument 'weigth'"),
        (["-", "--reward", "format", "--set", "nonsense"], "expected NAME.KEY=VALUE"),
        (["-", "--profile", "big"], "no profile is called 'big'; there are embedded, full"),
        (["-", "--dtype", "int4"], "no dtype is called 'int4'; there are auto"),
        (["-", "--append"], "name them with --reward"),
        (["-", "--append", "--reward", "format"], "cannot be standard input"),
        (["x", "--append", "--reward", "format", "--format", "compact"], "it takes no --format"),
        (["-", "--resume"], "--resume needs -o OUT"),
        (["-", "--reward", "format", "-o", "no/such/folder/out.jsonl"], "the folder no/such/folder does not exist"),
        (["-", "--limit", "-1"], "--limit"),
        (["-", "--limit", "9" * 25], "'--limit': 9999999999999999999999999 is beyond 9,223,372,036,854,775,807"),
        (["-", "--token-budget", "9" * 25], "'--token-budget': 9999999999999999999999999 is beyond"),
        (
            ["-", "--reward", "fluency.params=~nobody-here/fit"],
            "nobody of that name has a home folder; write the whole path",
        ),
        (["--no-such-option"], "No such option"),
    ],
)
def test_usage_errors_say_what_to_do_and_exit_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("score", *arguments, stdin=b"")
    text = " ".join(done.stderr.decode().split())
    assert done.returncode == 2
    assert message in text
    assert "Traceback" not in text
    assert not done.stdout


@pytest.mark.parametrize("arguments", [["nowhere.jsonl"], ["--no-such-option"]])
def test_an_exit_code_outlives_a_standard_error_that_is_full(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-m", "rewards", "score", *arguments], stderr=full, check=False)
    assert done.returncode == 2


@pytest.mark.parametrize("more", [["-q"], [], ["-o", "out.jsonl"]])
def test_results_outlive_a_standard_error_that_is_full(tmp_path: Path, more: list[str]) -> None:
    source = write_lines(tmp_path / "in.jsonl", record("a"), b"no json\n", record("b"))
    run = [sys.executable, "-m", "rewards", "score", str(source), "--reward", "format", *more]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(run, stdout=subprocess.PIPE, stderr=full, cwd=tmp_path, check=False)
    results = (tmp_path / "out.jsonl").read_bytes() if "-o" in more else done.stdout
    assert (done.returncode, [json.loads(line)["id"] for line in results.splitlines()]) == (1, ["a", "b"])


def test_a_suite_file_with_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    suite = tmp_path / "mine.yaml"
    suite.write_text("description: x\nrewards:\n  format: {wieght: 1}\n")
    done = command("score", "-", "--suite", suite, stdin=b"")
    assert done.returncode == 2
    assert b"did you mean 'weight'" in done.stderr
    assert b"mine.yaml" in done.stderr


def test_limit(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", *(record(i) for i in range(9)))
    assert len(score(source, "--limit", 4).stdout.splitlines()) == 4


def test_append_adds_a_reward_to_every_shape_of_record_and_leaves_the_rest(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    gate = ["--set", "edit_length.gate=true", "--set", "format.weight=1"]
    first = command_with_toys(
        tmp_path, "score", EXAMPLES, "-o", out, "--reward", "format", "--reward", "edit_length", *gate
    )
    assert first.returncode == 0, first.stderr
    before, header = read_lines(out), json.loads((tmp_path / "out.jsonl.meta.json").read_text())
    assert len(before) >= 20
    done = command("score", out, "--append", "--reward", "edit_quality")
    assert done.returncode == 0, done.stderr
    qualities = []
    for old, new in zip(before, read_lines(out), strict=True):
        qualities.append(new["rewards"].pop("edit_quality"))
        assert new == old
    # The gates that each edit passed come from the file: quality is the share of edits that passed the one gate and change
    # something.
    assert qualities == [
        sum(edit["accepted"] and edit["before"] != edit["after"] for edit in old["edits"]) / len(old["edits"])
        if old["edits"]
        else 0.0
        for old in before
    ]
    merged = json.loads((tmp_path / "out.jsonl.meta.json").read_text())
    assert merged["rewards"]["edit_length"] == header["rewards"]["edit_length"]
    assert "edit_quality" in merged["rewards"]
    assert len(merged["appended"]) == 1
    assert merged["counts"]["records"] == len(before)
    assert merged["source_sha256"] == header["source_sha256"] != merged["appended"][0]["source_sha256"]
    assert merged["seconds"] == header["seconds"]
    assert f"{merged['appended'][0]['seconds']:.1f} s; results in".encode() in done.stderr  # of what it did itself


def test_an_invalid_edit_does_not_pass_with_its_sentence_when_a_reward_is_appended(tmp_path: Path) -> None:
    parts = ("way too", "Not there")
    edits = [{"sentence_id": 1, "inappropriate_part": p, "rewritten_part": "too", "reason": "x"} for p in parts]
    source, whole, appended = (tmp_path / f"{name}.jsonl" for name in ("in", "whole", "appended"))
    write_lines(source, record(edits=edits))
    name = "sentence_pattern_conformity"
    gate = ("--reward", name, "--set", f"{name}.gate=true", "--set", f"{name}.threshold=99")
    quality = ("--reward", "edit_quality", "--set", "edit_quality.unchanged=true")
    for done in (
        command("score", source, "-o", whole, *gate, *quality),
        command("score", source, "-o", appended, *gate),
        command("score", appended, "--append", *quality),
    ):
        assert done.returncode == 0, done.stderr
    (one,), (other,) = read_lines(whole), read_lines(appended)
    assert one["rewards"]["edit_quality"] == other["rewards"]["edit_quality"] == 0.5


CANCELLING = {
    "id": "two",
    "sentences": ["Ab cd ef."],
    "completion": "1 | Ab cd | Ab\n1 | ef | cd ef",
    "format": "compact",
}


def test_what_is_turned_down_together_is_told_and_counts_for_what_is_appended(tmp_path: Path) -> None:
    source, whole, parts = (
        write_lines(tmp_path / "in.jsonl", record(), CANCELLING),
        tmp_path / "whole.jsonl",
        tmp_path / "parts.jsonl",
    )
    suite = ("--reward", "reach", "--set", "reach.gate=true", "--set", "reach.together=true")
    for out, more in ((whole, ("--reward", "edit_quality", "--set", "edit_quality.weight=1")), (parts, ())):
        done = command_with_toys(tmp_path, "score", source, "-o", out, *suite, *more)
        assert done.returncode == 0, done.stderr
        assert b"4 edits pass every gate alone, but not together with others of their sentence" in done.stderr
    (scored, cancelled), (before, _) = read_lines(whole), read_lines(parts)
    assert [edit["failed_gates"] for edit in cancelled["edits"]] == [["changes nothing together"]] * 2
    assert [edit["failed_gates"] for edit in scored["edits"]] == [["reach together"]] * 2 + [[]]
    assert scored["sentences"][0]["together"]["reach"]["value"] == 18.0
    assert [sentence["together"] for sentence in scored["sentences"]][1:] == [{}]
    assert json.loads((tmp_path / "whole.jsonl.meta.json").read_text())["counts"]["turned_down_together"] == 4
    read = [sys.executable, str(ROOT / "examples" / "read_scores.py"), str(whole)]
    shown = subprocess.run(read, capture_output=True, check=True).stdout
    assert b"'way too' -> 'too'   (reach together 18.00)" in shown
    assert b"'ef' -> 'cd ef'   (changes nothing together)" in shown
    assert command("score", parts, "--append", "--reward", "edit_quality").returncode == 0
    after, same = read_lines(parts)
    assert (after["rewards"], same["rewards"]) == (scored["rewards"], cancelled["rewards"])
    assert same["rewards"]["edit_quality"] == 0.5
    assert after["rewards"]["edit_quality"] == pytest.approx((0.5 + 0.5) / 3)  # one of two passed, and one is invalid
    assert {**after, "rewards": before["rewards"]} == before
    refused = command_with_toys(
        tmp_path, "score", parts, "--append", "--reward", "edit_length", "--set", "edit_length.together=true"
    )
    assert b"--set edit_length.together: with --append what was accepted and paid stays as it is" in refused.stderr


def test_a_file_from_before_gates_judged_together_is_added_to_as_it_is(tmp_path: Path) -> None:
    out, meta = tmp_path / "out.jsonl", tmp_path / "out.jsonl.meta.json"
    gate = ("--reward", "reach", "--set", "reach.gate=true")
    assert (
        command_with_toys(tmp_path, "score", write_lines(tmp_path / "in.jsonl", record()), "-o", out, *gate).returncode
        == 0
    )
    (old,), header = read_lines(out), json.loads(meta.read_text())
    for sentence in old["sentences"]:
        del sentence["together"]
    del header["rewards"]["reach"]["together"], header["counts"]["turned_down_together"]
    write_lines(out, old)
    meta.write_text(json.dumps(header))
    done = command("score", out, "--append", "--reward", "edit_quality")
    assert done.returncode == 0, done.stderr
    assert b"together" not in done.stderr
    (new,) = read_lines(out)
    assert {**new, "rewards": old["rewards"]} == old
    assert new["rewards"]["edit_quality"] == pytest.approx(2 / 3)


def test_append_knows_what_was_rejected_and_what_is_undecided(tmp_path: Path) -> None:
    edits = [{"sentence_id": 1, "inappropriate_part": "is", "rewritten_part": "boom", "reason": "x"}]
    source = write_lines(tmp_path / "in.jsonl", record("good"), b"no json\n", {**record("failed"), "edits": edits})
    out = tmp_path / "out.jsonl"
    gate = ("--reward", "picky", "--set", "picky.gate=true", "--set", "format.weight=1", "--reward", "format")
    assert command_with_toys(tmp_path, "score", source, "-o", out, *gate).returncode == 1
    rejected = tmp_path / "out.jsonl.rejected.jsonl"
    before = rejected.read_bytes()
    done = command("score", out, "--append", "--reward", "changed_words", "--reward", "edit_quality")
    assert done.returncode == 1
    assert b"2 records (1 failed), 1 rejected" in done.stdout + done.stderr
    assert rejected.read_bytes() == before
    assert json.loads((tmp_path / "out.jsonl.meta.json").read_text())["counts"]["rejected"] == 1
    good, failed = read_lines(out)
    assert good["rewards"]["changed_words"] is not None
    # Nobody knows which of its edits are accepted, so there is no text to judge.
    assert (failed["rewards"]["changed_words"], failed["rewards"]["edit_quality"]) == (None, None)
    elsewhere = tmp_path / "new.jsonl"
    assert command("score", out, "--append", "--reward", "bertscore", "-o", tmp_path / "x.parquet").returncode == 2
    assert command("score", out, "--append", "--reward", "pattern_conformity", "-o", elsewhere).returncode == 1
    assert json.loads((tmp_path / "new.jsonl.meta.json").read_text())["counts"]["rejected"] == 1
    meta = tmp_path / "new.jsonl.meta.json"
    meta.unlink()
    whole = elsewhere.read_bytes()
    done = command("score", elsewhere, "--append", "--reward", "lost_content")
    assert done.returncode == 2
    assert f"{meta} is not there: it says which rewards decided what is accepted; score the file again" in str(
        done.stderr
    )
    assert elsewhere.read_bytes() == whole
    packed = tmp_path / "out.jsonl.gz"
    packed.write_bytes(gzip.compress(out.read_bytes()))
    done = command("score", packed, "--append", "--reward", "pattern_conformity")
    assert done.returncode == 2
    assert b"out.jsonl.gz: results are written as JSONL; give -o" in done.stderr


def test_processes_of_several_devices_log_as_one_does(tmp_path: Path) -> None:
    edits = [{"sentence_id": 1, "inappropriate_part": "is", "rewritten_part": "boom", "reason": "x"}]
    source = write_lines(tmp_path / "in.jsonl", *({**record(i), "edits": edits} for i in range(24)))
    options = ("--reward", "picky", "-o", tmp_path / "out.jsonl", "--batch-size", "2", "--device", "cpu,cpu")
    done = command_with_toys(tmp_path, "score", source, *options)
    assert done.returncode == 1
    assert b"\\x1b[2Jboom" in done.stderr
    assert b"\x1b[2Jboom" not in done.stderr
    assert done.stderr.count(b"ERROR rewards.scoring: reward 'picky'") in range(2, 7)  # three times a process


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record["rewards"].update(edit_quality=1.0), "rewards.edit_quality: is scored already"),
        (lambda record: record.update(details=None), "details: is missing or of the wrong type"),
        (lambda record: record["edits"][0].pop("scores"), "edits[0].scores: is missing"),
        (lambda record: record["edits"][0].update(before="changed"), "edits[0]: does not fit its sentence"),
        (lambda record: record.update(argument="another text"), "sentences: the sentences do not make up"),
        (lambda record: record.update(sentences=["text"]), "sentences[0].before: is missing"),
    ],
)
def test_append_is_all_or_nothing(tmp_path: Path, change: Any, message: str) -> None:
    out = tmp_path / "out.jsonl"
    score(write_lines(tmp_path / "in.jsonl", record("a"), record("b")), "-o", out)
    records = read_lines(out)
    change(records[1])
    write_lines(out, *records)
    whole = out.read_bytes()
    done = command("score", out, "--append", "--reward", "edit_quality")
    assert done.returncode == 2
    assert f"out.jsonl, line 2: {message}" in done.stderr.decode()
    assert b"nothing was changed" in done.stderr
    assert out.read_bytes() == whole
    assert not list(tmp_path.glob("*partial*"))


KILLED = """import os, pathlib, runpy, sys
program, step, name, *sys.argv[1:] = sys.argv
whole = getattr(pathlib.Path, step)
def killed(path, *more, **named):
    if path.name == name:
        os._exit(9)
    return whole(path, *more, **named)
setattr(pathlib.Path, step, killed)
runpy.run_module("rewards", run_name="__main__")
"""


def killed(folder: Path, step: str, file: str, *arguments: Any) -> int:
    """What comes of `rewards` that is killed just before it does this with a file of this name."""
    program = folder / "killed.py"
    program.write_text(KILLED)
    return command(step, file, *arguments, program=program).returncode


@pytest.mark.parametrize(("step", "file"), [("replace", "out.jsonl.partial"), ("unlink", "out.jsonl.partial.json")])
def test_a_run_in_place_that_died_at_its_end_is_gone_on_with(tmp_path: Path, step: str, file: str) -> None:
    out, meta = tmp_path / "out.jsonl", tmp_path / "out.jsonl.meta.json"
    score(write_lines(tmp_path / "in.jsonl", record("a"), record("b")), "-o", out)
    append = ("score", out, "--append", "--reward", "edit_quality")
    assert killed(tmp_path, step, file, *append) == 9
    done = command(*append, "--resume")
    assert done.returncode == 0, done.stderr
    assert (b"is complete: nothing to resume" in done.stderr) == (step == "unlink")
    assert (
        {"format", "edit_quality"} == set(read_lines(out)[1]["rewards"]) == set(json.loads(meta.read_text())["rewards"])
    )
    assert len(json.loads(meta.read_text())["appended"]) == 1
    assert not list(tmp_path.glob("*partial*"))
    again = command(*append, "--resume")
    assert (again.returncode, b"is scored already" in again.stderr) == (2, True)


@pytest.mark.parametrize("more", [(), ("--append", "--reward", "edit_quality")])
def test_a_run_that_died_once_all_was_in_place_leaves_nothing(tmp_path: Path, more: tuple[str, ...]) -> None:
    source, out = write_lines(tmp_path / "in.jsonl", record("a")), tmp_path / "out.jsonl"
    if more:
        score(source, "-o", tmp_path / "scored.jsonl")
        source = tmp_path / "scored.jsonl"
    run = ("score", source, "-o", out, *(more or ("--reward", "format")))
    assert killed(tmp_path, "unlink", "out.jsonl.partial.json", *run) == 9
    assert (tmp_path / "out.jsonl.partial.json").exists()
    done = command(*run, "--resume")
    assert (done.returncode, b"is complete: nothing to resume" in done.stderr) == (0, True), done.stderr
    assert not list(tmp_path.glob("*partial*"))


def test_append_refuses_what_would_have_no_effect(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", record())
    for more, message in (
        (["--limit", "1"], b"--append keeps every record"),
        (["--set", "format.weight=1"], b"stays as it is"),
        (["--suite", "default"], b"leave out --suite"),
    ):
        done = command("score", source, "--append", "--reward", "format", *more)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def test_the_input_is_never_the_output(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", record())
    done = score(source, "-o", source)
    assert done.returncode == 2
    assert b"is FILE itself" in done.stderr


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", *(record(i) for i in range(200)))
    run = f"{sys.executable} -m rewards score <(cat {source}) --reward format -q"
    done = subprocess.run(["bash", "-c", run], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 200


def test_resume_tells_a_finished_file_of_this_run_from_another(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", record(), b"bad\n")
    out = tmp_path / "out.jsonl"
    assert score(source, "-o", out).returncode == 1
    again = score(source, "-o", out, "--resume")
    assert (again.returncode, b"nothing to resume" in again.stderr) == (1, True)
    for more in (["--set", "format.weight=1"], ["--dtype", "float32"], ["--limit", "1"], ["--batch-size", "7"]):
        other = score(source, "-o", out, "--resume", *more)
        assert other.returncode == 2
        assert b"other settings or another input" in other.stderr


def test_a_run_that_fails_before_its_first_chunk_leaves_nothing(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", record())
    done = command(
        "score", source, "-o", tmp_path / "out.jsonl", "--model", "encoder=no/such-model", "--reward", "bertscore"
    )
    assert done.returncode == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl"]


def test_a_left_over_partial_file_is_neither_overwritten_nor_mistaken(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", *(record(i) for i in range(5)))
    out = tmp_path / "out.jsonl"
    assert score(source, "-o", out).returncode == 0
    whole = out.read_bytes()
    (tmp_path / "out.jsonl.partial").write_bytes(whole[:100])
    (tmp_path / "out.jsonl.partial.json").write_bytes(b"{}")
    assert b"add --resume" in score(source, "-o", out).stderr
    assert b"other settings" in score(source, "-o", out, "--resume").stderr
    assert out.read_bytes() == whole


TOYS = """
import sys, time
import rewards, rewards.plugins
from rewards.cli import main

@rewards.reward(level="global", range=(0, 1000))
def slow(arguments):
    time.sleep(0.02)
    return [float(len(a.after)) for a in arguments]

@rewards.reward(level="edit", range=(0, 1000), threshold=8)
def edit_length(edits):
    return [float(len(e.before)) for e in edits]

@rewards.reward(level="edit", range=(0, 1), threshold=0.5)
def picky(edits):
    for edit in edits:
        if "boom" in edit.after:
            raise ValueError("\x1b[2J" + edit.after)
    return [1.0] * len(edits)

@rewards.reward(level="edit", range=(0, 1000), threshold=9, higher_is_better=False)
def reach(edits):
    return [float(len(e.before)) for e in edits]

class Plugin:
    @rewards.hookimpl
    def register_rewards(self, register):
        register(slow)
        register(picky)
        register(reach)
        register(edit_length)

rewards.plugins.registry().add(Plugin(), "toys")
if __name__ == "__main__":  # processes of several devices import this file
    main()
"""


def toys(folder: Path, more: str = "") -> list[str]:
    """The command line with toy rewards, and with whatever else the program is to do first."""
    program = folder / "toys.py"
    program.write_text(more + TOYS)
    return [sys.executable, str(program)]


def command_with_toys(folder: Path, *arguments: Any) -> subprocess.CompletedProcess[bytes]:
    return finished([*toys(folder), *map(str, arguments)])


def finished(run: list[str]) -> subprocess.CompletedProcess[bytes]:
    """What a command with toy rewards did."""
    return command(*run[2:], program=Path(run[1]))


def begun(run: list[str]) -> Started | subprocess.Popen[bytes]:
    return start(*run[2:], program=Path(run[1]))


def kill_after(run: list[str], partial: Path, chunks: int, chunk: int) -> None:
    """Start the run and kill -9 it once it has written this many chunks, wherever it then is."""
    process = begun(run)
    for _ in range(6000):
        if partial.exists() and partial.read_bytes().count(b"\n") >= chunks * chunk:
            break
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_run_that_a_scheduler_ends_says_how_to_go_on(tmp_path: Path) -> None:
    source, out = write_lines(tmp_path / "in.jsonl", *(record(i) for i in range(120))), tmp_path / "out.jsonl"
    run = [*toys(tmp_path), "score", str(source), "-o", str(out), "--reward", "slow", "--batch-size", "4"]
    process = begun(run)
    for _ in range(6000):
        if (tmp_path / "out.jsonl.partial").exists():
            break
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 130
    assert said.endswith(b"interrupted; add --resume to go on where it stopped\n")
    assert finished([*run, "--resume"]).returncode == 0
    assert len(read_lines(out)) == 120


@pytest.mark.parametrize("chunks", [0, 1, 5])
def test_a_killed_run_resumes_to_the_same_bytes(tmp_path: Path, chunks: int) -> None:
    lines: list[Any] = [record(i) if i % 7 else b"bad line\n" for i in range(120)]
    source = write_lines(tmp_path / "in.jsonl", *lines)
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"

    def run(out: Path, *more: str) -> list[str]:
        return [*toys(tmp_path), "score", str(source), "-o", str(out), "--reward", "slow", "--batch-size", "4", *more]

    finished(run(whole))
    kill_after(run(broken), tmp_path / "broken.jsonl.partial", chunks, 4)
    assert not broken.exists()
    done = finished(run(broken, "--resume"))
    assert done.returncode == 1, done.stderr
    assert broken.read_bytes() == whole.read_bytes()
    rejected = [path.with_name(f"{path.name}.rejected.jsonl").read_bytes() for path in (whole, broken)]
    assert rejected[0] == rejected[1]
    headers = [json.loads(path.with_name(f"{path.name}.meta.json").read_text()) for path in (whole, broken)]
    assert headers[0]["counts"] == headers[1]["counts"]
    names = ["broken.jsonl", "broken.jsonl.meta.json", "broken.jsonl.rejected.jsonl"]
    assert sorted(path.name for path in tmp_path.glob("broken*")) == names


TOY_MODEL = """
import contextlib, time
import numpy, rewards.engine.engine
from rewards.models.keys import identity, key

class Backend:
    "A model that cuts texts of more than 64 characters; at once there, and slow enough that its run can be killed."

    def __init__(self, checkpoint, folder, placement):
        self.cut, self.checkpoint, self.placement = set(), checkpoint, placement

    def compute(self, requests, progress):
        time.sleep(0.1)
        texts = [identity(self.checkpoint, request).text[0] for request in requests]
        self.cut |= {key(text) for text in texts if len(text) > 64}
        return [numpy.array([[1.0, 0.0]], dtype=numpy.float32) for text in texts]

rewards.engine.engine.load = Backend
rewards.engine.engine.own_precision = contextlib.nullcontext
"""


@pytest.fixture
def scored_with_a_model(tmp_path: Path) -> Callable[..., list[str]]:
    """The command that scores twenty records, each of its own words, with a toy encoder that cuts some of them."""
    words = ["Lunch is too short", "Lunch is far too short, and everybody in the whole building has known it for years"]
    edits = [{"sentence_id": 2, "inappropriate_part": "Why", "rewritten_part": "Why so", "reason": "Toxic Emotions"}]
    lines = [record(i, sentences=[f"{words[i % 2]} ({i}).", "Why?"], edits=edits) for i in range(20)]
    source = write_lines(tmp_path / "in.jsonl", *lines)
    model = tiny.gemma(tmp_path / "encoder")

    def run(out: Path, *more: str) -> list[str]:
        chosen = ["--reward", "slow", "--reward", "lost_content", "--profile", "full", "--model", f"encoder={model}"]
        chosen += ["--device", "cpu"]
        program = toys(tmp_path, TOY_MODEL)
        return [*program, "score", str(source), "-o", str(out), *chosen, "--batch-size", "2", "-q", *more]

    return run


def test_a_resumed_run_counts_what_its_earlier_part_computed(
    tmp_path: Path, scored_with_a_model: Callable[..., list[str]]
) -> None:
    whole = tmp_path / "whole.jsonl"
    first = finished(scored_with_a_model(whole))
    assert first.returncode == 0, first.stderr
    one = json.loads(Path(f"{whole}.meta.json").read_text())
    assert one["features"]["computed"] == 40
    assert one["features"]["truncated_texts"] == 20  # ten arguments, before and after
    for device, kills in (("cpu", (3, 6)), ("cpu,cpu", (3,))):
        broken = tmp_path / f"{device}.jsonl"
        for chunks in kills:  # a second part of the run goes on from the first, and is killed too
            more = ("--resume",) if chunks > 3 else ()
            kill_after(scored_with_a_model(broken, "--device", device, *more), Path(f"{broken}.partial"), chunks, 2)
        last = scored_with_a_model(broken, "--device", device, "--resume")
        assert finished(last).returncode == 0
        other = json.loads(Path(f"{broken}.meta.json").read_text())
        assert other["features"] == one["features"], device
        assert other["models"] == one["models"], device


def test_a_run_is_not_resumed_on_other_weights(tmp_path: Path, scored_with_a_model: Callable[..., list[str]]) -> None:
    out, weights = tmp_path / "out.jsonl", tmp_path / "encoder" / "model.safetensors"
    kill_after(scored_with_a_model(out), Path(f"{out}.partial"), 3, 2)
    kept, original = Path(f"{out}.partial").read_bytes(), weights.read_bytes()
    weights.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    refused = finished(scored_with_a_model(out, "--resume"))
    assert refused.returncode == 2
    message = " ".join(refused.stderr.decode().split())
    assert re.search(r'other settings or another input \(models\.encoder\.digest was "\w{16}", is "\w{16}"\);', message)
    assert "give the same, or delete it to start over" in message
    assert Path(f"{out}.partial").read_bytes() == kept

    weights.write_bytes(original)
    moved = (tmp_path / "encoder").rename(tmp_path / "elsewhere")  # the same weights are the same model
    run = [f"encoder={moved}" if one.startswith("encoder=") else one for one in scored_with_a_model(out, "--resume")]
    assert finished(run).returncode == 0
    weights = moved / "model.safetensors"
    weights.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    assert b"was made with other settings or another input" in finished(run).stderr


def test_a_finished_file_of_other_settings_says_what_differs(tmp_path: Path) -> None:
    source, out = write_lines(tmp_path / "in.jsonl", record()), tmp_path / "out.jsonl"
    assert score(source, "-o", out).returncode == 0
    refused = "was made with other settings or another input"
    for more, differs in (
        (
            ("--set", "format.weight=2", "--batch-size", "8"),
            " (rewards.format.weight was 0.0, is 2.0; batch_size was 64, is 8);",
        ),
        (("--reward", "no_new_numbers"), ' (rewards.no_new_numbers was null, is {"arguments":'),
        (("--limit", "1"), "; give another -o, or delete it"),  # the header does not tell it
    ):
        done = score(source, "-o", out, "--resume", *more)
        assert (done.returncode, f"{refused}{differs}" in done.stderr.decode()) == (2, True), done.stderr


def test_a_partial_cut_inside_a_record_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", *(record(i) for i in range(40)))
    out, partial = tmp_path / "out.jsonl", tmp_path / "out.jsonl.partial"
    run = [*toys(tmp_path), "score", str(source), "-o", str(out), "--reward", "slow", "--batch-size", "2"]
    kill_after(run, partial, 3, 2)
    os.truncate(partial, partial.stat().st_size - 7)
    assert finished([*run, "--resume"]).returncode == 0
    assert [one["id"] for one in read_lines(out)] == list(range(40))


def test_a_format_that_raises_rejects_its_lines_only(tmp_path: Path) -> None:
    program = tmp_path / "broken.py"
    program.write_text(
        TOYS.replace(
            "class Plugin:",
            "from rewards.formats import Format\n\ndef parse(completion, sentences):\n"
            "    import asyncio\n    if 'EXIT' in completion:\n        raise SystemExit(3)\n"
            "    if 'CANCEL' in completion:\n        raise asyncio.CancelledError('away')\n"
            "    raise ValueError('no idea \\ud800')\n\n\n"
            "class Plugin:\n    @rewards.hookimpl\n    def register_formats(self, register):\n"
            "        register(Format('broken', 'always raises', parse, lambda text: 'BROKEN' in text, rank=1))\n",
        )
    )
    bad = [
        {"id": text, "argument": "One. Two.", "completion": text} for text in ("BROKEN", "BROKEN EXIT", "BROKEN CANCEL")
    ]
    lines = [record("a"), *bad, record("c")]
    source, out = write_lines(tmp_path / "in.jsonl", *lines), tmp_path / "out.jsonl"
    assert command("score", source, "-o", out, "--reward", "format", program=program).returncode == 1
    assert [one["id"] for one in read_lines(out)] == ["a", "c"]
    assert [one["reason"] for one in read_lines(tmp_path / "out.jsonl.rejected.jsonl")] == [
        "format 'broken': `parse` failed: ValueError: no idea \ufffd",
        "format 'broken': `parse` failed: SystemExit: 3",
        "format 'broken': `parse` failed: CancelledError: away",
    ]


def test_out_may_be_standard_output_and_nothing_is_replaced_that_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_lines(tmp_path / "in.jsonl", record())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    done = score(source, "-o", pipe)
    assert (done.returncode, b"leave out -o to write to standard output" in done.stderr) == (2, True)
    assert pipe.is_fifo()
    monkeypatch.chdir(tmp_path)
    done = score("in.jsonl", "-o", "-")
    assert json.loads(done.stdout)["id"] == "one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "pipe"]


def test_a_link_is_written_through_and_stays(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", record(), b"bad\n")
    real, link, loop = tmp_path / "elsewhere" / "real.jsonl", tmp_path / "link.jsonl", tmp_path / "loop.jsonl"
    real.parent.mkdir()
    link.symlink_to("elsewhere/real.jsonl")
    loop.symlink_to("loop.jsonl")
    assert score(source, "-o", link).returncode == 1  # there is nothing yet
    assert b"nothing to resume" in score(source, "-o", link, "--resume").stderr
    assert command("score", link, "--append", "--reward", "edit_quality").returncode == 1
    assert link.is_symlink()
    names = ["real.jsonl", "real.jsonl.meta.json", "real.jsonl.rejected.jsonl"]
    assert sorted(path.name for path in real.parent.iterdir()) == names
    assert set(read_lines(real)[0]["rewards"]) == {"format", "edit_quality"}
    header = json.loads(Path(f"{real}.meta.json").read_text())
    assert (header["counts"]["rejected"], set(header["rewards"])) == (1, {"format", "edit_quality"})
    assert score(source, "-o", loop).returncode == 2


@pytest.mark.parametrize(
    "ending", ["rejected.jsonl", "meta.json", "partial", "partial.json", "rejected.jsonl.partial", "meta.json.partial"]
)
def test_the_input_is_nothing_that_lies_beside_the_output(tmp_path: Path, ending: str) -> None:
    source = write_lines(tmp_path / f"out.jsonl.{ending}", record())
    before = source.read_bytes()
    done = score(source, "-o", tmp_path / "out.jsonl")
    assert (done.returncode, f"also writes {source}, which is FILE" in done.stderr.decode()) == (2, True)
    assert source.read_bytes() == before


def test_another_stream_is_not_taken_for_the_one_before(tmp_path: Path) -> None:
    first, out = json.dumps(record("first")).encode(), tmp_path / "out.jsonl"
    assert score("-", "-o", out, stdin=first).returncode == 0
    done = score("-", "-o", out, "--resume", stdin=first)
    assert done.returncode == 2
    assert b"save them to a file and give that" in done.stderr
    write_lines(tmp_path / "in.jsonl", record())
    run = f"{sys.executable} -m rewards score <(cat {tmp_path}/in.jsonl) --reward format -o {out}"
    for more in ("--resume", "--append"):
        done = subprocess.run(["bash", "-c", f"{run} {more}"], capture_output=True, check=False)
        assert (done.returncode, b"/dev/fd" in done.stderr or b"a pipe" in done.stderr) == (2, True)
    assert [one["id"] for one in read_lines(out)] == ["first"]


def test_rejected_lines_go_along_to_the_file_that_append_makes(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", record(), b"x" * 3000 + b"\n")
    out, new = tmp_path / "out.jsonl", tmp_path / "new.jsonl"
    assert score(source, "-o", out).returncode == 1
    rejected, copied = (Path(f"{path}.rejected.jsonl") for path in (out, new))
    append = ("score", out, "--append", "--reward", "edit_quality", "-o", new)
    done = command(*append)
    assert f"in {copied}" in done.stderr.decode()
    assert copied.read_bytes() == rejected.read_bytes()
    rejected.unlink()
    done = command(*append)
    assert b"1 rejected" in done.stderr
    assert b"rejected.jsonl" not in done.stderr
    assert not copied.exists()


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    names = (b"in\xff.jsonl", b"out\xfe.jsonl", b"suite\xfd.yaml")
    source, out, suite = (tmp_path / os.fsdecode(name) for name in names)
    try:
        write_lines(source, record())
    except OSError:
        pytest.skip("this file system takes no such name")
    suite.write_text("description: x\nrewards:\n  changed_words:\n", encoding="utf-8")
    done = score(source, "-o", out, "--suite", suite)
    assert done.returncode == 0, done.stderr
    header = json.loads(Path(f"{out}.meta.json").read_text())
    assert header["source"].endswith(r"in\xff.jsonl")
    assert header["suite"] == r"suite\xfd"
    assert b"nothing to resume" in score(source, "-o", out, "--suite", suite, "--resume").stderr


@pytest.mark.parametrize(
    ("redirected", "message"),
    [
        ("score in.jsonl >&-", "standard output is closed; give -o OUT"),
        ("score - <&-", "standard input is closed; give a file"),
        ("score - 0>unreadable", "standard input cannot be read"),
    ],
)
def test_streams_that_are_closed_are_no_bugs(tmp_path: Path, redirected: str, message: str) -> None:
    write_lines(tmp_path / "in.jsonl", record())
    run = f"{sys.executable} -m rewards {redirected} --reward format"
    done = subprocess.run(["bash", "-c", run], capture_output=True, cwd=tmp_path, check=False)
    assert (done.returncode, message in done.stderr.decode()) == (2, True), done.stderr


def test_standard_output_that_takes_no_more_is_told_plainly(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", record())
    run = f"trap '' XFSZ; ulimit -f 0; {sys.executable} -m rewards score {source} --reward format > {tmp_path}/full"
    done = subprocess.run(["bash", "-c", run], capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr == b"error: standard output cannot be written: File too large; give -o OUT to write to a file\n"


@pytest.mark.parametrize("name", ["out.GZ", "out.csv", "out.Parquet"])
def test_an_ending_that_promises_another_kind_of_file_is_refused(tmp_path: Path, name: str) -> None:
    done = score(write_lines(tmp_path / "in.jsonl", record()), "-o", tmp_path / name)
    assert (done.returncode, b"results are written as JSONL" in done.stderr) == (2, True)


def test_the_closing_table_cuts_no_number_and_shows_what_a_gate_is_paid(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", record())
    gate = ("--set", "pattern_conformity.gate=true", "--set", "pattern_conformity.weight=-0.5")
    for width in ("20", "60"):
        done = command("score", source, "--reward", "pattern_conformity", *gate, COLUMNS=width)
        shown = done.stderr.decode()
        assert "…" not in shown
        assert re.search(r"^pattern_\w+ +gate, -0\.5 +\d\.\d{4} +1 +≤ 3\.235 +\d+\.\d% +2 *$", shown, re.MULTILINE), (
            shown
        )


def test_the_closing_table_says_where_a_suite_pays_nothing(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", record())
    for weight, told in (("0", "pays nothing"), ("2", r"\d\.\d{4} +1")):
        done = command("score", source, "--reward", "format", "--set", f"format.weight={weight}")
        assert re.search(rf"^total +{told} *$", done.stderr.decode(), re.MULTILINE), done.stderr


def test_the_pandas_of_the_page_on_data_reads_a_scored_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pandas = pytest.importorskip("pandas")
    assert score(EXAMPLES, "-o", tmp_path / "scored.jsonl", "--reward", "no_new_numbers").returncode == 0
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(page.partition("```python")[2].partition("```")[0], names)  # noqa: S102  (our own page)
    scored = read_lines(tmp_path / "scored.jsonl")
    assert len(names["edits"]) == sum(len(one["edits"]) for one in scored)
    assert {"before", "accepted", "scores.no_new_numbers.value"} <= set(pandas.read_csv("edits.csv").columns)
    found = pandas.read_parquet("scored.parquet")
    assert list(found["id"]) == [one["id"] for one in scored]
    assert [json.loads(edits) for edits in found["edits"]] == [one["edits"] for one in scored]


def test_a_file_of_invalid_edits_is_warned_of_with_the_remedy(tmp_path: Path) -> None:
    bare = {"sentence_id": 1, "inappropriate_part": "way too", "rewritten_part": "too"}
    remedy = 'edits need a `reason`, except in records that say "format": "rewrite"'
    warning = "warning: none of the 3 edits is valid, so every argument was scored as it was"
    source = write_lines(tmp_path / "in.jsonl", record(edits=[bare, bare]), record(edits=[{**bare, "sentence_id": 0}]))
    told = score(source).stderr.decode()
    assert "invalid edits: 2 no reason; 1 sentence id 0 (sentences count from 1)" in told
    assert remedy in told
    assert warning in told
    told = score(write_lines(source, record(edits=[bare]), record(), record())).stderr.decode()
    assert (remedy in told, "warning" in told) == (False, False)  # most edits that are invalid have a reason


def test_hostile_names_of_tables_are_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    from rewards.cli.terminal import print_table

    name = "\x1b[2J[/b]"
    print_table(f"of {name}", ("name", name), [("a", "[bold]b")], name)
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert told.count("\\x1b[2J[/b]") == 2
    assert "[bold]b" in told


def test_a_wide_table_of_numbers_fits_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rewards.cli.terminal import print_wide_table

    names = [f"no_praise_for_blame_{n} (gate)" for n in range(12)]
    rows = [("a-name-that-is-never-broken", *["0.500"] * 12)]
    print_wide_table("means", ("row", *names), rows)
    assert len(capsys.readouterr().out.splitlines()) == 3
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    print_wide_table("means", ("row", *names), rows)
    lines = [line.rstrip() for line in re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out).splitlines()]
    assert max(map(len, lines)) <= 80
    assert lines[:2] == ["means (1 of 3)", " " * 29 + "  ".join(["no_praise_"] * 4)]
    assert sum(line.count("0.500") for line in lines) == 12
    assert sum(line.startswith("a-name-that-is-never-broken  0.500") for line in lines) == 3


def test_what_the_system_refuses_is_no_bug(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", record())
    done = score(tmp_path / ("x" * 300), "-o", tmp_path / "out.jsonl")
    assert (done.returncode, b"File name too long" in done.stderr, b"bug" in done.stderr) == (2, True, False)
    for value in ("2024-99-99", "0x_", "!!int x", "!!bool x", "[" * 3000):
        done = score(source, "--set", f"format.weight={value}")
        assert (done.returncode, b"format" in done.stderr, b"bug" in done.stderr) == (2, True, False), value


def test_the_commonest_reasons_are_told_and_the_others_counted(tmp_path: Path) -> None:
    alike = [{"argument": f"A {i}."} for i in range(3)]
    source = write_lines(tmp_path / "in.jsonl", b"{\n", [1], 1, {}, {"argument": 5}, *alike, {"text": []})
    done = command("score", source, "-o", tmp_path / "out.jsonl", "--reward", "format")
    told = [line for line in done.stderr.decode().splitlines() if line.startswith("rejected ")]
    assert told[0] == "rejected 3×: completion: nothing to score: give `completion`, `edits`, `rewrite` or `after`"
    assert [line.split(":")[0] for line in told[1:5]] == ["rejected 1×"] * 4
    assert told[5] == "rejected 2× for other reasons"


def test_the_examples_are_written_where_a_user_says_and_score(tmp_path: Path) -> None:
    told = command("examples", tmp_path)
    assert (told.returncode, told.stderr) == (0, b"")
    mine = tmp_path / "arguments.jsonl"
    assert told.stdout.decode() == f"wrote {mine}; score it with: rewards score {mine} -o scored.jsonl\n"
    assert read_lines(mine) == read_lines(EXAMPLES)
    assert score(mine, "-o", tmp_path / "scored.jsonl").returncode == 0
    again = command("examples", mine)
    assert (again.returncode, b"exists already" in again.stderr) == (2, True)
    nowhere = command("examples", tmp_path / "none" / "arguments.jsonl")
    assert (nowhere.returncode, b"cannot be written" in nowhere.stderr) == (2, True)
