"""Which weights a run leaves: those after the last step, or those that did best on held-out arguments.

The latter are chosen with transformers' `load_best_model_at_end`, by any number that an evaluation logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewards.errors import ConfigError, nearest
from rewards.suite import Suite
from rewards_train import metrics

DEFAULT = "reward"
"""The metric to choose by where a recipe names none; transformers would take the loss, which says little in GRPO."""


def settings(given: Mapping[str, Any], evaluates: bool) -> dict[str, Any]:
    """The settings to add to the trainer's. Raises ConfigError where no arguments are held out to choose by."""
    if not given.get("load_best_model_at_end"):
        return {}
    if not evaluates:
        raise ConfigError(
            "grpo.load_best_model_at_end: no arguments are held out to choose by; give data.eval or data.eval_fraction"
        )
    return {"metric_for_best_model": given.get("metric_for_best_model") or DEFAULT}


def check(config: Any, suite: Suite, given: Mapping[str, Any]) -> None:
    """Set `greater_is_better` as the reward has it, where the recipe (`given`) does not.

    Raises ConfigError for a metric that no evaluation logs, with which the run would fail at its first checkpoint.
    """
    if not config.load_best_model_at_end:
        return
    name, known = str(config.metric_for_best_model).removeprefix("eval_"), {*metrics.held_out(suite), "loss"}
    if name not in known:
        raise ConfigError(
            f"grpo.metric_for_best_model {name!r}{nearest(name, known)} is not logged of held-out arguments; for example:"
            f" {DEFAULT}, rewards/{suite.components[-1].name}/mean"
        )
    if given.get("greater_is_better") is None:
        lower = {f"rewards/{one.name}/mean" for one in suite.components if not one.reward.higher_is_better} | {"loss"}
        config.greater_is_better = name not in lower


def load(trainer: Any) -> None:
    """Load the best weights, as the trainer does after its last step, for a resumed run that has already made that step."""
    if trainer.args.load_best_model_at_end and trainer.state.best_model_checkpoint is not None:
        trainer._load_best_model()


def kept(trainer: Any) -> dict[str, Any]:
    """The step of the chosen weights, with the metric and the value that they were chosen by; empty where none were."""
    state = trainer.state
    if not trainer.args.load_best_model_at_end or state.best_model_checkpoint is None:
        return {}
    name = str(trainer.args.metric_for_best_model).removeprefix("eval_")
    return {"best": {"step": state.best_global_step, "metric": f"eval_{name}", "value": state.best_metric}}
