"""`rewards edit` as a user runs it, with a tiny model that rewrites at random and a suite that accepts everything."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rewards import cli
from tests import tiny
from tests.conftest import another_torch, read_lines, start, write_lines
from tests.forked import Started

KEYS = [
    "id", "source_id", "status", "reason", "issue", "model", "format", "round", "stopped", "argument", "sentences",
    "completion", "edits", "after", "rounds",
]  # fmt: skip
ROUND = [
    "round",
    "sentences",
    "completion",
    "finish",
    "problem",
    "edits",
    "standing",
    "after",
    "reward",
    "rewards",
    "candidates",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.causal(tmp_path_factory.mktemp("causal"))


@pytest.fixture(scope="module")
def ending(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model, which ends its answers at many tokens, as some models do at several."""
    folder = tiny.causal(tmp_path_factory.mktemp("ending"))
    stated = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps({**stated, "eos_token_id": [2, *range(5, 17)]}))
    return folder


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "open.yaml"
    path.write_text("description: accepts everything\nrewards:\n  format: {weight: 1.0}\n")
    return path


def arguments(path: Path, count: int) -> Path:
    rows = [{"id": n, "issue": "Tea?", "text": f"Only a fool likes tea {n}.\n Coffee is better."} for n in range(count)]
    return write_lines(path, *rows)


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


class Edit:
    """The command line in this process, which has torch loaded already: a process of its own takes seconds for that."""

    def __init__(self, capture: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capture, self._patch = capture, monkeypatch

    def __call__(self, *arguments: Any) -> Done:
        self._patch.setattr(sys, "argv", ["rewards", *map(str, arguments)])
        self._capture.readouterr()
        return Done(cli._run(), *self._capture.readouterr())


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Edit:
    return Edit(capfd, monkeypatch)


def settings(model: Path, suite: Path, *more: Any) -> list[Any]:
    return ["--model", model, "--suite", suite, "--format", "rewrite", "--device", "cpu", *more]


def test_records_in_order_that_score_reads(run: Edit, ending: Path, suite: Path, tmp_path: Path) -> None:
    source = write_lines(
        tmp_path / "in.jsonl",
        {"post_id": "x", "issue": "Tea?", "text": "Only a fool\n likes tea.  Coffee is better."},
        b"broken\n",
        {"sentences": ["Hush!", "Now."], "completion": "what another system said", "edits": 7},
        {"id": 3},
        [1],
        {"id": "long", "text": "far too long. " * 200},
    )
    out = tmp_path / "out.jsonl"
    done = run(
        "edit", source, "-o", out, *settings(ending, suite, "--max-new-tokens", 90, "--rounds", 2, "--temperature", 1)
    )
    assert done.returncode == 1, done.stderr
    found = read_lines(out)
    assert [list(one) for one in found] == [KEYS] * 3
    assert [list(one) for record in found for one in record["rounds"]] == [ROUND] * 4
    assert [(one["id"], one["status"], one["round"]) for one in found] == [
        ("x", "edited", 2), (3, "edited", 2), ("long", "failed", 0),
    ]  # fmt: skip
    assert found[0]["argument"] == "Only a fool\n likes tea.  Coffee is better."
    assert found[0]["rounds"][1]["after"] == found[0]["after"]
    assert found[2]["after"] == found[2]["argument"]
    assert found[2]["reason"].startswith("the prompt is too long: 3,0")
    rejected = read_lines(tmp_path / "out.jsonl.rejected.jsonl")
    assert [(one["line"], one["field"]) for one in rejected] == [(2, None), (4, "argument"), (5, None)]
    errors = done.stderr
    assert "3 records: 2 edited, 0 unchanged, 1 failed; 3 rejected" in errors
    assert errors.count("rejected 1×: ") == 3  # each with its reason
    assert "1×: the prompt is too long\n" in errors

    header = json.loads((tmp_path / "out.jsonl.meta.json").read_text())
    assert header["policy"]["name"] == str(ending)
    assert (header["policy"]["device"], header["policy"]["token_budget"]) == ("cpu", 0)
    assert (header["format"], header["rounds"], header["seed"], header["temperature"]) == ("rewrite", 2, 0, 1)
    assert header["counts"]["edited"] == 2
    assert header["counts"]["rounds"] == {"0": 1, "2": 2}
    assert {"suite", "versions", "created", "seconds", "fingerprint", "prompt_digest"} <= set(header)

    scored = run("score", out, "-o", tmp_path / "scored.jsonl", "--reward", "format")
    assert scored.returncode == 0, scored.stderr
    results = read_lines(tmp_path / "scored.jsonl")
    assert [one["argument_after_accepted"] for one in results] == [one["after"] for one in found]
    assert results[0]["edits"]
    assert all(one["accepted"] for result in results for one in result["edits"])


def test_samples_are_records_of_their_own_and_do_not_depend_on_batches(
    run: Edit, model: Path, suite: Path, tmp_path: Path
) -> None:
    source = arguments(tmp_path / "in.jsonl", 3)
    chosen = settings(model, suite, "--num-samples", 2, "--best-of", 2, "--max-new-tokens", 12)
    one = run("edit", source, *chosen)
    other = run("edit", source, *chosen, "--batch-size", 1, "--token-budget", 1)
    assert one.returncode == 0, one.stderr
    assert one.stdout == other.stdout
    lines = one.stdout.splitlines()
    found = [json.loads(line) for line in lines]
    assert [record["id"] for record in found] == ["0#1", "0#2", "1#1", "1#2", "2#1", "2#2"]
    assert [record["source_id"] for record in found] == [0, 0, 1, 1, 2, 2]
    candidates = [one["completion"] for record in found for one in record["rounds"][0]["candidates"]]
    assert len(set(candidates)) == 12
    fewer = run("edit", source, *chosen, "--seed", 1, "--limit", 1)
    assert len(fewer.stdout.splitlines()) == 2
    assert fewer.stdout.splitlines()[0] != lines[0]


def wait_for_lines(path: Path, process: Started | subprocess.Popen[bytes], lines: int) -> None:
    for _ in range(6000):
        if path.exists() and path.read_bytes().count(b"\n") >= lines:
            return
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.01)
    raise AssertionError("nothing was written")


def test_what_another_torch_made_is_not_gone_on_with(
    run: Edit, model: Path, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(model, suite, "-o", tmp_path / "out.jsonl", "--max-new-tokens", 2)
    source = arguments(tmp_path / "in.jsonl", 1)
    assert run("edit", source, *chosen).returncode == 0
    another_torch(monkeypatch)
    other = run("edit", source, *chosen, "--resume")
    assert "was made with other settings or another input (versions.torch was " in other.stderr


def test_what_was_killed_or_interrupted_goes_on_to_the_same_bytes(
    run: Edit, model: Path, suite: Path, tmp_path: Path
) -> None:
    source = arguments(tmp_path / "in.jsonl", 12)
    chosen = settings(model, suite, "--batch-size", 2, "--max-new-tokens", 100, "--temperature", 0.9)
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    partial = tmp_path / "out.jsonl.partial"
    assert run("edit", source, "-o", whole, *chosen).returncode == 0

    killed = start("edit", source, "-o", out, *chosen)
    wait_for_lines(partial, killed, 2)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    kept = partial.read_bytes()
    assert not out.exists()
    refused = run("edit", source, "-o", out, *chosen)
    assert refused.returncode == 2
    assert "is left from a run that did not end: add --resume" in refused.stderr
    other = run("edit", source, "-o", out, *chosen, "--seed", 3, "--resume")
    assert "was made with other settings" in other.stderr

    interrupted = start("edit", source, "-o", out, *chosen, "--resume")
    wait_for_lines(partial, interrupted, kept.count(b"\n") // 2 * 2 + 2)
    interrupted.send_signal(signal.SIGINT)
    _, errors = interrupted.communicate()
    assert interrupted.returncode == 130, errors.decode()
    assert b"interrupted; add --resume to go on where it stopped" in errors
    assert partial.read_bytes().startswith(kept[: kept.rindex(b"\n") + 1])

    resumed = run("edit", source, "-o", out, *chosen, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert out.read_bytes() == whole.read_bytes()
    counts = [json.loads(Path(f"{path}.meta.json").read_text())["counts"] for path in (out, whole)]
    assert counts[0] == counts[1]
    again = run("edit", source, "-o", out, *chosen, "--resume")
    assert (again.returncode, "is complete: nothing to resume" in again.stderr) == (0, True)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--temperature", "inf"], "--temperature inf: expected a finite number"),
        (["--num-samples", 2, "--temperature", 0], "--temperature 0 draws the same completion every time"),
        (["--top-p", 0], "--top-p 0 leaves no token to draw"),
        (["--format", "edits"], "no format is called 'edits'"),
        (["--format", "compakt"], "no format is called 'compakt' (did you mean 'compact'?)"),
        (["--suite", "defaultt"], "no suite is called 'defaultt' (did you mean 'default'?)"),
        (["--set", "format.gat=true"], "reward 'format' has no argument 'gat' (did you mean 'gate'?)"),
        (["--profile", "ful"], "no profile is called 'ful' (did you mean 'full'?)"),
        (["--reward-model", "encoder"], "--reward-model 'encoder': expected ROLE=MODEL"),
        (["--reward-model", "encoder=x"], "a model is named for role 'encoder', which nothing here reads"),
        (["--best-of", 2, "--set", "format.weight=0"], "pays for nothing, so none is the best"),
        (["--backend", "llama"], "--backend 'llama': expected one of transformers, vllm"),
        (["--dtype", "int4"], "--dtype 'int4': expected one of auto, float32, bfloat16, float16"),
        (["--resume"], "--resume needs -o OUT"),
        (["-o", "out.jsonl.gz"], "results are written as JSONL"),
        (["--adapter", "nowhere"], "--adapter nowhere: no adapter_config.json there"),
        (["--rounds", 0], "Invalid value for '--rounds'"),
    ],
)
def test_settings_that_do_not_fit(
    run: Edit, model: Path, suite: Path, tmp_path: Path, more: list[Any], message: str
) -> None:
    done = run("edit", arguments(tmp_path / "in.jsonl", 1), *settings(model, suite), *more)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_the_name_of_an_embedded_model_that_is_misspelt(
    run: Edit, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    source = arguments(tmp_path / "in.jsonl", 1)
    done = run("edit", source, *settings(Path("smollm2-135m-instuct"), suite))
    assert done.returncode == 2
    assert done.stderr.count("did you mean 'smollm2-135m-instruct'?") == 1


@pytest.mark.models
@pytest.mark.usefixtures("embedded_models")
def test_the_embedded_model_with_the_default_suite(run: Edit, tmp_path: Path) -> None:
    texts = ["Dogs is dumb animals. I hate them!"]
    source = write_lines(tmp_path / "in.jsonl", *({"id": text[:4], "issue": "Pets?", "text": text} for text in texts))
    out = tmp_path / "out.jsonl"
    done = run(
        "edit", source, "-o", out, "--model", "smollm2-135m-instruct", "--format", "rewrite", "--max-new-tokens", 16,
        "--rounds", 2,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = read_lines(out)
    assert [one["id"] for one in found] == ["Dogs"]
    assert {one["status"] for one in found} <= {"edited", "unchanged"}
    assert all(one["rounds"][0]["completion"] for one in found)
    scored = run("score", out, "-o", tmp_path / "scored.jsonl")
    assert scored.returncode == 0, scored.stderr
    for record, result in zip(found, read_lines(tmp_path / "scored.jsonl"), strict=True):
        assert result["argument_after_accepted"] == record["after"]
        assert all(edit["accepted"] for edit in result["edits"])
