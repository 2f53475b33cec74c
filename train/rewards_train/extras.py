"""Optional packages that settings need, and errors of other libraries, in messages that say what a user can do."""

from __future__ import annotations

import contextlib
import os
import re
import traceback
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from rewards.errors import ConfigError, RewardsError, nearest
from rewards_train import policy
from rewards_train.recipe import Recipe

EXTRAS = {
    "vllm": "trl[vllm]", "bitsandbytes": "bitsandbytes", "deepspeed": "deepspeed", "liger_kernel": "liger-kernel",
    "kernels": "kernels", "wandb": "wandb", "trackio": "trackio", "tensorboard": "tensorboard", "mlflow": "mlflow",
    "azureml": "azureml-sdk", "comet_ml": "comet-ml", "neptune": "neptune", "codecarbon": "codecarbon",
    "clearml": "clearml", "dagshub": "dagshub", "flytekit": "flytekit", "dvclive": "dvclive", "swanlab": "swanlab",
}  # fmt: skip
"""What to install with pip, for each optional module that settings may need."""
TRACKERS = {"azure_ml": "azureml", "flyte": "flytekit"}
"""The modules of trackers that have another name in `report_to`."""
CALLBACKS = "transformers.integrations.integration_utils"
"""The module of transformers that calls trackers."""
LIBRARIES = {"transformers", "trl", "peft", "accelerate", "torch"}
"""Libraries whose import errors mean that a setting needs an optional package."""
REWARDS = "rewards_train.adapter"
"""The module that computes every reward, those of plugins too."""


BITSANDBYTES = re.compile(r"(?!adamw_torch).*(8bit|32bit|bnb|ademamix)")
"""Names of optimizers that need bitsandbytes."""


def absent(modules: list[str]) -> list[str]:
    """For each module that is not installed, a message with the command that installs it."""
    return [
        f"{module} is not installed here: pip install '{EXTRAS[module]}'"
        for module in modules
        if find_spec(module) is None
    ]


def needed(recipe: Recipe) -> list[str]:
    """The optional modules that a recipe needs, each once."""
    found = []
    for given in sections(recipe).values():
        if given.get("use_vllm"):
            found.append("vllm")
        if BITSANDBYTES.match(str(given.get("optim"))):
            found.append("bitsandbytes")
        if isinstance(given.get("deepspeed"), str | dict):
            found.append("deepspeed")
        if given.get("use_liger_kernel"):
            found.append("liger_kernel")
        found += [module for name in trackers(given) if (module := TRACKERS.get(name, name)) in EXTRAS]
    return list(dict.fromkeys(found))


def sections(recipe: Recipe) -> dict[str, Mapping[str, Any]]:
    """The settings of the trainers, by the name of their section."""
    return {"grpo": recipe.grpo, **({"sft.args": recipe.sft.args} if recipe.sft is not None else {})}


def trackers(given: Mapping[str, Any]) -> list[str]:
    """The names in `report_to` of a trainer's settings."""
    named = given.get("report_to") or []
    return [name for name in ([named] if isinstance(named, str) else named) if name != "none"]


def check_trackers(section: str, given: Mapping[str, Any]) -> list[str]:
    """The trackers of a section, with `all` written out. Raises ConfigError for one that transformers does not know."""
    named = trackers(given)
    if not named:
        return []
    from transformers.integrations import integration_utils as known

    if named == ["all"]:
        return list(known.get_available_reporting_integrations())  # type: ignore[no-untyped-call]  # of transformers
    if wrong := [name for name in named if name not in known.INTEGRATION_TO_CALLBACK]:
        names = sorted(known.INTEGRATION_TO_CALLBACK)
        raise ConfigError(
            f"{section}.report_to: {wrong[0]!r}{nearest(wrong[0], names)} is not a tracker; there are {', '.join(names)};"
            " or give all, or none"
        )
    return named


def log_in(recipe: Recipe) -> None:
    """Raise ConfigError where Weights & Biases would ask for a key later, and there is neither a key nor a terminal."""
    for section, given in sections(recipe).items():
        if "wandb" in check_trackers(section, given) and os.environ.get("WANDB_MODE", "online") in ("online", "shared"):
            import wandb
            from wandb.errors import Error

            try:
                wandb.login(verify=False)
            except Error as error:
                raise ConfigError(
                    f"{section}.report_to: wandb: {_line(error)} Or set WANDB_API_KEY, or WANDB_MODE=offline, or give"
                    " other trackers"
                ) from error


def refused(what: str, error: Exception) -> ConfigError:
    """The error for settings that another library refuses, with the command that installs a missing package."""
    problem = " ".join(str(error).split())
    wanting = isinstance(error, ImportError) or "install" in problem
    missing = next((line for name, line in EXTRAS.items() if wanting and name in problem.lower()), None)
    return ConfigError(f"{what}: {problem}" + (f". If it is not installed: pip install '{missing}'" if missing else ""))


@contextlib.contextmanager
def refusals(what: str) -> Iterator[None]:
    """Turn errors that a user can mend into ConfigError: refused settings, failing trackers, servers that do not answer.

    Not a lack of memory: `policy.memory` says what to lower.
    """
    try:
        yield
    except Exception as error:
        known = isinstance(error, ValueError | ImportError) or _of_a_server(error) or CALLBACKS in _through(error)
        if policy.out_of_memory(error) or not known:
            raise
        raise refused(what, error) from error


@contextlib.contextmanager
def server() -> Iterator[None]:
    """Turn a failure of vLLM's server into an error that says how to resume."""
    try:
        yield
    except Exception as error:
        if not _of_a_server(error):
            raise
        raise RewardsError(f"vLLM's server failed: {error}. Start it again; --resume goes on") from error


@contextlib.contextmanager
def optional() -> Iterator[None]:
    """Turn errors of trackers and missing packages, which only training steps show, into messages for the user.

    They are recognised by the modules in the traceback. Other errors pass: those of rewards, plugins included, and our own
    bugs.
    """
    try:
        yield
    except Exception as error:
        through = _through(error)
        if isinstance(error, RewardsError) or policy.out_of_memory(error) or REWARDS in through:
            raise
        if CALLBACKS in through:
            raise RewardsError(
                f"report_to: a tracker failed: {_line(error)} Set it up, or give report_to=none; --resume goes on"
            ) from error
        if isinstance(error, ImportError) and through[-1].partition(".")[0] in LIBRARIES:
            raise refused("a setting asks for a package", error) from error
        raise


def _through(error: Exception) -> list[str]:
    """The modules in the traceback of an error, the one that raised it last."""
    return [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]


def _line(error: Exception) -> str:
    """An error's message as one line that ends like a sentence."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _of_a_server(error: Exception) -> bool:
    """Whether the error is from TRL's client of a vLLM server, or from `requests`, which that uses."""
    named = "vLLM server" in str(error) or str(error).startswith("Request failed")
    return named or type(error).__module__.startswith("requests.")
