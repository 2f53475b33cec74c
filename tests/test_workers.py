"""Several devices: a process for each gives the bytes that one process gives, and none is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.conftest import command, installed, read_lines, record, write_lines

TWO = ("--device", "cpu,cpu")

PLUGIN = """
import os, time
import rewards

@rewards.reward(level="global", range=(0, 1e9))
def process(arguments):
    "The process that scores; slowly, so that both get work."
    time.sleep(0.3)
    return [float(os.getpid())] * len(arguments)

@rewards.reward(level="global", range=(0, 1))
def deadly(arguments):
    "Takes its process down where an argument says so."
    if any("die" in one.before for one in arguments):
        os._exit(9)
    return [1.0] * len(arguments)

@rewards.hookimpl
def register_rewards(register):
    register(process)
    register(deadly)
"""


def test_two_processes_give_the_bytes_of_one(tmp_path: Path) -> None:
    lines: list[Any] = [record(i) if i % 7 else b"bad line\n" for i in range(40)]
    source = write_lines(tmp_path / "in.jsonl", *lines)
    options = ("--reward", "format", "--reward", "pattern_conformity", "--batch-size", "4")
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    assert command("score", source, "-o", one, *options).returncode == 1
    done = command("score", source, "-o", two, *options, *TWO)
    assert done.returncode == 1, done.stderr
    assert two.read_bytes() == one.read_bytes()
    assert (tmp_path / "two.jsonl.rejected.jsonl").read_bytes() == (tmp_path / "one.jsonl.rejected.jsonl").read_bytes()
    headers = [json.loads(Path(f"{path}.meta.json").read_text()) for path in (one, two)]
    assert headers[0]["counts"] == headers[1]["counts"]
    assert headers[0]["features"] == headers[1]["features"]


def test_models_and_counts_of_all_processes_are_in_the_header(tmp_path: Path) -> None:
    texts = [
        f"Lunch is too short ({i}){', as everybody in the whole building has known for years' * (i % 2)}."
        for i in range(24)
    ]
    source = write_lines(tmp_path / "in.jsonl", *(record(i, sentences=[text]) for i, text in enumerate(texts)))
    model = tiny.deberta(tmp_path / "model")
    out = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    for path, more in zip(out, ((), TWO), strict=True):
        options = ("--reward", "appropriateness", "--profile", "full", "--model", f"appropriateness={model}")
        options += ("--batch-size", "2", "--dtype", "float32", "-q")
        assert command("score", source, "-o", path, *options, *more).returncode == 0
    one, two = (read_lines(path) for path in out)
    assert [r["id"] for r in two] == [r["id"] for r in one]
    values = [[r["rewards"]["appropriateness"] for r in found] for found in (one, two)]
    assert values[1] == pytest.approx(values[0], abs=1e-6)
    headers = [json.loads(Path(f"{path}.meta.json").read_text()) for path in out]
    assert headers[0]["features"]["truncated_texts"] > 10
    assert headers[1]["features"] == headers[0]["features"]
    assert headers[1]["models"] == headers[0]["models"]


def test_every_device_gets_work_and_errors_come_back(tmp_path: Path) -> None:
    installed(tmp_path, "toy_plugin", PLUGIN)
    source = write_lines(tmp_path / "in.jsonl", *(record(i) for i in range(12)))
    out = tmp_path / "out.jsonl"
    options = ("-o", out, "--batch-size", "1", *TWO)
    done = command("score", source, "--reward", "process", *options, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert len({one["rewards"]["process"] for one in read_lines(out)}) == 2

    deadly = write_lines(
        tmp_path / "deadly.jsonl", record(1), {**record(2), "argument": "We die.", "sentences": ["We die."]}
    )
    done = command("score", deadly, "--reward", "deadly", "-o", tmp_path / "d.jsonl", *TWO, PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert b"a process that scores died (exit code 9), perhaps for lack of memory, or a reward ended it;" in done.stderr
    assert not (tmp_path / "d.jsonl").exists()

    done = command(
        "score", source, "--reward", "token_similarity", "-o", tmp_path / "e.jsonl", "--device", "cpu,cuda:7"
    )
    assert done.returncode == 2
    assert b"device 'cuda:7': this machine shows" in done.stderr
    done = command("score", out, "--append", "--reward", "format", *TWO)
    assert done.returncode == 2
    assert b"--append works on one device" in done.stderr


def test_no_process_is_left_behind(tmp_path: Path) -> None:
    installed(tmp_path, "toy_plugin", PLUGIN)
    source = write_lines(tmp_path / "in.jsonl", *(record(i) for i in range(200)))
    run = [
        sys.executable,
        "-m",
        "rewards",
        "score",
        str(source),
        "-o",
        str(tmp_path / "out.jsonl"),
        "--reward",
        "process",
    ]
    run += ["--batch-size", "1", *TWO]
    process = subprocess.Popen(run, env={**os.environ, "PYTHONPATH": str(tmp_path)}, stderr=subprocess.DEVNULL)
    partial = tmp_path / "out.jsonl.partial"
    until(lambda: partial.exists() and partial.stat().st_size > 0)
    workers = {int(json.loads(line)["rewards"]["process"]) for line in partial.read_text().splitlines()}
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def until(true: Any, seconds: float = 60.0) -> None:
    """Wait for it, and fail where it does not come."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_processes_import_nothing_from_the_current_folder(tmp_path: Path) -> None:
    """The command itself does not, but Python's own starts of processes look there first."""
    seen = tmp_path / "seen"
    (tmp_path / "socket.py").write_text(f"open({str(seen)!r}, 'w').close()\nraise ImportError('the current folder')")
    source = write_lines(tmp_path / "in.jsonl", record(1), record(2))
    as_installed = "import sys; sys.path.remove(''); from rewards.cli import main; main()"
    options = ("--reward", "format", "--batch-size", "1", *TWO)
    done = subprocess.run(
        [sys.executable, "-c", as_installed, "score", str(source), "-o", str(tmp_path / "out.jsonl"), *options],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, seen.exists()) == (0, False), done.stderr
