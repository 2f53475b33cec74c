"""One GRPO run, from a resolved recipe in its output folder to a model with its log, curves and card."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rewards.config import parse, read_yaml
from rewards.errors import ConfigError
from rewards.suite import Suite
from rewards.versions import version
from rewards_train import ahead, best, data, extras, finish, folder, log, opening, policy, resuming, sharding
from rewards_train.adapter import RewardPlan, Scorer
from rewards_train.devices import on_gpu, own_gpu, take_gpu
from rewards_train.losses import Budget
from rewards_train.recipe import Recipe

WARM = 8  # arguments: before training the rewards must work on at least one of them
QUIET = {"HF_HUB_DISABLE_TELEMETRY": "1", "TRL_EXPERIMENTAL_SILENCE": "1", "TOKENIZERS_PARALLELISM": "false"}


def quiet() -> None:
    """Turn off telemetry, progress bars of loading, and FutureWarnings of transformers."""
    import warnings

    import datasets
    import transformers

    os.environ.update(QUIET)
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # of transformers
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


def read_recipe(out: Path) -> Recipe:
    """The resolved recipe of a run."""
    return parse(Recipe, read_yaml(out / folder.RECIPE), str(out / folder.RECIPE))


def reward_plan(recipe: Recipe, local_rank: int = 0) -> RewardPlan:
    """The plan of a recipe's rewards: each process computes its own, on its own GPU unless the recipe names one."""
    device = recipe.reward_device
    if device == "auto":
        device = f"cuda:{own_gpu(local_rank)}" if on_gpu(recipe.grpo) else "cpu"
    return RewardPlan(
        suite=recipe.suite,
        rewards=tuple(recipe.rewards),
        settings=recipe.settings,
        format=recipe.format,
        profile=recipe.profile,
        models=recipe.models,
        device=device,
        dtype=recipe.reward_dtype,
        budget=Budget(recipe.failures.share, recipe.failures.window),
    )


def checked_config(recipe: Recipe, out: Path, suite: Suite, evaluates: bool, arguments: int | None) -> Any:
    """The configuration of the trainer, if it fits the suite and, where it is known, the number of arguments.

    Raises ConfigError where a step would fail, or where there would be no step.
    """
    config = trainer_config(recipe, out, [component.weight for component in suite.components], evaluates)
    best.check(config, suite, recipe.grpo)
    if arguments is not None:
        check_size(config, arguments)
    return config


def trainer_config(recipe: Recipe, out: Path, weights: list[float], evaluates: bool) -> Any:
    """The GRPOConfig or RLOOConfig. Raises ConfigError for settings that exclude each other."""
    from rewards_train import fields

    given = {**DEFAULTS, **precision(recipe.grpo, recipe.dtype, recipe.lora), **context(recipe), **recipe.grpo}
    given |= best.settings(recipe.grpo, evaluates)
    if not evaluates:
        given |= {"eval_strategy": "no", "eval_on_start": False}
    given["chat_template_kwargs"] = recipe.template_settings
    try:
        config = fields.config_class(recipe.config)(
            output_dir=str(out / folder.CHECKPOINTS), reward_weights=weights, remove_unused_columns=False, **given
        )
    except (ValueError, TypeError, ImportError) as error:
        raise extras.refused(recipe.config, error) from error
    extras.check_trackers("grpo", recipe.grpo)
    ahead.check_optimizer(config, "grpo")
    resuming.check(config, interval(config))
    return on_one_device(config)


def on_one_device(config: Any) -> Any:
    """The configuration, set to one GPU for this process: TRL's trainers refuse to spread one process over several."""
    if config.n_gpu > 1:
        config._n_gpu = 1
    return config


def context(recipe: Recipe) -> dict[str, int]:
    """The limit of vLLM in tokens: by default it reserves memory for a model's whole context, 131,072 of Llama 3.1."""
    longest, answer = recipe.data.max_prompt_tokens, recipe.answer_tokens
    if not recipe.grpo.get("use_vllm") or longest is None or answer is None:
        return {}
    return {"vllm_max_model_length": longest + answer}


DEFAULTS: dict[str, Any] = {
    "report_to": "none",
    "log_completions": True,
    "num_completions_to_print": 0,  # untrusted texts must not reach a terminal unescaped
    "disable_tqdm": True,
    "save_strategy": "steps",
}
"""Settings of the trainer where a recipe states none."""


def precision(given: dict[str, Any], dtype: str, lora: dict[str, Any] | None) -> dict[str, bool]:
    """The settings of mixed precision where a recipe states none: bfloat16 on a GPU that is faster in it.

    Not for a LoRA on a policy in float32: its first updates are small and get lost when added to activations with 8
    significant bits. There the GPU multiplies in TF32 and adds in float32. Never on a CPU: as it computes shared prompts
    once, float32 costs little more.
    """
    from transformers.utils.import_utils import is_torch_tf32_available

    from rewards.engine.device import pick_dtype

    if "bf16" in given or given.get("fp16"):
        return {}
    fast = on_gpu(given) and pick_dtype("auto", "cuda:0", "causal-lm") == "bfloat16"
    if fast and lora is not None and dtype == "float32":
        return {"bf16": False, **({"tf32": True} if is_torch_tf32_available() else {})}
    return {"bf16": fast}


def interval(config: Any) -> int:
    """How many optimizer steps share one generation of completions."""
    every, accumulated = config.steps_per_generation * config.num_iterations, int(config.gradient_accumulation_steps)
    return math.lcm(every, accumulated) // accumulated


def check_size(config: Any, arguments: int) -> None:
    """Raise ConfigError where the arguments do not fill one generation, or further epochs could not be resumed exactly.

    In the first case not a single step would be made.
    """
    prompts = config.generation_batch_size // config.num_generations
    if arguments < prompts:
        raise ConfigError(
            f"{arguments} argument(s) to train on, and {prompts} are answered together ({config.generation_batch_size}"
            f" completions, {config.num_generations} each): give more data, or lower grpo.per_device_train_batch_size,"
            " gradient_accumulation_steps or generation_batch_size"
        )
    resuming.check_epochs(config, arguments, interval(config))


def check(
    recipe: Recipe, stages: Sequence[str], accelerate_config: Path | None = None, processes: int | None = None
) -> None:
    """Raise ConfigError for anything that would stop a later stage, before the first one takes its time.

    What the first stage reads at its start is left to that stage. `processes` is the value of `--num-processes`.
    """
    sharding.check(recipe, stages, accelerate_config)
    staged = recipe if "grpo" in stages else recipe.model_copy(update={"grpo": {}})
    staged = staged if "sft" in stages else staged.model_copy(update={"sft": None})
    if missing := extras.absent(extras.needed(staged)):
        raise ConfigError("; ".join(missing))
    extras.log_in(staged)
    check_vllm(recipe, stages)
    if len(stages) < 2:
        return
    quiet()
    ahead.check_lora(recipe)
    plan = reward_plan(recipe)
    suite = plan.load()
    ahead.check_device(plan.device, suite)
    splits = data.load(recipe)
    stand_in = ahead.in_one_process(recipe, sharding.processes(recipe, processes, accelerate_config))
    checked_config(stand_in, Path(recipe.out), suite, bool(splits.eval.items), len(splits.train.items))


def check_vllm(recipe: Recipe, stages: Sequence[str]) -> None:
    """Raise ConfigError where vLLM would generate on a CPU: there it repacks its weights, and cannot load others later."""
    import torch

    on_cpu = recipe.grpo.get("use_cpu") or not torch.accelerator.is_available()
    if "grpo" in stages and recipe.grpo.get("use_vllm") and on_cpu:
        raise ConfigError(
            "grpo.use_vllm: on a CPU vLLM cannot take the weights of a policy in training; give use_vllm=false"
        )


def train(out: Path, resume: bool) -> None:
    """Run GRPO in this process (one of several, where a launcher set the ranks), and leave everything in `out`.

    Raises KeyboardInterrupt after an orderly stop, and RewardsError for whatever the user can act on.
    """
    quiet()
    recipe = read_recipe(out)
    rank, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    take_gpu(recipe.grpo, local)
    start = policy.folder_of(recipe.model) if recipe.sft is None else out / folder.WARM_START
    tokenizer = policy.load_tokenizer(start)
    splits = data.load(recipe, tokenizer)
    scorer = Scorer(reward_plan(recipe, local))
    # Before the trainer's configuration exists: once DeepSpeed is configured, models of rewards would be sharded too.
    scorer.warm_up(*data.rows(splits.train.items[:WARM], "train", tokenizer))
    with policy.memory(), folder.disk(out), folder.stop_on_interrupt(out):
        config = checked_config(recipe, out, scorer.suite, bool(splits.eval.items), len(splits.train.items))
        if config.process_index == 0:
            lines = opening.summary(recipe, scorer.suite, config) + data.summary(splits, recipe.data)
            print("\n".join(lines), file=sys.stderr, flush=True)
        begun = {"data": splits.digest(), "processes": config.world_size, "distribution": distribution(config)}
        begun |= {"rewards": resuming.rewards_of(scorer.suite), "version": version()}
        folder.check_same(out, begun, config.process_index == 0)
        with extras.refusals(recipe.config):
            trainer, keeper = build(recipe, config, scorer, splits, tokenizer, start, rank)
        checkpoint, step = folder.prepare(out, resume, trainer.accelerator)
        config.eval_on_start = config.eval_on_start and checkpoint is None
        began = time.monotonic()
        with extras.server():
            go_on(trainer, checkpoint)
        seconds = time.monotonic() - began
        if keeper.stopped:
            trainer.accelerator.wait_for_everyone()  # a launcher ends all processes once the first one has exited
            trainer.accelerator.end_training()
            raise KeyboardInterrupt
        left_out = len(splits.train.dropped) + len(splits.eval.dropped)
        finish.finish(
            trainer, recipe, scorer, splits, out, {"seconds": seconds, "from_step": step, "left_out": left_out}
        )
        trainer.accelerator.end_training()


def distribution(config: Any) -> str:
    """The kind of distribution: a checkpoint cannot be resumed under another kind, which would lose its optimizer state.

    FSDP is recognised by its settings, because `distributed_state` reports it like several processes with whole models.
    """
    if config.fsdp or os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true", "yes"):
        return "FSDP"
    return str(config.distributed_state.distributed_type.value)


@extras.optional()
def go_on(trainer: Any, checkpoint: Path | None) -> None:
    """Train to the end. A run that has made its last step only loads its result: transformers would train one step more."""
    from rewards_train.callbacks import AllDone

    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except AllDone:  # trackers have started and must hear that training is over
        best.load(trainer)
        trainer.callback_handler.on_train_end(trainer.args, trainer.state, trainer.control)


def build(
    recipe: Recipe, config: Any, scorer: Scorer, splits: data.Splits, tokenizer: Any, start: Path, rank: int
) -> tuple[Any, Any]:
    """The trainer and its `Keeper`."""
    import trl
    from datasets import Dataset

    from rewards_train.callbacks import Keeper, equip, together
    from rewards_train.order import keep_order
    from rewards_train.projection import project_completions_only
    from rewards_train.syncing import keep_base

    out = Path(config.output_dir).parent
    groups = {"train": config.num_generations, "eval": config.num_generations_eval or config.num_generations}
    held_out = len(splits.eval.items) * groups["eval"]
    rows = log.RewardLog(out / folder.PARTS, scorer.suite, groups, held_out, rank, config.world_size)
    scorer.observe(rows.observe)
    evaluated = data.rows(splits.eval.items, "eval", tokenizer)
    project_completions_only()
    trainer = getattr(trl, f"{recipe.trainer.upper()}Trainer")(
        model=policy.load_model(start, recipe.dtype),
        args=config,
        reward_funcs=scorer.columns(),
        train_dataset=Dataset.from_list(data.rows(splits.train.items, "train", tokenizer)),
        eval_dataset=Dataset.from_list(evaluated) if evaluated else None,
        processing_class=tokenizer,
        peft_config=policy.lora_config(recipe.lora),
    )
    keep_order(trainer)
    keep_base(trainer)
    log.keep_means(trainer, rows)
    keeper = Keeper(out, interval(config), rows.flush, together)
    equip(trainer, recipe.trainer.upper(), out, keeper)
    return trainer, keeper
