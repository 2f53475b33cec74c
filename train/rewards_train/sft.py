"""A supervised warm start: pairs of argument and completion, so that a small policy knows the format before GRPO."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewards import prompts
from rewards.errors import ConfigError, RecordError, RewardsError
from rewards.plugins import registry
from rewards.records import completion_text, read_revision
from rewards.text.plain import plain
from rewards.versions import version
from rewards_train import ahead, data, extras, finish, folder, pairs, policy, resuming
from rewards_train.recipe import Recipe
from rewards_train.run import go_on, on_one_device, precision, quiet, read_recipe

PAIRS = "sft.data"
"""The key for the digest of the pairs in the state of a warm start."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The prompt of a policy, and the completion that it should give."""

    messages: prompts.Messages
    completion: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs that are used, what was left out and why, and how many more there are than the recipe's limit."""

    found: tuple[Pair, ...]
    dropped: tuple[tuple[str, str], ...] = ()
    beyond: int = 0

    def summary(self) -> str:
        """How many there are and what was left out, with the first reason: a line for a terminal."""
        text = f"{len(self.found):,} pairs"
        if self.dropped:
            where, reason = self.dropped[0]
            text += f", {len(self.dropped):,} left out that cannot be used ({where}: {reason})"
        return plain(text) + (f", {self.beyond:,} left out beyond sft.limit" if self.beyond else "")


def read_pairs(recipe: Recipe) -> Pairs:
    """The pairs of a recipe's warm start.

    A record holds an argument, and a completion in the recipe's format, or a `rewrite` (also `after`), which is converted to
    it. Records are left out that cannot be read, that have no edit, or that have one that is invalid or changes nothing.
    """
    if recipe.sft is None or recipe.sft.data is None:
        raise ConfigError("there is no warm start: give sft.data=FILE, a JSONL of {issue, argument, completion}")
    wanted = registry().format(recipe.format)
    found: list[Pair] = []
    dropped: list[tuple[str, str]] = []
    for number, record in data.numbered(recipe.sft.data, recipe.data.split):
        try:
            found.append(_pair(record, wanted.name, number))
        except RecordError as error:
            dropped.append((f"line {number}", str(error)))
    if not found:
        why = f": {dropped[0][0]}: {dropped[0][1]}" if dropped else ": it is empty"
        raise ConfigError(f"sft.data {recipe.sft.data}: no usable pair{why}")
    most = recipe.sft.limit or len(found)
    return Pairs(tuple(found[:most]), tuple(dropped), len(found[most:]))


def pairs_digest(recipe: Recipe) -> str:
    """A digest of the records of a warm start: the same path may hold other records later."""
    assert recipe.sft is not None  # noqa: S101  (only a recipe with a warm start gets here)
    assert recipe.sft.data is not None  # noqa: S101
    return data.digest(data.records(recipe.sft.data, recipe.data.split))


def check_kept(out: Path, recipe: Recipe) -> None:
    """Raise ConfigError where the warm start in a run's folder was made from other pairs than `sft.data` now holds."""
    try:
        now = pairs_digest(recipe)
    except RewardsError:  # a finished warm start does not need its file any more
        return
    folder.check_same(out / folder.WARM_START, {PAIRS: now}, main=False)


def encode(pair: Pair, tokenizer: Any, recipe: Recipe) -> dict[str, list[int]]:
    """The tokens of prompt and completion, and a mask that is 1 where the completion is."""
    prompt = prompts.encode(tokenizer, pair.messages, recipe.template_settings)
    text = pair.completion.replace(tokenizer.eos_token, "")
    completion = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return {"input_ids": [*prompt, *completion], "completion_mask": [0] * len(prompt) + [1] * len(completion)}


def warm_start(out: Path, resume: bool) -> None:
    """Train on the pairs in this process, and save the whole model in `out`/warm-start."""
    quiet()
    recipe = read_recipe(out)
    target = out / folder.WARM_START
    tokenizer = policy.load_tokenizer(policy.folder_of(recipe.model))
    given = read_pairs(recipe)
    with policy.memory(), folder.disk(target), folder.stop_on_interrupt(out):
        room = data.longest_prompt(recipe)
        rows = [row for pair in given.found if (row := encode(pair, tokenizer, recipe)) and _fits(row, room)]
        long = len(given.found) - len(rows)
        limit = room[1] if room else ""
        if not rows:
            raise ConfigError(f"sft.data: the prompts of all {long:,} pairs have more tokens than {limit}")
        trainer, keeper = _trainer(recipe, target, rows, tokenizer)
        if trainer.accelerator.is_main_process:
            left_out = f", {long:,} left out whose prompts have more tokens than {limit}" if long else ""
            print(f"warm start {given.summary()}{left_out}", file=sys.stderr, flush=True)
        begun = {PAIRS: pairs_digest(recipe), "processes": trainer.args.world_size, "version": version()}
        folder.check_same(target, begun, trainer.accelerator.is_main_process)
        checkpoint, _ = folder.prepare(target, resume, trainer.accelerator)
        began = time.monotonic()
        go_on(trainer, checkpoint)
        if keeper.stopped:
            trainer.accelerator.wait_for_everyone()
            raise KeyboardInterrupt
        if trainer.accelerator.is_main_process:
            temporary = target / ".model"
            finish.save(policy.merged(trainer.accelerator.unwrap_model(trainer.model)), temporary)
            tokenizer.save_pretrained(temporary)
            finish.put(temporary, target)
            shutil.rmtree(target / folder.CHECKPOINTS, ignore_errors=True)
            history = [entry for entry in trainer.state.log_history if "loss" in entry]
            folder.write_state(
                target, finished=True, seconds=time.monotonic() - began, pairs=len(rows), left_out=len(given.dropped) + long,
                history=history,
            )  # fmt: skip
        trainer.accelerator.wait_for_everyone()


def _fits(row: dict[str, list[int]], room: tuple[int, str] | None) -> bool:
    """Whether the prompt is short enough for GRPO too."""
    return room is None or row["completion_mask"].count(0) <= room[0]


def _trainer(recipe: Recipe, target: Path, rows: list[dict[str, list[int]]], tokenizer: Any) -> tuple[Any, Any]:
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from rewards_train.callbacks import Keeper, equip, together
    from rewards_train.projection import project_completions_only

    project_completions_only()
    assert recipe.sft is not None  # noqa: S101  (`read_pairs` has checked it)
    given: dict[str, Any] = {"report_to": "none", "disable_tqdm": True, "logging_steps": 10, "max_length": None}
    given["completion_only_loss"] = True  # TRL reads `completion_mask` for that only
    given |= {**precision(recipe.sft.args, recipe.dtype, recipe.sft.lora), **recipe.sft.args}
    try:
        config = SFTConfig(output_dir=str(target / folder.CHECKPOINTS), **given)
    except (ValueError, TypeError, ImportError) as error:
        raise extras.refused("SFTConfig", error) from error
    extras.check_trackers("sft.args", recipe.sft.args)
    ahead.check_optimizer(config, "sft.args")
    resuming.check_stage(config, "sft.args")
    with extras.refusals("SFTConfig"):
        trainer: Any = SFTTrainer(
            model=policy.load_model(policy.folder_of(recipe.model), recipe.dtype),
            args=on_one_device(config),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            peft_config=policy.lora_config(recipe.sft.lora),
        )
    keeper = Keeper(target.parent, 1, lambda _: None, together)
    equip(trainer, "SFT", target, keeper)
    return trainer, keeper


def _pair(record: Any, wanted: str, number: int) -> Pair:
    data.check_text(record)
    given = {key: value for key, value in dict(record).items() if key != "edits"}
    completion = completion_text(given.get("completion"))
    if completion is None:
        revision = read_revision(given, number=number)
        completion = pairs.completion(revision, wanted)
    revision = read_revision({**given, "completion": completion}, format=wanted, number=number)
    broken = next((edit for edit in revision.edits if not edit.valid or not edit.changes), None)
    if broken is not None:
        raise RecordError(f"an edit {broken.invalid_reason or 'changes nothing'}: {broken.before!r}", "completion")
    if not revision.edits:
        raise RecordError(f"no edit in format {wanted}", "completion")
    return Pair(prompts.messages(wanted, revision.issue, revision.sentences), completion)
