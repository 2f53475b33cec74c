"""Checks for what would stop GRPO, before a warm start takes its time: the reward device, LoRA, settings of the trainer."""

from __future__ import annotations

import re
from typing import Any

from rewards.engine.device import pick_device
from rewards.errors import ConfigError
from rewards.suite import Suite
from rewards_train import policy
from rewards_train.recipe import Recipe

BATCHES = ("per_device_train_batch_size", "per_device_eval_batch_size")
OF_DEVICES = ("deepspeed", "fsdp", "fsdp_config", "tf32", "torch_compile")
"""Settings that change the process, or need a GPU, when a trainer's configuration is made."""


def together(recipe: Recipe, processes: int) -> dict[str, Any]:
    """The trainer's settings with the batches of all processes in one, so that one process stands for all."""
    from rewards_train import fields

    whole = {key: recipe.grpo.get(key, fields.default(recipe.config, key)) * processes for key in BATCHES}
    return {**recipe.grpo, **whole}


def in_one_process(recipe: Recipe, processes: int) -> Recipe:
    """The recipe for one process on a CPU with the same batches: settings that exclude each other fail there too."""
    given = {key: value for key, value in together(recipe, processes).items() if key not in OF_DEVICES}
    return recipe.model_copy(update={"grpo": {**given, "use_cpu": True}})


def check_device(device: str, suite: Suite) -> None:
    """Raise ConfigError where the models of a suite would run on a device that is not there."""
    if not any(component.reward.models for component in suite.components):
        return
    try:
        pick_device(device)
    except ConfigError as error:
        raise ConfigError(f"reward_device: {error}") from error


def check_optimizer(config: Any, section: str) -> None:
    """Make the optimizer and its schedule as a trial. Raises ConfigError for settings that they refuse."""
    import torch
    from transformers import Trainer
    from transformers.optimization import get_scheduler

    try:
        kind, given = Trainer.get_optimizer_cls_and_kwargs(config)
        made = kind([torch.nn.Parameter(torch.zeros(1))], **given)
        get_scheduler(
            config.lr_scheduler_type, made, 0, 1_000_000, scheduler_specific_kwargs=config.lr_scheduler_kwargs
        )
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{section}: the optimizer or its schedule is refused: {error}") from error
    except (ImportError, RuntimeError):  # a missing package or GPU is reported where it is needed
        return


def check_lora(recipe: Recipe) -> None:
    """Raise ConfigError for a LoRA that PEFT refuses, or whose `target_modules` match no module of the policy.

    They are matched as in PEFT: a list holds ends of module names, a text is a regular expression for whole names.
    """
    lora = policy.lora_config(recipe.lora)
    if lora is None:
        return
    wanted = lora.target_modules
    if not wanted or wanted == "all-linear" or lora.target_parameters:
        return
    matrices, names = _modules(recipe.model)
    if isinstance(wanted, str):
        try:
            found = any(re.fullmatch(wanted, name) for name in names)
        except re.error as error:
            raise ConfigError(f"lora.target_modules {wanted!r} is no pattern: {error}") from error
    else:
        found = any(f".{name}".endswith(f".{end}") for name in names for end in wanted)
    if not found:
        pattern = f"{wanted!r}, a pattern of whole names (a list holds their ends: [q_proj])"
        missing = pattern if isinstance(wanted, str) else ", ".join(sorted(wanted))
        raise ConfigError(
            f"lora.target_modules: the policy has no module {missing}; it has {', '.join(matrices)}; or give all-linear"
        )


def _modules(model: str) -> tuple[list[str], list[str]]:
    """The distinct names of a policy's linear layers, and the whole names of all its modules; no weights are read."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from rewards.models.backend import loading

    with loading(f"{model} cannot be loaded as a causal language model"), torch.device("meta"):
        config = AutoConfig.from_pretrained(policy.folder_of(model), trust_remote_code=False)
        built: Any = AutoModelForCausalLM.from_config(config, trust_remote_code=False)  # type: ignore[no-untyped-call]  # of transformers
    named = dict(built.named_modules())
    linear = (name.rpartition(".")[2] for name, module in named.items() if isinstance(module, torch.nn.Linear))
    return list(dict.fromkeys(linear)), list(named)
