"""A policy that is sharded over processes (FSDP, DeepSpeed): errors, before a run, for what its weights do not allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rewards.config import read_yaml
from rewards.errors import ConfigError
from rewards_train.recipe import Recipe

SHARDS = ("FSDP", "DEEPSPEED", "MEGATRON_LM")
"""accelerate's names for the kinds of distribution under which a process may hold only a part of the weights."""


def check(recipe: Recipe, stages: Sequence[str], accelerate_config: Path | None) -> None:
    """Raise ConfigError for several machines, and for a stage that needs all weights of a sharded policy in one process.

    A sharded policy is saved by the trainer: an adapter, or all weights, as they were trained, without merging.
    """
    launched = read_yaml(accelerate_config) if accelerate_config is not None else {}
    machines, kind = launched.get("num_machines"), launched.get("distributed_type")
    if isinstance(machines, int) and machines > 1:
        raise ConfigError(
            f"--accelerate-config {accelerate_config}: num_machines {machines}: a run is started on one machine, whose"
            " processes share its output folder; give num_machines: 1"
        )
    spread = f"--accelerate-config {accelerate_config} (distributed_type {kind})" if kind in SHARDS else ""
    if recipe.sft is not None and "sft" in stages and (by := _sharded(recipe.sft.args, "sft.args") or spread):
        raise ConfigError(
            f"{by}: the warm start is saved by one process, which would have a part of the weights; make it first without"
            " (the same command with --sft), then go on with --resume"
        )
    if "grpo" not in stages or recipe.lora is None or recipe.save != "merged":
        return
    if by := _sharded(recipe.grpo, "grpo") or spread:
        raise ConfigError(f"save merged: a LoRA cannot be folded into weights that {by} spreads; give save=adapter")


def processes(recipe: Recipe, given: int | None, accelerate_config: Path | None) -> int:
    """The number of processes of a run: from `--num-processes`, else accelerate's file, else, without one, the recipe.

    Raises ConfigError for a file that states no number, and that accelerate would refuse.
    """
    if given is not None or accelerate_config is None:
        return given or recipe.processes
    launched = read_yaml(accelerate_config)
    stated, kind = launched.get("num_processes"), launched.get("distributed_type")
    if isinstance(stated, int) and stated > 0:
        return stated
    if "num_processes" not in launched and kind == "NO":  # accelerate's default
        return 1
    raise ConfigError(f"--accelerate-config {accelerate_config}: no num_processes in it; give --num-processes N")


def _sharded(given: Mapping[str, Any], section: str) -> str:
    """The name of the setting that shards a policy; empty where none does."""
    return next((f"{section}.{key}" for key in ("deepspeed", "fsdp") if given.get(key)), "")
