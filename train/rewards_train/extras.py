"""Packages that settings ask for, and what other libraries refuse: each with what a user can do about it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from importlib.util import find_spec

from rewards.errors import ConfigError, RewardsError
from rewards_train import policy
from rewards_train.recipe import Recipe

EXTRAS = {
    "vllm": "trl[vllm]", "bitsandbytes": "bitsandbytes", "deepspeed": "deepspeed", "liger": "liger-kernel",
    "wandb": "wandb", "trackio": "trackio", "tensorboard": "tensorboard", "kernels": "kernels",
}  # fmt: skip
"""What pip calls the packages that settings ask for."""


BITSANDBYTES = re.compile(r"(?!adamw_torch).*(8bit|32bit|bnb|ademamix)")
"""Names of optimizers that are bitsandbytes'."""


def absent(modules: list[str]) -> list[str]:
    """Those of the modules that are not installed, each with the line that installs it."""
    return [
        f"{module} is not installed here: pip install '{EXTRAS[module]}'"
        for module in modules
        if find_spec(module) is None
    ]


def needed(recipe: Recipe) -> list[str]:
    """The packages besides our own dependencies that a recipe asks for."""
    given, found = recipe.grpo, []
    if given.get("use_vllm"):
        found.append("vllm")
    optimizers = [str(part.get("optim")) for part in (given, recipe.sft.args if recipe.sft else {})]
    if any(BITSANDBYTES.match(name) for name in optimizers):
        found.append("bitsandbytes")
    if isinstance(given.get("deepspeed"), str | dict):
        found.append("deepspeed")
    trackers = given.get("report_to") or []
    asked = [trackers] if isinstance(trackers, str) else trackers
    return found + [name for name in ("wandb", "trackio", "tensorboard") if name in asked]


def refused(what: str, error: Exception) -> ConfigError:
    """An error of another library about settings, with the line that installs what it misses."""
    problem = str(error)
    wanting = isinstance(error, ImportError) or "install" in problem
    missing = next((line for name, line in EXTRAS.items() if wanting and name in problem.lower()), None)
    return ConfigError(f"{what}: {problem}" + (f". If it is not installed: pip install '{missing}'" if missing else ""))


@contextlib.contextmanager
def refusals(what: str) -> Iterator[None]:
    """Settings that a trainer or PEFT refuses, and servers that do not answer, are a user's to mend; lack of memory is not."""
    try:
        yield
    except Exception as error:
        if policy.out_of_memory(error) or not (isinstance(error, ValueError | ImportError) or _of_a_server(error)):
            raise
        raise refused(what, error) from error


@contextlib.contextmanager
def server() -> Iterator[None]:
    """A vLLM server that goes away, or fails, ends a run that can be gone on with."""
    try:
        yield
    except Exception as error:
        if not _of_a_server(error):
            raise
        raise RewardsError(f"vLLM's server failed: {error}. Start it again; --resume goes on") from error


def _of_a_server(error: Exception) -> bool:
    """Whether TRL's client of a vLLM server says it, or `requests`, through which it talks."""
    told = "vLLM server" in str(error) or str(error).startswith("Request failed")
    return told or type(error).__module__.startswith("requests.")
