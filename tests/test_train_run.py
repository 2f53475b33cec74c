"""Whole runs on a tiny policy: what comes out, going on after a kill, several processes, what stops a run."""

from __future__ import annotations

import ast
import contextlib
import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyarrow import parquet

from rewards.engine.engine import Engine
from rewards.errors import ConfigError, RewardFailed, RewardsError
from rewards.versions import version
from rewards_train import curves, finish, folder, policy, sft
from rewards_train.launch import Launch, run
from rewards_train.recipe import Recipe, dump, resolve
from tests import tiny
from tests.conftest import command, installed, start, write_lines
from tests.forked import Started

ARGUMENTS = [
    {"id": f"a{n}", "issue": "Should lunch be longer?", "argument": f"Lunch is way too short, duh. {text} It is."}
    for n, text in enumerate(("Everybody knows it.", "Nobody eats.", "We run.", "Ask them.", "I wait.", "So what."))
]
SUITE = """
description: rewards without models that differ between random rewrites
rewards:
  format: {weight: 1.0}
  pattern_conformity: {weight: -0.1}
  sentence_pattern_conformity:
"""
RECIPE = """
description: "tiny"
model: POLICY
format: rewrite
suite: SUITE
data: {train: ARGUMENTS, eval_fraction: 0.34}
lora: {r: 4, target_modules: all-linear}
grpo:
  max_steps: 12
  per_device_train_batch_size: 4
  per_device_eval_batch_size: 4
  num_generations: 2
  max_completion_length: 6
  learning_rate: 0.01
  loss_type: dr_grpo
  scale_rewards: none
  gradient_checkpointing: false
  bf16: false
  use_cpu: true
  logging_steps: 1
  save_steps: 4
  save_total_limit: 3
  eval_strategy: steps
  eval_steps: 6
  eval_on_start: true
  seed: 3
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As in the processes that the tests start: sums over several threads differ in the last digit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def without_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves take half of the time of so short a run; `whole` and `best`, which are made before this, have theirs."""
    monkeypatch.setattr(curves, "draw", lambda _history, _components, to: to.write_bytes(b""))


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe on a tiny policy that ends its texts, and a suite that needs no model."""
    from transformers import AutoTokenizer

    at = tmp_path_factory.mktemp("tiny")
    policy = tiny.causal(at / "policy")
    tokenizer = AutoTokenizer.from_pretrained(policy)
    tokenizer.eos_token = "[SEP]"  # noqa: S105  (no secret)
    tokenizer.save_pretrained(policy)
    (at / "toy.yaml").write_text(SUITE, encoding="utf-8")
    data = write_lines(at / "arguments.jsonl", *ARGUMENTS)
    text = RECIPE.replace("POLICY", str(policy)).replace("SUITE", str(at / "toy.yaml")).replace("ARGUMENTS", str(data))
    (at / "tiny.yaml").write_text(text, encoding="utf-8")
    return at / "tiny.yaml"


def made(recipe_file: Path, out: Path, *overrides: str) -> Recipe:
    return resolve(str(recipe_file), [f"out={out}", *overrides])


@pytest.fixture(scope="module")
def whole(recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    run(made(recipe_file, out), Launch(), resume=False)
    return out


def weights(out: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(out / "model.safetensors"))


def history(out: Path) -> list[dict[str, Any]]:
    """What was logged, without times."""
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    timed = re.compile(r"time|runtime|per_second|seconds|profiling|flos")
    return [
        {k: v for k, v in entry.items() if not timed.search(k)} for entry in entries if "train_runtime" not in entry
    ]


def test_what_comes_out(whole: Path) -> None:
    files = {str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()}
    top = {name for name in files if "/" not in name}
    assert {
        ".lock", "README.md", "config.json", "curves.png", "evaluation.parquet", "generation_config.json", "log.jsonl",
        "model.safetensors", "recipe.yaml", "rewards.parquet", "run.json", "suite.json", "suite.yaml", "tokenizer.json",
        "tokenizer_config.json", "versions.json",
    } == top  # fmt: skip
    assert "completions/completions_00012.parquet" in files
    assert "checkpoints/README.md" not in files  # a card of TRL's
    assert not [name for name in files if name.endswith((".partial", ".bin")) and not name.startswith("checkpoints/")]
    assert resolve(str(whole / "recipe.yaml")) == resolve(str(whole / "recipe.yaml"), [f"out={whole}"])
    assert (whole / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert (whole / "model.safetensors").stat().st_mode & 0o777 == 0o644  # others may read it


def test_the_reward_log(whole: Path) -> None:
    from rewards.suite import load_suite

    table = parquet.read_table(whole / "rewards.parquet")
    assert {field.name: str(field.type) for field in table.schema} == {
        "step": "int64", "id": "string", "sample": "int64", "issue": "string", "argument": "string",
        "completion": "string", "reward": "double",
        "rewards": "struct<format: double, pattern_conformity: double, sentence_pattern_conformity: double>",
        "failure": "string", "edits": "int64", "valid": "int64", "accepted": "int64", "words_before": "int64",
        "words_after": "int64",
    }  # fmt: skip
    suite = json.loads(table.schema.metadata[b"rewards.suite"])
    assert suite["rewards"]["pattern_conformity"]["weight"] == -0.1
    assert set(load_suite(whole / "suite.yaml").describe()["rewards"]) == set(suite["rewards"])
    rows = table.to_pylist()
    assert [row["step"] for row in rows] == [step for step in range(1, 13) for _ in range(4)]
    assert [row["sample"] for row in rows] == [0, 1] * 24
    assert all(rows[i]["id"] == rows[i + 1]["id"] for i in range(0, 48, 2))
    assert len({row["reward"] for row in rows}) > 10
    logged = [entry["reward"] for entry in history(whole) if "reward" in entry]
    means = [sum(row["reward"] for row in rows[4 * i : 4 * i + 4]) / 4 for i in range(12)]
    assert logged == pytest.approx(means, abs=1e-5)
    held_out = parquet.read_table(whole / "evaluation.parquet").to_pylist()
    assert [row["step"] for row in held_out] == [0] * 4 + [6] * 4 + [12] * 4
    assert not {row["id"] for row in held_out} & {row["id"] for row in rows}


OFFLINE = "import huggingface_hub.constants\nhuggingface_hub.constants.HF_HUB_OFFLINE = True\n"


def test_the_card_runs_as_printed(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = (whole / "README.md").read_text(encoding="utf-8")
    front = card.split("---")[1]
    for text in ("library_name: transformers", "- grpo", "- trl", "license: "):
        assert text in front
    for text in ("2402.03300", "vonwerra2020trl", "- trl: ", "- tokenizers: ", "| pattern_conformity | edit | -0.1 |"):
        assert text in card
    rests = next(
        line for line in card.splitlines() if line.startswith("- `pattern_conformity`, `sentence_pattern_conf")
    )
    assert "Data: ArgRewrite V2 (Kashefi et al., 2022), CC BY 4.0." in rests
    assert "\n  - The human revisions are students' second drafts" in card
    program = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert program
    assert re.search(r"\d+ arguments of `[\w.]+`\. The whole recipe", card)
    assert re.search(r"Means over \d+ arguments of `[\w.]+` that training did not see", card)
    assert "license: unknown" in front
    assert "The licence of the base model is not stated beside its weights" in card
    file = tmp_path / "card.py"
    file.write_text(f"{OFFLINE}{program[1]}\nprint(ascii(output))", encoding="utf-8")
    monkeypatch.chdir(whole)
    done = command(program=file)
    assert done.returncode == 0, done.stderr.decode()
    *printed, output = done.stdout.decode().splitlines(keepends=True)
    assert "".join(printed) == ast.literal_eval(output)["generated_text"] + "\n"  # it may be blank: the policy is tiny


def begun(recipe_file: Path, out: Path, *options: str) -> Started | subprocess.Popen[bytes]:
    return start("train", recipe_file, f"out={out}", *options)


def until(path: Path, process: Started | subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 240
    while not path.exists():
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_run_goes_on_exactly_after_ctrl_c_and_after_a_kill(recipe_file: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "broken"
    process = begun(recipe_file, out)
    until(out / "parts" / "eval-00000004-0000.parquet", process)
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=240)[1].decode()
    assert process.returncode == 130, errors
    assert "finishing this step and saving" in errors
    assert "add --resume" in errors
    reached = max(int(path.parent.name.split("-")[1]) for path in out.glob("checkpoints/checkpoint-*/rewards.json"))
    assert 4 <= reached < 12
    process = begun(recipe_file, out, "--resume")
    until(out / "checkpoints" / "checkpoint-8" / "rewards.json", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not folder.finished(out)
    run(made(recipe_file, out), Launch(), resume=True)
    assert parquet.read_table(out / "rewards.parquet").equals(parquet.read_table(whole / "rewards.parquet"))
    assert parquet.read_table(out / "evaluation.parquet").equals(parquet.read_table(whole / "evaluation.parquet"))
    assert history(out) == history(whole)
    same = weights(whole)
    assert all((tensor == same[name]).all() for name, tensor in weights(out).items())


@pytest.fixture(scope="module")
def two(recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A run of two processes, and with which options.

    Of two steps in an epoch: after the third, transformers would begin the second epoch's second half. Three arguments to
    evaluate with do not fill two rounds of two processes.
    """
    at = tmp_path_factory.mktemp("two")
    train, held_out = (write_lines(at / f"{len(part)}.jsonl", *part) for part in (ARGUMENTS[:4], ARGUMENTS[3:]))
    options = [f"data={train}", f"data.eval={held_out}", "data.eval_fraction=0", "max_steps=3", "save_steps=1"]
    options += ["per_device_train_batch_size=2", "per_device_eval_batch_size=2", "lr_scheduler_type=constant"]
    options += ["eval_on_start=false", "save=adapter", "processes=2"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OMP_NUM_THREADS", "1")
        run(made(recipe_file, at / "out", *options), Launch(2), resume=False)
    return at / "out", options


def test_two_processes_score_as_one(two: tuple[Path, list[str]]) -> None:
    from rewards.records import read_revision
    from rewards.suite import load_suite

    out = two[0]
    rows = parquet.read_table(out / "rewards.parquet").to_pylist()
    assert [(row["step"], row["sample"]) for row in rows] == [(step, s) for step in range(1, 4) for s in (0, 1, 0, 1)]
    assert all(rows[i]["id"] == rows[i + 1]["id"] for i in range(0, 12, 2))
    suite = load_suite(out / "suite.yaml")
    again = suite.score([read_revision({**row}, format="rewrite") for row in rows])
    assert [result.reward for result in again] == [row["reward"] for row in rows]
    logged = [entry["reward"] for entry in history(out) if "reward" in entry]
    assert logged == pytest.approx([sum(r["reward"] for r in rows[4 * i : 4 * i + 4]) / 4 for i in range(3)], abs=1e-5)
    every = parquet.read_table(out / "evaluation.parquet").to_pylist()  # nothing counts twice, in the log or in a mean
    assert [(row["step"], row["sample"]) for row in every] == [(3, n) for n in (0, 1) * 3]
    (evaluated,) = (entry for entry in history(out) if "eval_reward" in entry)
    assert len({row["id"] for row in every}) == 3
    for key, values in {
        "eval_reward": [row["reward"] for row in every],
        "eval_rewards/format/mean": [row["rewards"]["format"] for row in every],
        "eval_suite/edits": [row["edits"] for row in every],
        "eval_suite/with_accepted_edit": [bool(row["accepted"]) for row in every],
    }.items():
        assert evaluated[key] == pytest.approx(sum(values) / 6), key


ON_CPUS = """
import os
import torch

if os.environ.get("LOCAL_RANK"):
    from accelerate.state import PartialState
    from accelerate.utils import DistributedType

    def set_device(state):
        state.device = torch.device("cpu")

    PartialState._prepare_backend = lambda *_, **__: ("gloo", DistributedType.MULTI_GPU)
    PartialState.set_device = set_device
"""
"""Python runs `sitecustomize` first: accelerate shards weights over GPUs only, and takes processes without any for some here."""
IN_PARTS = {"FSDP": "pytorch_model_fsdp_0", "DEEPSPEED": "global_step2"}
"""Where a checkpoint keeps what lies in several processes."""
SHARDED = {
    "FSDP": "fsdp_config: {fsdp_version: 2, fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP}",
    "DEEPSPEED": "deepspeed_config: {zero_stage: 3, zero3_init_flag: true, zero3_save_16bit_model: true}",
}


@pytest.mark.slow  # seven processes
@pytest.mark.parametrize("kind", SHARDED)
def test_weights_that_are_spread_over_processes(
    recipe_file: Path, two: tuple[Path, list[str]], tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "DEEPSPEED":
        pytest.importorskip("deepspeed")
    from safetensors.torch import load_file

    (tmp_path / "sitecustomize.py").write_text(ON_CPUS, encoding="utf-8")
    config = tmp_path / "accelerate.yaml"
    config.write_text(
        f"distributed_type: {kind}\n{SHARDED[kind]}\nnum_processes: 2\nnum_machines: 1\nmixed_precision: 'no'\n"
    )
    for name, value in (("OMP_NUM_THREADS", "1"), ("DS_ACCELERATOR", "cpu"), ("PYTHONPATH", str(tmp_path))):
        monkeypatch.setenv(name, value)
    whole, out = two[0], tmp_path / "spread"
    options = [*two[1], "eval_strategy=no", "use_cpu=false"]
    run(made(recipe_file, out, *options), Launch(2, config), resume=False)
    found = {}
    for name, folder_ in (("plain", whole), ("spread", out)):
        rows = parquet.read_table(folder_ / "rewards.parquet").to_pylist()
        found[name] = load_file(folder_ / "adapter_model.safetensors"), [(row["id"], row["reward"]) for row in rows]
    kept = tmp_path / "spread" / "checkpoints" / "checkpoint-3" / IN_PARTS[kind]
    assert len(list(kept.iterdir())) > 1  # one part of each process, at least
    (plain, rewards), (spread, again) = found["plain"], found["spread"]
    assert rewards == again
    assert plain.keys() == spread.keys()
    assert any(tensor.abs().max() > 0 for name, tensor in spread.items() if "lora_B" in name)
    for name, tensor in plain.items():
        assert tensor.numpy() == pytest.approx(spread[name].numpy(), abs=1e-5), name

    folder.write_state(out, finished=False)  # as if it had broken off after its last step
    given = ["train", recipe_file, f"out={out}", *options, "--num-processes", "2", "--accelerate-config", config]
    done = command(*given, "--resume")
    assert done.returncode == 0, done.stderr.decode()
    assert folder.read_state(out)["steps"] == 3
    rows = parquet.read_table(out / "rewards.parquet").to_pylist()
    assert [(row["id"], row["reward"]) for row in rows] == again
    same = load_file(out / "adapter_model.safetensors")
    assert all((tensor == same[name]).all() for name, tensor in spread.items())
    assert (
        folder.read_state(out)["distribution"] == kind
    )  # whole policies do not go on with parts, nor the other way round


def started_by(launcher: int) -> list[str]:
    """The ids of the processes that a launcher has started, and of theirs."""
    mark, found = f"REWARDS_LAUNCHER={launcher}\0".encode(), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            found += [path.parent.name] if mark in path.read_bytes() else []
    return found


@pytest.mark.slow  # two runs of two processes
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
def test_no_process_outlives_its_launcher(recipe_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "two"
    options = [
        "per_device_train_batch_size=2",
        "save_steps=1",
        "max_steps=500",
        "eval_strategy=no",
        "eval_on_start=false",
    ]
    process = begun(recipe_file, out, *options, "--num-processes", "2")
    until(out / "checkpoints" / "checkpoint-1" / "rewards.json", process)
    assert len(started_by(process.pid)) == 2
    with pytest.raises(RewardsError, match=f"in use by another `rewards train`, process {process.pid}: wait for it"):
        run(made(recipe_file, out, *options, "processes=2"), Launch(2), resume=True)
    for one in [*started_by(process.pid), process.pid]:  # as a scheduler ends a job
        os.kill(int(one), signal.SIGTERM)
    errors = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130, errors
    assert "finishing this step and saving" in errors
    assert not started_by(process.pid)
    whole = len(list(out.glob("checkpoints/checkpoint-*/rewards.json")))
    assert whole == len(list(out.glob("checkpoints/checkpoint-*"))) > 0

    process = begun(recipe_file, out, *options, "--num-processes", "2", "--resume")
    until(out / "parts" / "train-00000001-0000.parquet", process)
    deadline = time.monotonic() + 60
    while len(started_by(process.pid)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    deadline = time.monotonic() + 20
    while started_by(process.pid):
        assert time.monotonic() < deadline, "the processes of a killed launcher go on"
        time.sleep(0.05)


def test_two_runs_do_not_share_a_folder(recipe_file: Path, tmp_path: Path) -> None:
    recipe = made(recipe_file, tmp_path / "out")
    with folder.opened(recipe, resume=False) as out:
        for resume in (False, True):
            with pytest.raises(
                RewardsError, match=f"out is in use by another `rewards train`, process {os.getpid()}: "
            ):
                run(recipe, Launch(), resume)
    with folder.opened(recipe, resume=False):
        assert sorted(path.name for path in out.iterdir()) == [".lock", "recipe.yaml"]


def test_what_is_in_the_way(recipe_file: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="holds a run already: add --resume"):
        run(made(recipe_file, whole), Launch(), resume=False)
    with pytest.raises(ConfigError, match=r"another recipe \(grpo.seed: 3 there, 4 here\)"):
        run(made(recipe_file, whole, "seed=4"), Launch(), resume=True)
    run(made(recipe_file, whole), Launch(), resume=True)
    assert "is complete: nothing to resume" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="no such file"):
        run(made(recipe_file, tmp_path / "early", "data=gone.jsonl"), Launch(), resume=False)
    with pytest.raises(ConfigError, match="missing.jsonl: no such file"):  # nothing had begun: no --resume is needed
        run(made(recipe_file, tmp_path / "early", "data=missing.jsonl"), Launch(), resume=False)
    write_lines(tmp_path / "notes.txt", {})
    with pytest.raises(ConfigError, match="is not empty, and holds no run"):
        run(made(recipe_file, tmp_path), Launch(), resume=False)
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "out"
    run(made(recipe_file, other, "max_steps=1", "eval_strategy=no", "eval_on_start=false"), Launch(), resume=False)
    folder.write_state(other, finished=False)
    folder.write_state(other, data="something else")
    with pytest.raises(ConfigError, match="the run began with data something else"):
        run(made(recipe_file, other, "max_steps=1", "eval_strategy=no", "eval_on_start=false"), Launch(), resume=True)


def test_a_run_does_not_go_on_with_other_rewards(recipe_file: Path, tmp_path: Path) -> None:
    """The same file, and something else in it."""
    suite = tmp_path / "mine.yaml"
    suite.write_text(SUITE, encoding="utf-8")
    options = [f"suite={suite}", "max_steps=2", "save_steps=1", "eval_strategy=no", "eval_on_start=false"]
    run(made(recipe_file, tmp_path / "out", *options), Launch(), resume=False)
    folder.write_state(tmp_path / "out", finished=False)
    suite.write_text(SUITE.replace("weight: 1", "weight: 7", 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"rewards\.suite\.\w+\.weight was 1\.0, is 7\.0: it cannot go on exactly"):
        run(made(recipe_file, tmp_path / "out", *options), Launch(), resume=True)
    suite.write_text(SUITE + "# only a remark\n", encoding="utf-8")
    run(made(recipe_file, tmp_path / "out", *options), Launch(), resume=True)
    assert folder.finished(tmp_path / "out")


LIMITED = """
import resource
from rewards.cli import main

resource.setrlimit(resource.RLIMIT_FSIZE, (40 * 1024, 40 * 1024))
main()
"""


def test_a_full_disk_leaves_whole_checkpoints_only(recipe_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "full"
    program = tmp_path / "limited.py"
    program.write_text(LIMITED, encoding="utf-8")
    done = command("train", recipe_file, f"out={out}", program=program)
    assert done.returncode == 2, done.stderr.decode()
    assert "the disk is full: no checkpoint was written yet; free some space and add --resume" in done.stderr.decode()
    assert not list(out.glob("checkpoints/checkpoint-*"))


BRITTLE = """
import rewards

calls = []

@rewards.reward(level="global", range=(0, 1))
def brittle(arguments):
    "Breaks when it is asked for the third time."
    calls.append(len(arguments))
    if len(calls) > 2:
        raise ValueError("glass")
    return [1.0] * len(arguments)

@rewards.hookimpl
def register_rewards(register):
    register(brittle)
"""


def test_rewards_that_never_work_end_a_run_before_its_policy_loads(
    recipe_file: Path, tmp_path: Path, found_here: Callable[[Path], None]
) -> None:
    installed(tmp_path, "brittle_plugin", BRITTLE.replace("len(calls) > 2", "True"))
    (tmp_path / "brittle.yaml").write_text("description: b\nrewards:\n  brittle: {weight: 1}\n", encoding="utf-8")
    found_here(tmp_path)
    told = "the rewards fail on arguments with a word deleted, before any training: reward 'brittle'"
    with pytest.raises(RewardsError, match=told) as raised:
        run(made(recipe_file, tmp_path / "o", f"suite={tmp_path / 'brittle.yaml'}"), Launch(), resume=False)
    assert not isinstance(raised.value, RewardFailed)  # whose exit code is another


def test_a_plugin_that_breaks_in_a_later_step_ends_the_run(recipe_file: Path, tmp_path: Path) -> None:
    installed(tmp_path, "brittle_plugin", BRITTLE)
    (tmp_path / "brittle.yaml").write_text("description: b\nrewards:\n  brittle: {weight: 1}\n", encoding="utf-8")
    out = tmp_path / "out"
    options = [f"suite={tmp_path / 'brittle.yaml'}", "eval_strategy=no", "eval_on_start=false", "save_steps=2"]
    done = command("train", recipe_file, f"out={out}", *options, PYTHONPATH=str(tmp_path))
    told = done.stderr.decode()
    assert done.returncode == 1, told
    assert "could not be scored, more than the" in told
    assert "reward 'brittle' of brittle_plugin 1.0 failed: ValueError: glass" in told
    assert list(out.glob("checkpoints/checkpoint-2"))
    assert not (out / "model.safetensors").exists()


def test_a_warm_start_and_then_grpo_on_it(
    recipe_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = [
        {**ARGUMENTS[0], "rewrite": "Lunch is too short. Everybody knows it. It is."},
        {**ARGUMENTS[1], "rewrite": "Lunch is short. Nobody eats. It is."},
    ]
    pairs.append(
        {**ARGUMENTS[2], "rewrite": ARGUMENTS[2]["argument"]}
    )  # nothing changes: not what a policy should learn
    pairs += [
        {
            "issue": "i",
            "argument": "Too long, you fool. " * 900,
            "rewrite": "Too long. " + "Too long, you fool. " * 899,
        },
        {"prompt": "1. It is bad, you fool.", "completion": "It is bad."},
    ]
    data = write_lines(tmp_path / "pairs.jsonl", *pairs, b"no json\n")
    out = tmp_path / "warm"
    options = [
        "sft.args.report_to=tensorboard",
        f"sft.data={data}",
        "sft.args.max_steps=2",
        "sft.args.use_cpu=true",
        "sft.args.bf16=false",
        "max_steps=1",
    ]
    run(made(recipe_file, out, *options, "eval_strategy=no", "eval_on_start=false"), Launch(), resume=False)
    state = folder.read_state(out / "warm-start")
    assert (state["finished"], state["pairs"], state["left_out"]) == (True, 2, 4)
    assert (state["processes"], state["version"]) == (1, version())  # what it cannot go on exactly without
    assert list((out / "warm-start" / "runs").rglob("events.out*"))  # its checkpoints are gone
    told = capsys.readouterr().err
    assert "warm start 3 pairs, 3 left out that cannot be used (line 3: " in told
    assert ", 1 left out whose prompts have more tokens than 2,042: the policy reads 2,048, of which" in told
    assert (out / "warm-start" / "model.safetensors").exists()
    assert folder.finished(out)
    assert "after a supervised warm start" in (out / "README.md").read_text(encoding="utf-8")


def test_pairs_beyond_a_limit_and_pairs_without_an_argument_are_counted(tmp_path: Path) -> None:
    rows = [{"argument": f"A bad idea {number}.", "completion": "1 | bad | poor"} for number in range(3)]
    rows.append({"prompt": "1. A bad idea.", "completion": "1 | bad | poor"})
    file = write_lines(tmp_path / "pairs.jsonl", *rows)
    read = sft.read_pairs(resolve("smoke", [f"sft.data={file}", "sft.limit=2"]))
    assert (len(read.found), read.beyond) == (2, 1)
    assert read.summary() == (
        "2 pairs, 1 left out that cannot be used (line 4: argument: no text: give `argument` or `sentences`; it is not"
        " guessed from `prompt`), 1 left out beyond sft.limit"
    )


def test_a_warm_start_learns_the_completions_and_not_the_prompts(recipe_file: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(json.dumps({"issue": "i", "argument": "A bad idea.", "completion": "1 | bad | poor"}) + "\n")
    chosen = made(recipe_file, tmp_path / "out", f"sft.data={pairs}", "sft.args.use_cpu=true")
    tokenizer = policy.load_tokenizer(policy.folder_of(chosen.model))
    row = sft.encode(sft.read_pairs(chosen).found[0], tokenizer, chosen)
    trainer, _ = sft._trainer(chosen, tmp_path / "out" / "warm-start", [row], tokenizer)
    labels = next(iter(trainer.get_train_dataloader()))["labels"][0].tolist()
    answer = tokenizer("1 | bad | poor", add_special_tokens=False)["input_ids"]
    assert [label for label in labels if label != -100] == [*answer, tokenizer.eos_token_id]


def test_a_scheduler_that_ends_every_process_asks_for_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    before = signal.getsignal(signal.SIGINT)
    with folder.stop_on_interrupt(tmp_path):
        assert signal.getsignal(signal.SIGINT) is before  # the launcher hears of Ctrl-C
        for _ in range(2):
            signal.raise_signal(signal.SIGTERM)
        assert (tmp_path / folder.STOP).exists()
    assert (tmp_path / folder.STOP).exists()  # the launcher, which may have been asked too, takes it away
    assert capsys.readouterr().err == ""  # and tells of it, once


def interrupted_save(model: Any, to: Path, save: Callable[[Any, Path], None] = finish.save) -> None:
    signal.raise_signal(signal.SIGINT)
    save(model, to)


def test_ctrl_c_in_the_last_step_of_a_warm_start_begins_nothing_else(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = write_lines(tmp_path / "pairs.jsonl", {**ARGUMENTS[0], "rewrite": "Lunch is too short. It is."})
    recipe = made(
        recipe_file, tmp_path / "out", f"sft.data={pairs}", "sft.args.max_steps=1", "sft.args.use_cpu=true", "max_steps=1",
        "eval_strategy=no", "eval_on_start=false",
    )  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr(finish, "save", interrupted_save)
        with pytest.raises(KeyboardInterrupt):
            run(recipe, Launch(), resume=False)
    out = Path(recipe.out)
    assert folder.finished(out / "warm-start")
    assert not list(out.glob("parts/*"))
    assert not (out / ".stop").exists()
    run(recipe, Launch(), resume=True)
    assert folder.finished(out)


def test_ctrl_c_while_a_model_is_saved_ends_a_complete_run(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "save", interrupted_save)
    out = tmp_path / "out"
    run(made(recipe_file, out, "max_steps=1", "eval_strategy=no", "eval_on_start=false"), Launch(), resume=False)
    assert folder.finished(out)
    assert not (out / ".stop").exists()


def test_what_stops_grpo_stops_before_the_warm_start(recipe_file: Path, tmp_path: Path) -> None:
    pairs = write_lines(tmp_path / "pairs.jsonl", {**ARGUMENTS[0], "rewrite": "Lunch is too short. It is."})
    out = tmp_path / "warm"
    options = [f"sft.data={pairs}", "sft.args.max_steps=1", "sft.args.use_cpu=true", "max_steps=1", "eval_fraction=0"]
    for wrong, message in (
        ("data=gone.jsonl", "no such file"),
        ("suite=gone", "no suite is called 'gone'"),
        ("report_to=trackio", "trackio is not installed here: pip install 'trackio'"),
        ("num_generations=3", r"generation_batch_size \(4\) must be divisible by num_generations \(3\)"),
        ("processes=100", "5 argument.*give more data|6 argument.*give more data"),
        ("optim=nosuch", "nosuch is not a valid OptimizerNames"),
        ("lr_scheduler_type=foo", "foo is not a valid SchedulerType"),
        ("save_total_limit=1", "grpo.save_total_limit must be at least 2"),
        ("load_best_model_at_end=true", "no arguments are held out to choose by"),
        ("lora.target_modules=[q_prj]", "lora.target_modules: the policy has no module q_prj; it has q_proj, k_proj"),
        ("sft.args.save_only_model=true", "sft.args.save_only_model: without the optimizer a run cannot be resumed"),
    ):
        processes = 100 if wrong == "processes=100" else 1
        with pytest.raises(RewardsError, match=message):
            run(made(recipe_file, out, *options, wrong), Launch(processes), resume=False)
        assert not (out / "warm-start").exists()
    run(made(recipe_file, out, *options), Launch(), resume=False, only_sft=True)
    with pytest.raises(ConfigError, match="LoraConfig|target modules"):
        run(made(recipe_file, out, *options, "lora.target_modules=[q_prj]"), Launch(), resume=True)
    with pytest.raises(ConfigError, match=r"another recipe \(sft.args.max_steps: 1 there, 2 here\)"):
        run(made(recipe_file, out, *options, "sft.args.max_steps=2"), Launch(), resume=True)
    begun = pairs.read_bytes()
    write_lines(pairs, {**ARGUMENTS[1], "rewrite": "Lunch is short. It is."})
    with pytest.raises(
        ConfigError, match="warm-start: the run began with sft.data [0-9a-f]{16}, and now has .*put back"
    ):
        run(made(recipe_file, out, *options), Launch(), resume=True)
    pairs.write_bytes(begun)
    began = (out / "warm-start" / "model.safetensors").stat().st_mtime_ns
    tables = out / "checkpoints" / "completions"  # what TRL leaves of an attempt that broke off in its first step
    tables.mkdir(parents=True, exist_ok=True)
    (tables / "completions_00001.parquet").touch()
    run(made(recipe_file, out, *options, "learning_rate=0.02", "save=adapter"), Launch(), resume=True)
    assert (out / "warm-start" / "model.safetensors").stat().st_mtime_ns == began
    assert json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"] == "warm-start"


def test_what_is_left_out_is_told(recipe_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = {"issue": "Lunch?", "argument": "It is short. " * 40}
    data = write_lines(tmp_path / "arguments.jsonl", *ARGUMENTS, {**long, "id": "long"}, b"no json\n")
    out = tmp_path / "out"
    options = [f"data={data}", "max_prompt_tokens=400", "max_steps=1", "eval_fraction=0"]
    run(made(recipe_file, out, *options), Launch(), resume=False)
    printed, told = capsys.readouterr()
    assert printed == ""
    assert "6 arguments to train on, 0 to evaluate with" in told
    opening = " ".join(told.split())
    assert (
        "policy, LoRA of rank 4; it answers in format rewrite trainer GRPO, 1 step(s) at learning rate 0.01; "
        in opening
    )
    assert "4 completions are generated together, 2 for each of 2 prompt(s) suite toy pays format 1, patt" in opening
    assert "pattern_conformity -0.1; measures sentence_pattern_conformity" in opening
    assert re.search(r"left out   long: its prompt has [\d,]+ tokens, more than data.max_prompt_tokens 400", told)
    assert "left out   line 8: " in told
    assert folder.read_state(out)["left_out"] == 2


def test_what_breaks_after_the_last_step_trains_no_other(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["max_steps=3", "eval_strategy=no", "eval_on_start=false", "num_completions_to_print=0"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(made(recipe_file, whole, *options), Launch(), resume=False)
    with monkeypatch.context() as patched:
        patched.setattr(curves, "draw", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(made(recipe_file, broken, *options), Launch(), resume=False)
    tables = sorted(path.name for path in (whole / "completions").iterdir())
    run(made(recipe_file, broken, *options), Launch(), resume=True)
    assert folder.read_state(broken)["steps"] == 3
    assert sorted(path.name for path in (broken / "completions").iterdir()) == tables
    assert parquet.read_table(broken / "rewards.parquet").equals(parquet.read_table(whole / "rewards.parquet"))
    assert history(broken) == history(whole)
    same = weights(whole)
    assert all((tensor == same[name]).all() for name, tensor in weights(broken).items())


def test_weights_and_biases_offline(recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    out = tmp_path / "tracked"
    options = ["max_steps=2", "report_to=wandb", "run_name=tiny", "eval_strategy=no", "eval_on_start=false"]
    run(made(recipe_file, out, *options), Launch(), resume=False)
    keys = set(wandb.run.summary.keys()) if wandb.run is not None else set()
    wandb.finish()
    assert {"train/reward", "train/rewards/format/mean", "train/suite/edits", "train/suite/share_of_time"} <= keys
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert "wandb-github-badge" not in (out / "README.md").read_text(encoding="utf-8")


def test_tensorboard(recipe_file: Path, tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    options = ["max_steps=2", "report_to=tensorboard", "eval_strategy=no", "eval_on_start=false"]
    out = tmp_path / "tracked"
    run(made(recipe_file, out, *options), Launch(), resume=False)
    (folder_,) = (out / "runs").iterdir()  # not among the checkpoints, which may be deleted
    board = events.EventAccumulator(str(folder_)).Reload()
    tags = set(board.Tags()["scalars"])
    assert {"train/reward", "train/rewards/format/mean", "train/suite/edits", "train/suite/share_of_time"} <= tags
    assert [event.step for event in board.Scalars("train/reward")] == [1, 2]


def test_trackers_are_told_what_is_stated_and_tensorboard_where_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK, TensorBoardCallback
    from transformers.trainer_callback import CallbackHandler

    from rewards_train.callbacks import keep_trackers

    class Tracker(TrainerCallback):
        def __init__(self) -> None:
            self.logged: list[dict[str, Any]] = []

        def on_log(self, args: Any, state: Any, control: Any, model: Any = None, logs: Any = None, **_: Any) -> None:
            self.logged.append(logs)

    class Known(Tracker):
        pass

    monkeypatch.setitem(INTEGRATION_TO_CALLBACK, "known", Known)
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    known, ours, board = Known(), Tracker(), TensorBoardCallback()
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "mine"))
    placed = TensorBoardCallback()
    handler = CallbackHandler([known, ours, board, placed], *[None] * 4)
    keep_trackers(SimpleNamespace(callback_handler=handler), tmp_path)
    assert Path(str(board.logging_dir)).parent == tmp_path / "runs"
    assert placed.logging_dir == str(tmp_path / "mine")
    handler.remove_callback(board)
    handler.remove_callback(placed)
    logs = {"reward": 1.0, "rewards/fluency/mean": None, "grad_norm": math.nan, "kl": math.inf, "note": "text", "n": 2}
    handler.on_log(TrainingArguments(str(tmp_path)), TrainerState(), TrainerControl(), dict(logs))
    assert known.logged == [{"reward": 1.0, "note": "text", "n": 2}]  # transformers warns of None, TensorBoard of NaN
    assert ours.logged[0].keys() == logs.keys()


def test_a_tracker_that_fails_in_the_first_step_is_no_bug(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(write_lines(tmp_path / "file", {}) / "board"))
    options = ["max_steps=1", "eval_strategy=no", "eval_on_start=false"]
    with pytest.raises(RewardsError, match=r"report_to: a tracker failed: .*Not a directory.* or give report_to=none"):
        run(made(recipe_file, tmp_path / "out", *options, "report_to=tensorboard"), Launch(), resume=False)
    run(made(recipe_file, tmp_path / "out", *options), Launch(), resume=True)


def test_memory_that_runs_out_says_what_to_lower(recipe_file: Path, tmp_path: Path) -> None:
    with pytest.raises(RewardsError, match=r"out of memory .*Lower per_device_train_batch_size.*--resume"):
        run(made(recipe_file, tmp_path / "big", "lora.r=1000000000000000"), Launch(), resume=False)


BEST = ("save_steps=2", "eval_steps=2", "eval_on_start=false", "max_steps=6", "load_best_model_at_end=true")
BEST_OF = (*BEST, "metric_for_best_model=rewards/format/mean", "greater_is_better=false")
"""What training raises, lower is better: so a policy is at its best early."""


@pytest.fixture(scope="module")
def best(recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that leaves the weights that were best on held-out arguments, which are not the last ones."""
    out = tmp_path_factory.mktemp("runs") / "best"
    run(made(recipe_file, out, *BEST_OF, "save=adapter"), Launch(), resume=False)
    return out


def test_the_best_weights_of_held_out_arguments_are_left(best: Path) -> None:
    tracks = {entry["step"]: entry["eval_rewards/format/mean"] for entry in history(best) if "eval_reward" in entry}
    step = min(tracks, key=lambda at: (tracks[at], at))
    assert step != max(tracks)  # else the last weights would do
    told = {"step": step, "metric": "eval_rewards/format/mean", "value": tracks[step]}
    assert folder.read_state(best)["best"] == told
    assert tensors_of(best) == tensors_of(best / f"checkpoints/checkpoint-{step}")
    assert tensors_of(best) != tensors_of(best / f"checkpoints/checkpoint-{max(tracks)}")
    card = (best / "README.md").read_text(encoding="utf-8")
    assert f"the weights after step {step}, whose `eval_rewards/format/mean` is the best" in card
    assert f"| step {min(tracks)} | step {step} |" in card


def test_a_run_that_broke_off_after_its_last_step_leaves_the_best_weights_too(
    best: Path, recipe_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "best"
    shutil.copytree(best, out)
    for name in ("run.json", "adapter_model.safetensors"):
        (out / name).unlink()
    recipe = made(recipe_file, out, *BEST_OF, "save=adapter")
    (best / "checkpoints").rename(best / "moved")  # so that nothing is read from where the run was before
    (out / "recipe.yaml").write_text(dump(recipe), encoding="utf-8")
    try:
        run(recipe, Launch(), resume=True)
    finally:
        (best / "moved").rename(best / "checkpoints")
    assert tensors_of(out) == tensors_of(best)
    assert folder.read_state(out)["best"] == folder.read_state(best)["best"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("metric_for_best_model=rewards/formt/mean", "did you mean 'rewards/format/mean'"),
        ("data.eval_fraction=0", "give data.eval or data.eval_fraction"),
    ],
)
def test_what_to_choose_the_best_by_is_checked_before_the_first_step(
    recipe_file: Path, tmp_path: Path, override: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(made(recipe_file, tmp_path / "out", *BEST, override), Launch(), resume=False)


def test_the_best_is_chosen_in_the_direction_of_the_reward(whole: Path) -> None:
    from rewards.suite import load_suite
    from rewards_train import best

    suite = load_suite(whole / "suite.yaml")
    for name, given, greater in (
        ("rewards/pattern_conformity/mean", {}, False),
        ("rewards/pattern_conformity/mean", {"greater_is_better": True}, True),
        ("eval_rewards/format/mean", {}, True),
        ("loss", {}, False),
    ):
        config = SimpleNamespace(load_best_model_at_end=True, metric_for_best_model=name, greater_is_better=True)
        best.check(config, suite, given)
        assert config.greater_is_better is greater, name


def test_an_evaluation_without_the_number_to_choose_by_chooses_nothing(recipe_file: Path, tmp_path: Path) -> None:
    suite = tmp_path / "applies.yaml"
    suite.write_text("description: a\nrewards:\n  format: {weight: 1}\n  pattern_conformity:\n", encoding="utf-8")
    options = ["metric_for_best_model=rewards/pattern_conformity/mean", "max_steps=2", f"suite={suite}"]
    recipe = made(recipe_file, tmp_path / "out", *BEST, *options, "format=compact")  # in which it states no edit
    run(recipe, Launch(), resume=False)
    (entry,) = (entry for entry in history(tmp_path / "out") if "eval_reward" in entry)
    assert entry["eval_rewards/pattern_conformity/mean"] is None
    assert "best" not in folder.read_state(tmp_path / "out")


def test_what_is_not_logged_yet_is_logged_before_a_checkpoint(recipe_file: Path, tmp_path: Path) -> None:
    options = ["logging_steps=10", "save_steps=2", "max_steps=3", "eval_strategy=no", "eval_on_start=false"]
    run(made(recipe_file, tmp_path / "out", *options), Launch(), resume=False)
    rows = parquet.read_table(tmp_path / "out" / "rewards.parquet").to_pylist()
    rewards = [row["reward"] for row in rows]
    found = {entry["step"]: entry["reward"] for entry in history(tmp_path / "out") if "reward" in entry}
    assert found == pytest.approx({2: sum(rewards[:8]) / 8, 3: sum(rewards[8:]) / 4}, abs=1e-5)


def tensors_of(out: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return {name: tensor.tolist() for name, tensor in load_file(out / "adapter_model.safetensors").items()}


def test_a_run_stops_between_generations_only(tmp_path: Path) -> None:
    from rewards_train.callbacks import Keeper

    keeper = Keeper(tmp_path, 2, lambda step: None, lambda wish: wish)
    (tmp_path / folder.STOP).touch()
    args, asked = SimpleNamespace(logging_strategy="steps"), []
    for step in (1, 2, 3):
        control = SimpleNamespace(should_save=False, should_training_stop=False)
        keeper.on_step_end(args, SimpleNamespace(global_step=step, max_steps=9), control)
        asked.append((control.should_save, control.should_training_stop))
    assert asked == [(False, False), (True, True), (False, False)]
    assert keeper.stopped
    keeper, control = Keeper(tmp_path, 2, lambda step: None, lambda wish: wish), SimpleNamespace(should_save=False)
    keeper.on_step_end(args, SimpleNamespace(global_step=10, max_steps=10), control)  # only the model is left to write
    assert not keeper.stopped


def test_the_order_of_prompts_depends_on_seed_and_epoch_alone() -> None:
    from rewards_train.order import EpochOrder

    def order(seed: int, epoch: int, drawn: int = 0) -> list[int]:
        settings: dict[str, Any] = {"mini_repeat_count": 1, "batch_size": 2, "repeat_count": 1, "shuffle": True}
        sampler = EpochOrder(data_source=range(20), seed=seed, epoch=lambda: epoch, **settings)
        for _ in range(drawn):
            list(sampler)
        return list(sampler)

    assert order(1, 3) == order(1, 3, drawn=2)  # whatever was drawn before
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1, 2)}) == 6


def test_the_suite_that_is_left_is_the_one_that_was_trained_on(tmp_path: Path) -> None:
    from rewards.suite import load_suite

    model = tmp_path / "encoder"
    model.mkdir()
    settings = {
        "appropriateness_gain": {"weight": 3, "empty": "zero"},
        "fluency": {"threshold": 0.25, "together": False},
    }
    settings["token_similarity"] = {"threshold": 0.0}
    engine = Engine(models={"encoder": str(model)})
    suite = load_suite("default", rewards=["semantic_similarity"], settings=settings, engine=engine)
    file = tmp_path / "elsewhere" / "suite.yaml"
    file.parent.mkdir()
    file.write_text(finish.suite_file(suite), encoding="utf-8")
    again = load_suite(file)
    assert again.engine.models == engine.models

    def told(one: Any) -> dict[str, Any]:
        return {name: {**each, "threshold_source": ""} for name, each in one.describe()["rewards"].items()}

    assert told(again) == told(suite)
    assert (told(again)["fluency"]["together"], told(again)["plain_text"]["together"]) == (False, True)


def test_the_next_commands_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    finish.say(resolve("smoke", []), Path("my runs/1"), [], None)
    edit, audit = (shlex.split(line.replace("next:", "")) for line in capsys.readouterr().err.splitlines()[1:])
    assert edit[edit.index("--suite") + 1] == "my runs/1/suite.yaml"
    assert audit == ["rewards", "audit", "my runs/1/rewards.parquet"]
