"""The interface of policies (prompts as tokens in, completions out) for every backend, and the files of their models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from rewards import cards
from rewards.errors import ConfigError, ModelError
from rewards.models.catalog import source_of
from rewards.models.folders import ADAPTER
from rewards.paths import user_path

ADAPTER_WEIGHTS = "adapter_model.safetensors"
BACKENDS = ("transformers", "vllm")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How completions are drawn; temperature 0 always takes the likeliest token."""

    temperature: float
    top_p: float
    max_new_tokens: int
    seed: int


@dataclass(frozen=True, slots=True)
class Ask:
    """A prompt as tokens, and the seed of its random numbers, which do not depend on the other prompts of a batch."""

    tokens: tuple[int, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion. `finish` says whether it ended by itself or was cut at the limit; `failed` why there is none."""

    text: str = ""
    tokens: int = 0
    finish: Literal["stop", "length"] = "stop"
    failed: str | None = None


class Policy(Protocol):
    """A loaded model. `window` is how many tokens prompt and completion may have together; None knows no limit."""

    backend: str
    tokenizer: Any
    window: int | None
    device: str
    dtype: str

    def generate(self, asks: Sequence[Ask], sampling: Sampling, progress: Callable[[int], None]) -> list[Answer]:
        """One answer for each ask, in order; `progress` is called with the number of new tokens."""
        ...


@dataclass(frozen=True, slots=True)
class Files:
    """A model's folder and its adapter's, with what identifies them."""

    name: str
    folder: Path
    digest: str
    adapter: Path | None = None
    adapter_digest: str | None = None

    def describe(self) -> dict[str, Any]:
        """The model and its adapter as the header of a result file states them."""
        found: dict[str, Any] = {"name": self.name, "digest": self.digest}
        if self.adapter is not None:
            found["adapter"] = {"name": str(self.adapter), "digest": self.adapter_digest}
        return found

    @property
    def full_name(self) -> str:
        """The model's name, with the adapter's where there is one."""
        return self.name if self.adapter is None else f"{self.name} + {self.adapter}"


def find(model: str, adapter: Path | None) -> Files:
    """The files of a model: a folder, an embedded model's name, or a hub id. Raises ConfigError and ModelError."""
    from rewards.models import folders, store  # fetching and hashing, only when a model is used

    _refuse_adapter(user_path(model))
    source = source_of(model)
    folder = store.resolve(source)
    if adapter is None:
        return Files(model, folder, store.digest(source, folder))
    _check_adapter(adapter)
    return Files(model, folder, store.digest(source, folder), adapter, folders.digest(adapter))


def seed_of(*parts: Any) -> int:
    """A number that depends on all of the parts: the same on every machine, and in every run."""
    digest = hashlib.sha256(json.dumps(parts, default=str).encode()).digest()
    return int.from_bytes(digest[:8], "big")


def _refuse_adapter(folder: Path) -> None:
    """Raise ConfigError where the folder given as a model is an adapter: it cannot run alone."""
    if (folder / ADAPTER).is_file() and not (folder / "config.json").is_file():
        base = _base_of(folder) or "BASE"
        raise ConfigError(f"--model {folder} is an adapter; give it as --adapter, and its base: --model {base}")


def _check_adapter(folder: Path) -> None:
    if not (folder / ADAPTER).is_file():
        raise ConfigError(f"--adapter {folder}: no {ADAPTER} there; expected a folder that PEFT wrote")
    if not (folder / ADAPTER_WEIGHTS).is_file():
        pickled = ", ".join(path.name for path in folder.glob("adapter_model.*"))
        raise ModelError(
            f"--adapter {folder} holds no {ADAPTER_WEIGHTS}{f' but {pickled}' if pickled else ''}; pickled weights can run"
            " code and are never opened: save the adapter again with `save_pretrained(folder)`"
        )


def _base_of(folder: Path) -> str | None:
    """The base model that an adapter states; None where it states none. Raises ModelError where it cannot be read."""
    try:
        named = cards.read(folder / ADAPTER).get("base_model_name_or_path")
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / ADAPTER} cannot be read: {error}") from error
    return named if isinstance(named, str) and named else None


def other_base(files: Files) -> str | None:
    """The base model that the adapter states, where it clearly differs from the model in use; else None."""
    if files.adapter is None or (base := _base_of(files.adapter)) is None:
        return None
    names = {Path(files.name).name, files.folder.name, files.name}
    return None if Path(base).name in names or Path(base) == files.folder else base
