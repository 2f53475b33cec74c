"""What would stop GRPO, found before a warm start takes its time: where its rewards run, its LoRA, its trainer's settings."""

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
"""Settings that change the process in which a trainer's configuration is made, or ask it for a GPU."""


def together(recipe: Recipe, processes: int) -> dict[str, Any]:
    """The trainer's settings with the batches of all processes, of which one then stands for the others."""
    from rewards_train import fields

    whole = {key: recipe.grpo.get(key, fields.default(recipe.config, key)) * processes for key in BATCHES}
    return {**recipe.grpo, **whole}


def in_one_process(recipe: Recipe, processes: int) -> Recipe:
    """The recipe as one process on a CPU would have it: what its settings exclude shows there too, and takes no GPU."""
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
    """Raise ConfigError for settings that an optimizer or its schedule refuses, which they say once they are made."""
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
    except (ImportError, RuntimeError):  # a package or a GPU that this machine lacks is named where it is needed
        return


def check_lora(recipe: Recipe) -> None:
    """Raise ConfigError for a LoRA that PEFT refuses, or whose `target_modules` name nothing in the policy.

    Names are compared as PEFT does: a list with the ends of the modules' names, a text as a pattern of whole ones.
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
        told = pattern if isinstance(wanted, str) else ", ".join(sorted(wanted))
        raise ConfigError(
            f"lora.target_modules: the policy has no module {told}; it has {', '.join(matrices)}; or give all-linear"
        )


def _modules(model: str) -> tuple[list[str], list[str]]:
    """What a policy's linear layers are called, each once, and the whole names of all its modules; no weights are read."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from rewards.models.backend import loading

    with loading(f"{model} cannot be loaded as a causal language model"), torch.device("meta"):
        config = AutoConfig.from_pretrained(policy.folder_of(model), trust_remote_code=False)
        built: Any = AutoModelForCausalLM.from_config(config, trust_remote_code=False)  # type: ignore[no-untyped-call]  # of transformers
    named = dict(built.named_modules())
    linear = (name.rpartition(".")[2] for name, module in named.items() if isinstance(module, torch.nn.Linear))
    return list(dict.fromkeys(linear)), list(named)
