"""The output folder of a run: what is damaged in it is named with its remedy, before anything is loaded."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import rewards
from rewards.errors import ConfigError, RewardsError
from rewards.versions import version
from rewards_train import checkpoints, data, dry_run, folder, recipe, resuming
from rewards_train.recipe import Recipe


@pytest.fixture
def begun(tmp_path: Path) -> Recipe:
    """The recipe of a run that broke off after two checkpoints, with its folder as it left it."""
    out = tmp_path / "out"
    chosen = recipe.resolve("smoke", [f"out={out}"])
    out.mkdir()
    (out / folder.RECIPE).write_text(recipe.dump(chosen), encoding="utf-8")
    folder.write_state(out, processes=1)
    for step in (2, 4):
        path = out / folder.CHECKPOINTS / f"checkpoint-{step}"
        path.mkdir(parents=True)
        for name, values in ((checkpoints.TRAINER, {"global_step": step}), (checkpoints.MARK, {"step": step})):
            (path / name).write_text(json.dumps(values), encoding="utf-8")
    folder.check(chosen, resume=True)
    return chosen


@pytest.mark.parametrize("content", ["{", "", "null", "5", '"x"', "[1]", "[]", "[" * 100_000, "\0\0"])
@pytest.mark.parametrize("part", ["", folder.WARM_START])
def test_a_damaged_state_is_named(begun: Recipe, part: str, content: str) -> None:
    path = Path(begun.out) / part / folder.STATE
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match="is damaged .*: delete it, and --resume goes on at the last") as refused:
        folder.check(begun, resume=True)
    assert str(refused.value).startswith(str(path))
    with pytest.raises(ConfigError, match="is damaged"), folder.opened(begun, resume=True):
        pass
    path.unlink()
    folder.check(begun, resume=True)


def test_what_a_run_began_with_is_compared_and_the_first_changes_are_named(begun: Recipe) -> None:
    out, rewards = Path(begun.out), {"suite": {name: {"weight": 1.0} for name in "abcde"}}
    folder.write_state(out, rewards=rewards)
    folder.check_same(out, {"rewards": rewards}, main=True)
    others = {"suite": {name: {"weight": 2.0} for name in "abcde"}}
    with pytest.raises(
        ConfigError, match=r"rewards\.suite\.a\.weight was 1\.0, is 2\.0; .*\.c\..*: it cannot go on"
    ) as refused:
        folder.check_same(out, {"rewards": others}, main=True)
    assert "suite.d" not in str(refused.value)
    with pytest.raises(ConfigError, match="the run began with processes 1, and now has 2: it cannot go on exactly"):
        folder.check_same(out, {"processes": 2}, main=True)


def test_a_run_that_another_version_began_is_not_gone_on_with(begun: Recipe) -> None:
    out, now = Path(begun.out), {"processes": 1, "rewards": {}, "version": "2.0"}
    with pytest.raises(
        ConfigError, match="which did not note its rewards, version: it cannot go on exactly; go on with that"
    ):
        folder.check_same(out, now, main=True)
    assert folder.read_state(out) == {"processes": 1}
    folder.write_state(out, rewards={}, version="1.0")
    with pytest.raises(
        ConfigError, match=r"the run began with version 1\.0, and now has 2\.0: it cannot go on exactly"
    ):
        folder.check_same(out, now, main=True)
    (out / folder.STATE).unlink()  # the remedy where it is damaged
    folder.check_same(out, now, main=False)
    assert folder.read_state(out) == {}  # another process notes it
    folder.check_same(out, now, main=True)
    assert folder.read_state(out) == now


def test_a_dry_run_compares_too_and_notes_nothing(begun: Recipe) -> None:
    out, splits = Path(begun.out), data.Splits(data.Loaded(()), data.Loaded(()))
    suite = rewards.suite_of(["format"])
    folder.write_state(out, data=splits.digest(), rewards=resuming.rewards_of(suite), version=version())
    noted = folder.read_state(out)
    dry_run.DryRun(begun, 1, resume=True)._begun(suite, splits)
    assert folder.read_state(out) == noted
    folder.write_state(out, data="of other arguments")
    with pytest.raises(ConfigError, match="the run began with data of other arguments, and now has"):
        dry_run.DryRun(begun, 1, resume=True)._begun(suite, splits)
    shutil.rmtree(out / folder.CHECKPOINTS)
    dry_run.DryRun(begun, 2, resume=True)._begun(suite, splits)  # no step was made that binds it


def test_what_an_attempt_without_a_step_noted_binds_nobody(begun: Recipe) -> None:
    out = Path(begun.out)
    for steps, noted in ((True, {"processes": 1}), (False, {})):
        if not steps:
            shutil.rmtree(out / folder.CHECKPOINTS)
        with folder.opened(begun, resume=True):
            assert (out / folder.LOCK).read_text(encoding="utf-8") == f"{os.getpid()}\n"
        assert folder.read_state(out) == noted


def test_files_of_trackers_are_in_nobodys_way(begun: Recipe) -> None:
    for part in ("", folder.WARM_START):
        (Path(begun.out) / part / "runs" / "now").mkdir(parents=True)
    folder.check(begun, resume=True)


@pytest.mark.parametrize("content", [b"[]", b"", b"{", b"\0\0", b"\xff", b"5"])
def test_a_damaged_recipe_is_named(begun: Recipe, content: bytes) -> None:
    path = Path(begun.out) / folder.RECIPE
    path.write_bytes(content)
    with pytest.raises(
        ConfigError, match="put back the recipe that the run began with, or give another out="
    ) as refused:
        folder.check(begun, resume=True)
    assert str(refused.value).startswith(str(path))
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is missing"),
        ("", "is damaged"),
        ('{"global_step": ', "is damaged"),
        ("[]", "is damaged"),
        ("{}", "is not that of step 4"),
    ],
)
def test_a_checkpoint_that_cannot_be_gone_on_from_is_named(begun: Recipe, content: str | None, said: str) -> None:
    path = Path(begun.out) / folder.CHECKPOINTS / "checkpoint-4"
    state = path / checkpoints.TRAINER
    if content is None:
        state.unlink()
    else:
        state.write_text(content, encoding="utf-8")
    with pytest.raises(
        ConfigError, match=f"{state} {said}.*: delete the folder {path}, and --resume goes on before it"
    ):
        folder.check(begun, resume=True)
    folder.write_state(Path(begun.out), finished=True)
    folder.check(begun, resume=True)  # there is nothing to go on with


def test_folders_that_are_no_checkpoints_are_left_alone(begun: Recipe) -> None:
    at = Path(begun.out) / folder.CHECKPOINTS
    (at / "checkpoint-x").mkdir()
    (at / "checkpoint-best").mkdir()
    (at / "checkpoint-x" / checkpoints.MARK).touch()
    (at / "checkpoint-6").mkdir()
    folder.check(begun, resume=True)
    assert checkpoints.last(at) == (at / "checkpoint-4", 4)
    checkpoints.remove_partial(at)
    assert sorted(path.name for path in at.iterdir()) == [
        "checkpoint-2", "checkpoint-4", "checkpoint-best", "checkpoint-x",
    ]  # fmt: skip


def test_the_last_checkpoint_is_the_whole_one_of_the_most_steps(tmp_path: Path) -> None:
    assert checkpoints.last(tmp_path) == (None, 0)
    for name in ("checkpoint-9", "checkpoint-10", "checkpoint-99-old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / checkpoints.MARK).touch()
    (tmp_path / "checkpoint-11").mkdir()  # not whole
    assert checkpoints.last(tmp_path) == (tmp_path / "checkpoint-10", 10)
    state = tmp_path / "checkpoint-10" / checkpoints.TRAINER
    state.write_text('{"global_step": 10}')
    checkpoints.check_last(tmp_path)
    state.write_text('{"global_step": 9}')
    with pytest.raises(ConfigError, match="is not that of step 10: delete the folder"):
        checkpoints.check_last(tmp_path)
    checkpoints.remove_partial(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-9", "checkpoint-99-old"]


def test_what_changes_no_step_may_be_another_when_a_run_goes_on(begun: Recipe) -> None:
    for override in (
        "gradient_checkpointing=true", "report_to=tensorboard", "vllm_gpu_memory_utilization=0.5", "reward_device=cpu",
        "sft.args.gradient_checkpointing=true", "sft.args.report_to=tensorboard",
    ):  # fmt: skip
        folder.check(recipe.resolve("smoke", [f"out={begun.out}", override]), resume=True)


FULL = ("No space left", "File too large", "Disk quota", "PytorchStreamWriter failed", "unexpected pos")
"""How libraries say that a disk is full."""


CHANGES = {
    "model=other": ("model: 'smollm2-135m-instruct' there, 'other' here", True),
    "format=rewrite": ("format: 'compact' there, 'rewrite' here", True),
    "max_prompt_tokens=200": ("data.max_prompt_tokens: 300 there, 200 here", True),
    "data.split=test": ("data.split: 'train' there, 'test' here", True),
    "sft.limit=9": ("sft.limit: 32 there, 9 here", True),
    "sft=null": ("sft: {'data': 'examples', .* there, None here", True),
    "grpo.chat_template_kwargs={x: 1}": ("grpo.chat_template_kwargs: None there, {'x': 1} here", True),
    "models={fluency: other}": ("models.fluency: None there, 'other' here", False),
    "temperature=0.7": ("grpo.temperature: 0.8 there, 0.7 here", False),
    "suite=grpo_edit": ("suite: 'default' there, 'grpo_edit' here", False),
    "lora=null": ("lora: {'r': 16, 'lora_alpha': 32, 'target_modules': 'all-linear'} there, None here", False),
    "epsilon=0.1": ("grpo.epsilon: None there, 0.1 here", False),
}
"""Overrides, what is said of them, and whether a warm start read them."""


def test_what_changes_steps_is_another_run_and_before_the_first_only_what_a_warm_start_read(begun: Recipe) -> None:
    changed = [recipe.resolve("smoke", [f"out={begun.out}", override]) for override in CHANGES]
    for one, (told, _) in zip(changed, CHANGES.values(), strict=True):
        with pytest.raises(
            ConfigError, match=f"holds a run of another recipe .{told}.; give the same, or another out="
        ):
            folder.check(one, resume=True)
    shutil.rmtree(Path(begun.out) / folder.CHECKPOINTS)
    for one, (told, binds) in zip(changed, CHANGES.values(), strict=True):
        if not binds:
            folder.check(one, resume=True)
            continue
        with pytest.raises(ConfigError, match=told):
            folder.check(one, resume=True)


def test_a_lora_that_says_nothing_is_one(begun: Recipe) -> None:
    given = [f"out={begun.out}", "lora={}", "sft.lora={}"]
    (Path(begun.out) / folder.RECIPE).write_text(recipe.dump(recipe.resolve("smoke", given)), encoding="utf-8")
    for section in ("lora", "sft.lora"):
        with pytest.raises(ConfigError, match=rf"another recipe \({section}: {{}} there, None here\)"):
            folder.check(recipe.resolve("smoke", [*given, f"{section}=null"]), resume=True)


def test_a_warm_start_is_of_one_precision(begun: Recipe) -> None:
    given = [f"out={begun.out}", "sft.lora=null", "save=adapter"]  # a LoRA could not be folded into what is rounded
    (Path(begun.out) / folder.RECIPE).write_text(recipe.dump(recipe.resolve("smoke", given)), encoding="utf-8")
    shutil.rmtree(Path(begun.out) / folder.CHECKPOINTS)
    with pytest.raises(ConfigError, match="dtype: 'float32' there, 'bfloat16' here"):
        folder.check(recipe.resolve("smoke", [*given, "dtype=bfloat16"]), resume=True)


def test_a_run_goes_on_from_its_last_whole_checkpoint_without_what_came_later(begun: Recipe) -> None:
    out, waited = Path(begun.out), []
    (out / folder.CHECKPOINTS / "checkpoint-6").mkdir()  # torn
    (out / folder.PARTS).mkdir()
    names = [f"train-{step:08d}-0000.parquet" for step in (2, 4, 5)] + ["eval-00000004-0000.parquet"]
    for main, left in ((False, names), (True, [*names[:2], names[3]])):
        for name in names:
            (out / folder.PARTS / name).touch()
        process: Any = SimpleNamespace(is_main_process=main, wait_for_everyone=lambda: waited.append(1))
        assert folder.prepare(out, True, process) == (out / folder.CHECKPOINTS / "checkpoint-4", 4)
        assert sorted(path.name for path in (out / folder.PARTS).iterdir()) == sorted(left)
        assert (out / folder.CHECKPOINTS / "checkpoint-6").exists() is not main
    assert folder.prepare(out, False, process) == (None, 0)  # another beginning: nothing of the old one counts
    assert list((out / folder.PARTS).iterdir()) == []
    assert len(waited) == 3


@pytest.mark.parametrize(
    "sign", [OSError(errno.ENOSPC, "no"), *(RuntimeError(f"it says: {sign} here") for sign in FULL)]
)
def test_a_full_disk_is_told_with_what_is_safe(begun: Recipe, sign: Exception) -> None:
    out = Path(begun.out)
    torn = out / folder.CHECKPOINTS / "checkpoint-6"
    torn.mkdir()
    with (
        pytest.raises(RewardsError, match="the disk is full: the checkpoint of step 4 is whole; free"),
        folder.disk(out),
    ):
        raise sign
    assert not torn.exists()
    torn.mkdir()
    with pytest.raises(RuntimeError, match="something else"), folder.disk(out):
        raise RuntimeError("something else")
    assert torn.exists()  # it is nobody's to remove before it is known that nobody goes on with it


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_for_a_checkpoint_and_another_ends_at_once(
    tmp_path: Path, sign: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RANK", raising=False)
    before = signal.getsignal(sign)
    for times in (1, 2):  # one in the last step, after which nothing follows
        with pytest.raises(KeyboardInterrupt):
            _signalled(tmp_path, *[sign] * times)
        assert capsys.readouterr().err == "finishing this step and saving; Ctrl-C again stops at once\n"
    with ThreadPoolExecutor(1) as other, folder.stop_on_interrupt(tmp_path):
        other.submit(_signalled, tmp_path).result()  # where signals cannot be had
    assert signal.getsignal(sign) is before
    assert list(tmp_path.iterdir()) == []


def _signalled(out: Path, *signs: signal.Signals) -> None:
    """A run that gets these signals, of which the second ends it."""
    with folder.stop_on_interrupt(out):
        for sign in signs:
            signal.raise_signal(sign)
            assert (out / folder.STOP).exists()
        assert len(signs) < 2
