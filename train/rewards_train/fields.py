"""Fields of other libraries' configurations, checked before anything is loaded: names, types, nearest names."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from rewards.config import check_number
from rewards.errors import ConfigError, nearest

RESERVED: dict[str, str] = {
    "output_dir": "`out` says where a run writes",
    "reward_weights": "the weights are the suite's: change them with settings.REWARD.weight",
    "resume_from_checkpoint": "--resume finds the checkpoint",
    "trust_remote_code": "code from a hub is never run",
    "model_init_kwargs": "`model` and `dtype` say how a policy is loaded; TRL would load its reference alone with these",
    "hub_token": "a recipe is written into the run's folder; set HF_TOKEN, or `hf auth login`",
    "remove_unused_columns": "rewards need the columns of the dataset",
    "base_model_name_or_path": "`model` names the base model",
}
"""Fields that a recipe cannot set, and what to use instead."""


CHOICES: dict[str, tuple[str | bool, ...]] = {
    "loss_type": ("grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"),
    "scale_rewards": ("group", "batch", "none", True, False),
    "multi_objective_aggregation": ("sum_then_normalize", "normalize_then_sum"),
    "importance_sampling_level": ("token", "sequence"),
    "vllm_mode": ("server", "colocate"),
    "vllm_importance_sampling_mode": ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask"),
}
"""The values that fields of TRL 1.16's GRPOConfig accept, where only their help says so and not `choices`."""
POSITIVE = {
    "temperature", "num_generations", "num_iterations", "steps_per_generation", "generation_batch_size",
    "gradient_accumulation_steps", "per_device_train_batch_size", "per_device_eval_batch_size", "max_completion_length",
}  # fmt: skip
"""Fields that must be more than 0: divisors and counts."""
NOT_NEGATIVE = {"learning_rate", "weight_decay", "adam_epsilon"}
"""Fields that must be at least 0: torch's optimizers would refuse them too, but only at the first step."""


def config_class(name: str) -> type[Any]:
    """GRPOConfig, RLOOConfig, SFTConfig or LoraConfig; imports the library that has it."""
    if name == "LoraConfig":
        import peft

        found: type[Any] = peft.LoraConfig
    else:
        import trl

        found = getattr(trl, name)
    return found


@cache
def names(config: str) -> tuple[str, ...]:
    """The fields that a recipe may set."""
    return tuple(
        field.name for field in dataclasses.fields(config_class(config)) if field.init and field.name not in RESERVED
    )


@cache
def default(config: str, name: str) -> Any:
    """The value of a field where a recipe does not set it."""
    return next(field.default for field in dataclasses.fields(config_class(config)) if field.name == name)


def checked(config: str, given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The given values, converted to the types of the fields: YAML reads `5e-6` as text.

    Raises ConfigError for a field that does not exist, that may not be set, or whose value does not fit.
    """
    hints = _hints(config)
    values = {}
    for name, value in given.items():
        if name in RESERVED:
            raise ConfigError(f"{where}.{name} cannot be set: {RESERVED[name]}")
        if name not in names(config):
            raise unknown(f"{where}.{name}", name, names(config), config)
        if isinstance(value, bool) and hints[name] is str and not name.endswith("_strategy"):
            values[name] = value  # TRL accepts true and false for some fields of text, such as scale_rewards
        else:
            values[name] = _typed(name, value, hints[name], where)
        _check_value(config, name, values[name], where)
    return values


def _typed(name: str, value: Any, hint: Any, where: str) -> Any:
    try:
        taken = TypeAdapter(hint, config=_LAX).validate_python(_intended(name, value, hint))
    except ValidationError as error:
        raise ConfigError(f"{where}.{name}: {error.errors()[0]['msg']} (given: {value!r})") from error
    except Exception:  # noqa: BLE001  (a type that pydantic cannot build: the library checks the value itself)
        return value
    check_number(f"{where}.{name}", value, taken)
    return taken


def _check_value(config: str, name: str, value: Any, where: str) -> None:
    """Raise ConfigError for a value of the right type with which the first step would fail, or compute nothing useful."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where}.{name} must be a finite number, not {value}")
    if isinstance(value, int | float):
        if name in POSITIVE and value <= 0:
            raise ConfigError(f"{where}.{name} must be more than 0, not {value:g}")
        if name in NOT_NEGATIVE and value < 0:
            raise ConfigError(f"{where}.{name} must be at least 0, not {value:g}")
    stated = next(field.metadata for field in dataclasses.fields(config_class(config)) if field.name == name)
    known = stated.get("choices") or CHOICES.get(name)
    # A later TRL may take more: its help names them.
    if known and value is not None and value not in known and f"'{value}'" not in str(stated.get("help")):
        accepted = ", ".join(str(one).lower() for one in known)
        raise ConfigError(f"{where}.{name}: {value!r}{nearest(str(value), map(str, known))} is none of {accepted}")


def unknown(path: str, name: str, known: Iterable[str], of: str) -> ConfigError:
    """The error for a key that does not exist, with the nearest that does."""
    close = nearest(name, known)
    return ConfigError(f"unknown key {path!r}{close}" + ("" if close else f"; it is no field of {of}"))


_LAX = ConfigDict(arbitrary_types_allowed=True)


@cache
def _hints(config: str) -> dict[str, Any]:
    return typing.get_type_hints(config_class(config))


def _intended(name: str, value: Any, hint: Any) -> Any:
    """The intended value where YAML has read another one: `5e-6` as text, `no` as false."""
    kinds = typing.get_args(hint) or (hint,)
    if value is False and bool not in kinds and str in kinds and name.endswith("_strategy"):
        return "no"
    if isinstance(value, str) and float in kinds and str not in kinds:
        try:
            return float(value)
        except ValueError:
            return value
    return value
