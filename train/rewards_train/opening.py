"""A summary of what a run is about to do: the policy, the steps, and what the suite pays for."""

from __future__ import annotations

import textwrap
from typing import Any

from rewards.errors import PluginError
from rewards.suite import Component, Suite
from rewards.text.plain import plain
from rewards_train.recipe import Recipe


def summary(recipe: Recipe, suite: Suite, config: Any) -> list[str]:
    """The lines for a terminal; `config` is the trainer's."""
    lora = "every weight" if recipe.lora is None else f"LoRA of rank {recipe.lora.get('r', 8)}"
    start = ", after a warm start" if recipe.sft is not None else ""
    length = f"{config.max_steps:,} step(s)" if config.max_steps > 0 else f"{config.num_train_epochs:g} epoch(s)"
    size, each = config.generation_batch_size, config.num_generations
    parts = {
        "policy": f"{recipe.model}, {lora}{start}; it answers in format {recipe.format}",
        "trainer": f"{recipe.trainer.upper()}, {length} at learning rate {config.learning_rate:g}; {size:,} completions are"
        f" generated together, {each} for each of {size // each} prompt(s)",
        "suite": f"{suite.name} {_uses(suite)}",
    }
    if recipe.settings:
        changed = (f"{name}.{key} {value}" for name, given in recipe.settings.items() for key, value in given.items())
        parts["settings"] = ", ".join(changed)
    if config.use_vllm and config.vllm_mode == "server":
        where = config.vllm_server_base_url or f"http://{config.vllm_server_host}:{config.vllm_server_port}"
        parts["vLLM"] = f"the server at {where}, which is waited for {config.vllm_server_timeout:g} s at most"
    lines = [line for name, text in parts.items() for line in _wrapped(name, text)]
    return lines + untried(config.device.type) + warnings(suite)


def untried(device: str) -> list[str]:
    """The warning for a trainer that has chosen Apple's GPU by itself, as it does unless its settings say `use_cpu`."""
    if device != "mps":
        return []
    text = (
        "the policy trains on mps, where this project has run nothing. A resumed run draws other completions there,"
        " since checkpoints of transformers do not hold the state of its random numbers; use_cpu=true trains on the CPU"
    )
    return _wrapped("warning", text)


def warnings(suite: Suite) -> list[str]:
    """The warnings for a suite without a positive weight, and for cards that the model's own card cannot quote."""
    lines = []
    if not any(component.weight > 0 for component in suite.components):
        text = f"no reward of suite {suite.name} has a positive weight, so doing nothing may pay most"
        lines += _wrapped("warning", f"{text}; `rewards audit` shows whether it does")
    for component in suite.components:
        try:
            _ = component.reward.card
        except PluginError as error:
            lines += _wrapped("warning", f"{error}; the model's card will say no more of it")
    return lines


def bound(component: Component) -> str:
    """The condition of a gate on an edit, as `≥ 0.8` or `≥ 0.8 alone and together`; empty for a component that is no gate."""
    if not component.gate or component.threshold is None:
        return ""
    sign = "≥" if component.reward.higher_is_better else "≤"
    return f"{sign} {component.threshold.value:.4g}{' alone and together' if component.together else ''}"


def _uses(suite: Suite) -> str:
    paid = [f"{part.name} {part.weight:g}" for part in suite.components if part.weight]
    gates = [f"{part.name} {bound(part)}" for part in suite.components if part.gate]
    measured = [part.name for part in suite.components if not part.weight and not part.gate]
    named = {"pays": paid, "accepts edits by": gates, "measures": measured}
    return "; ".join(f"{verb} {', '.join(names)}" for verb, names in named.items() if names)


def _wrapped(name: str, text: str) -> list[str]:
    return textwrap.wrap(
        plain(text), 120, initial_indent=f"{name:<11}", subsequent_indent=" " * 11, break_on_hyphens=False
    )
