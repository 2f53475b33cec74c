"""The output folder of a run: what is damaged in it is named with its remedy, before anything is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import rewards
from rewards.errors import ConfigError
from rewards_train import checkpoints, data, dry_run, folder, recipe
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
    folder.check_same(out, {"rewards": rewards}, main=True)  # a run of an older version says nothing of its rewards
    assert folder.read_state(out) == {"processes": 1, "rewards": rewards}
    others = {"suite": {name: {"weight": 2.0} for name in "abcde"}}
    with pytest.raises(
        ConfigError, match=r"rewards\.suite\.a\.weight was 1\.0, is 2\.0; .*\.c\..*: it cannot go on"
    ) as refused:
        folder.check_same(out, {"rewards": others}, main=True)
    assert "suite.d" not in str(refused.value)
    with pytest.raises(ConfigError, match="the run began with processes 1, and now has 2: it cannot go on exactly"):
        folder.check_same(out, {"processes": 2}, main=True)


def test_a_dry_run_compares_too_and_notes_nothing(begun: Recipe) -> None:
    out, splits = Path(begun.out), data.Splits(data.Loaded(()), data.Loaded(()))
    suite = rewards.suite_of(["format"])
    dry_run.DryRun(begun, 1, resume=True)._begun(suite, splits)
    assert folder.read_state(out) == {"processes": 1}
    folder.write_state(out, data="of other arguments")
    with pytest.raises(ConfigError, match="the run began with data of other arguments, and now has"):
        dry_run.DryRun(begun, 1, resume=True)._begun(suite, splits)
    shutil.rmtree(out / folder.CHECKPOINTS)
    dry_run.DryRun(begun, 2, resume=True)._begun(suite, splits)  # no step was made that binds it


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
