"""Checks for settings under which a run could not be resumed exactly, or would lose scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rewards.errors import ConfigError
from rewards.scored import deciding
from rewards.suite import Suite


def check(config: Any, steps: int) -> None:
    """Raise ConfigError where GRPO could not be resumed exactly from a checkpoint; `steps` share one generation."""
    if config.save_strategy != "steps":
        raise ConfigError(f"grpo.save_strategy must be steps, not {config.save_strategy.value}")
    if config.eval_strategy == "epoch":
        raise ConfigError(
            "grpo.eval_strategy must be steps, not epoch: the trainer saves before an evaluation at the end of an epoch,"
            " whose rows would be in no checkpoint; give eval_strategy=steps, and eval_steps"
        )
    if config.save_steps % steps:
        raise ConfigError(
            f"grpo.save_steps {config.save_steps:g} must be a multiple of {steps}: that many steps share one generation"
            " of completions, and a run cannot go on exactly in the middle of it"
        )
    if getattr(config, "sync_ref_model", False):
        raise ConfigError(
            "grpo.sync_ref_model: the reference that moves is in no checkpoint, so a resumed run would have another; leave it out"
        )
    check_stage(config, "grpo")


def check_epochs(config: Any, arguments: int, steps: int) -> None:
    """Raise ConfigError where, after the first epoch, generations would not end at steps that are multiples of `steps`.

    An epoch's last step takes the batches that are left. Where these are fewer than usual, generations end at other steps
    from then on.
    """
    shared = config.steps_per_generation * config.num_iterations
    batches = arguments * config.num_generations // config.generation_batch_size * shared
    accumulated = config.gradient_accumulation_steps
    epoch = math.ceil(batches / accumulated)
    more = config.max_steps > epoch if config.max_steps > 0 else config.num_train_epochs > 1
    if steps > 1 and batches % accumulated and more:
        raise ConfigError(
            f"grpo.gradient_accumulation_steps {accumulated}: the {batches} batches of an epoch are no multiple of it, so later"
            f" epochs have checkpoints in the middle of a generation, from which a run cannot go on exactly; give a divisor or"
            f" a multiple of {shared} (steps_per_generation times num_iterations), or one epoch only"
        )


def rewards_of(suite: Suite) -> dict[str, Any]:
    """What determines the rewards of a run, as JSON: every setting and the files of every model, but not its device.

    Raises ModelError for a model that is not there.
    """
    found = suite.identify()
    return {
        "suite": {name: deciding(one) for name, one in found["rewards"].items()},
        "models": {role: _files(one) for role, one in found["models"].items()},
    }


def _files(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a model's identity that do not depend on where it runs."""
    found = {key: identity[key] for key in ("digest", "settings") if key in identity}
    return found | {"fitted_on": [_files(one) for one in identity.get("fitted_on", ())]}


def check_stage(config: Any, section: str) -> None:
    """Raise ConfigError for settings that no stage may have: it could not be resumed, or not where it stopped."""
    if config.save_total_limit == 1:
        raise ConfigError(
            f"{section}.save_total_limit must be at least 2: the last checkpoint goes only once the next is whole"
        )
    if config.ignore_data_skip:
        raise ConfigError(f"{section}.ignore_data_skip: a resumed run would begin its epoch's data again; leave it out")
    if config.save_only_model:
        raise ConfigError(f"{section}.save_only_model: without the optimizer a run cannot be resumed; leave it out")
