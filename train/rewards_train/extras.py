"""Packages that settings ask for, and what other libraries refuse: each with what a user can do about it."""

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
"""What pip calls the packages that settings ask for."""
TRACKERS = {"azure_ml": "azureml", "flyte": "flytekit"}
"""The packages of trackers that `report_to` calls otherwise."""
CALLBACKS = "transformers.integrations.integration_utils"
"""Where transformers talks to trackers."""
LIBRARIES = {"transformers", "trl", "peft", "accelerate", "torch"}
REWARDS = "rewards_train.adapter"
"""What every reward is computed through, those of plugins too."""


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
    """The packages besides our own dependencies that a recipe asks for, each once."""
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
    """What the settings of a trainer name in `report_to`."""
    asked = given.get("report_to") or []
    return [name for name in ([asked] if isinstance(asked, str) else asked) if name != "none"]


def check_trackers(section: str, given: Mapping[str, Any]) -> list[str]:
    """The trackers that a section asks for, one by one. Raises ConfigError for one that transformers does not know."""
    asked = trackers(given)
    if not asked:
        return []
    from transformers.integrations import integration_utils as known

    if asked == ["all"]:
        return list(known.get_available_reporting_integrations())  # type: ignore[no-untyped-call]  # of transformers
    if wrong := [name for name in asked if name not in known.INTEGRATION_TO_CALLBACK]:
        names = sorted(known.INTEGRATION_TO_CALLBACK)
        raise ConfigError(
            f"{section}.report_to: {wrong[0]!r}{nearest(wrong[0], names)} is not a tracker; there are {', '.join(names)};"
            " or give all, or none"
        )
    return asked


def log_in(recipe: Recipe) -> None:
    """Raise ConfigError where Weights & Biases would ask for a key later, and there is neither one nor a terminal."""
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
    """An error of another library about settings, with the line that installs what it misses."""
    problem = " ".join(str(error).split())
    wanting = isinstance(error, ImportError) or "install" in problem
    missing = next((line for name, line in EXTRAS.items() if wanting and name in problem.lower()), None)
    return ConfigError(f"{what}: {problem}" + (f". If it is not installed: pip install '{missing}'" if missing else ""))


@contextlib.contextmanager
def refusals(what: str) -> Iterator[None]:
    """Settings that a trainer or PEFT refuses, and servers that do not answer, are a user's to mend; lack of memory is not."""
    try:
        yield
    except Exception as error:
        known = isinstance(error, ValueError | ImportError) or _of_a_server(error) or CALLBACKS in _through(error)
        if policy.out_of_memory(error) or not known:
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


@contextlib.contextmanager
def optional() -> Iterator[None]:
    """What only the steps ask for, a tracker or a package, is a user's to mend: told by where the error comes from.

    All else passes: what rewards raise, those of plugins too, and what is wrong in our own code.
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
    """The modules through which an error came, that which raised it last."""
    return [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]


def _line(error: Exception) -> str:
    """What an error says, as one line that ends as a sentence."""
    told = " ".join(str(error).split()) or type(error).__name__
    return told if told.endswith((".", "!", "?")) else f"{told}."


def _of_a_server(error: Exception) -> bool:
    """Whether TRL's client of a vLLM server says it, or `requests`, through which it talks."""
    told = "vLLM server" in str(error) or str(error).startswith("Request failed")
    return told or type(error).__module__.startswith("requests.")
