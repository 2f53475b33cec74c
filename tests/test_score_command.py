"""`rewards score` as a user runs it, with rewards that need no model."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import command, read_lines, record, write_lines

KEYS = [
    "id", "status", "error", "reward", "rewards", "issue", "format", "problem", "edits", "sentences",
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
    assert {"python", "torch", "transformers"} <= set(header["versions"])


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
        (["-", "--profile", "big"], "expected one of embedded, full"),
        (["-", "--dtype", "int4"], "expected one of auto"),
        (["-", "--append"], "name them with --reward"),
        (["-", "--resume"], "--resume needs -o OUT"),
        (["-", "--reward", "format", "-o", "no/such/folder/out.jsonl"], "the folder no/such/folder does not exist"),
        (["-", "--limit", "-1"], "--limit"),
        (["--no-such-option"], "No such option"),
    ],
)
def test_usage_errors_say_what_to_do_and_exit_with_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rewards", "score", *arguments],
        input=b"",
        capture_output=True,
        cwd=tmp_path,
        check=False,
    )
    text = " ".join(done.stderr.decode().split())
    assert done.returncode == 2
    assert message in text
    assert "Traceback" not in text
    assert not done.stdout


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


def test_append_adds_a_reward_and_leaves_the_rest(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", record("a"), record("b"))
    out = tmp_path / "out.jsonl"
    command("score", source, "-o", out, "--reward", "format", "--set", "format.weight=1")
    before = read_lines(out)
    done = command("score", out, "--append", "--reward", "edit_quality")
    assert done.returncode == 0, done.stderr
    after = read_lines(out)
    for old, new in zip(before, after, strict=True):
        assert new["rewards"] == {**old["rewards"], "edit_quality": None}
        assert {**new, "rewards": None} == {**old, "rewards": None}
    again = command("score", out, "--append", "--reward", "format", "-o", tmp_path / "again.jsonl")
    assert again.returncode == 1
    assert "scored already" in read_lines(tmp_path / "again.jsonl.rejected.jsonl")[0]["reason"]


def test_append_refuses_what_was_not_scored(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", record())
    done = command("score", source, "--append", "--reward", "format", "-o", tmp_path / "out.jsonl")
    assert done.returncode == 1
    assert "takes a file that `rewards score` wrote" in read_lines(tmp_path / "out.jsonl.rejected.jsonl")[0]["reason"]


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


SLOW = """
import sys, time
import rewards, rewards.plugins
from rewards.cli import main

@rewards.reward(level="global", range=(0, 1000))
def slow(arguments):
    time.sleep(0.05)
    return [float(len(a.after)) for a in arguments]

class Plugin:
    @rewards.hookimpl
    def register_rewards(self, register):
        register(slow)

rewards.plugins.registry().add(Plugin(), "slow")
main()
"""


@pytest.mark.parametrize("delay", [0.3, 0.6, 0.9])
def test_a_killed_run_resumes_to_the_same_bytes(tmp_path: Path, delay: float) -> None:
    lines: list[Any] = [record(i) if i % 7 else b"bad line\n" for i in range(60)]
    source = write_lines(tmp_path / "in.jsonl", *lines)
    program = tmp_path / "slow.py"
    program.write_text(SLOW)

    def run(out: Path, *more: str) -> list[str]:
        return [
            sys.executable,
            str(program),
            "score",
            str(source),
            "-o",
            str(out),
            "--reward",
            "slow",
            "--batch-size",
            "4",
            *more,
        ]

    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    subprocess.run(run(whole), capture_output=True, check=False)
    process = subprocess.Popen(run(broken), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not broken.exists()
    done = subprocess.run(run(broken, "--resume"), capture_output=True, check=False)
    assert done.returncode == 1, done.stderr
    assert broken.read_bytes() == whole.read_bytes()
    rejected = [path.with_name(f"{path.name}.rejected.jsonl").read_bytes() for path in (whole, broken)]
    assert rejected[0] == rejected[1]
    headers = [json.loads(path.with_name(f"{path.name}.meta.json").read_text()) for path in (whole, broken)]
    assert headers[0]["counts"] == headers[1]["counts"]
    assert sorted(path.name for path in tmp_path.glob("broken*")) == [
        "broken.jsonl", "broken.jsonl.meta.json", "broken.jsonl.rejected.jsonl",
    ]  # fmt: skip
    again = subprocess.run(run(broken, "--resume"), capture_output=True, check=False)
    assert (again.returncode, b"nothing to resume" in again.stderr) == (0, True)


def test_a_partial_cut_inside_a_record_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", *(record(i) for i in range(10)))
    program = tmp_path / "slow.py"
    program.write_text(SLOW)
    out = tmp_path / "out.jsonl"
    run = [sys.executable, str(program), "score", str(source), "-o", str(out), "--reward", "slow", "--batch-size", "2"]
    process = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    partial = tmp_path / "out.jsonl.partial"
    for _ in range(400):
        if partial.exists() and partial.stat().st_size > 3000:
            break
        time.sleep(0.01)
    process.kill()
    process.wait()
    os.truncate(partial, partial.stat().st_size - 7)
    assert subprocess.run([*run, "--resume"], capture_output=True, check=False).returncode == 0
    assert [one["id"] for one in read_lines(out)] == list(range(10))
