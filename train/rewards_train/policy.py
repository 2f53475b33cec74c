"""The policy: where its files are, its tokenizer, its weights with or without LoRA."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rewards.config import NO_YAML, load_yaml
from rewards.errors import ConfigError, ModelError, RewardsError
from rewards.models import batches, store
from rewards.models.backend import loading, torch_dtype, weights_only
from rewards.models.catalog import source_of
from rewards.models.specs import Wheel
from rewards.paths import user_path
from rewards_train.folder import WARM_START
from rewards_train.recipe import Recipe

LOWER = (
    "per_device_train_batch_size (and raise gradient_accumulation_steps by as much), steps_per_generation (so many batches"
    " are generated at once), max_completion_length, num_generations, data.max_prompt_tokens; or set"
    " gradient_checkpointing=true, dtype=bfloat16; with vLLM lower vllm_max_model_length, or give it another share"
    " with vllm_gpu_memory_utilization"
)
"""Settings to lower where memory runs out."""
VLLM_SHORT = ("No available memory", "KV cache")
"""Parts of vLLM's messages where memory runs out."""
KEPT = (
    "--resume goes on, also with another gradient_checkpointing, vllm_gpu_memory_utilization or reward_device; the others"
    " make it another run, which needs another out=FOLDER"
)
"""How to go on with a run whose memory ran out."""


def folder_of(model: str) -> Path:
    """The folder with a policy's files, given as a folder, an embedded model's name or a hub id. Raises ModelError."""
    return store.resolve(source_of(model))


def licence(model: str) -> dict[str, Any]:
    """The licence that a policy's files state, as fields of a model card; empty where they state none.

    That of an embedded model is known. Otherwise the card beside the weights states it, or the first line of a LICENSE file.
    """
    if isinstance(source := source_of(model), Wheel):
        return {"license": source.licence.lower()}
    try:
        files = folder_of(model)
    except ModelError:  # a card without a licence is better than a lost run
        return {}
    card = _front_matter(files / "README.md")
    if card.get("license") not in (None, "", "unknown"):
        named = {key: card[key] for key in ("license", "license_name") if card.get(key)}
        link = str(card.get("license_link", ""))  # one that is no address names a file that only the base has
        return {**named, **({"license_link": link} if link.startswith("http") else {})}
    for path in sorted(path for path in files.glob("LICEN[CS]E*") if path.is_file()):
        if title := next(filter(None, map(str.strip, path.read_text("utf-8", "replace").splitlines())), ""):
            return {"license": "other", "license_name": title}
    return {}


def _front_matter(path: Path) -> dict[str, Any]:
    """The YAML at the head of a model card; empty where there is none that can be read."""
    text = path.read_text("utf-8", "replace") if path.is_file() else ""
    head = re.match(r"---[^\S\n]*\n(.*?)\n---\s*$", text, re.DOTALL | re.MULTILINE)
    try:
        found = load_yaml(head[1]) if head else None
    except NO_YAML:
        return {}
    return found if isinstance(found, dict) else {}


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer, with a padding token. Raises ModelError where there is none."""
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} has no tokenizer that can be loaded: {error}") from error
    if tokenizer.eos_token is None:
        raise ModelError(f"the tokenizer of {folder} has no end-of-sequence token: completions would never end")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(folder: Path, dtype: str) -> Any:
    """The causal language model, loaded from safetensors."""
    from transformers import AutoModelForCausalLM

    with loading(f"{folder} cannot be loaded as a causal language model"):
        return AutoModelForCausalLM.from_pretrained(folder, **weights_only(dtype=torch_dtype(dtype)))


def lora_config(given: dict[str, Any] | None) -> Any:
    """The LoraConfig of a recipe; None trains every weight."""
    if given is None:
        return None
    from peft import LoraConfig

    try:
        return LoraConfig(**{"task_type": "CAUSAL_LM", **given})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"lora: {error}") from error


def merged(model: Any) -> Any:
    """The model with its adapter merged into the weights; the model itself where it has none."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model


def name_base(model: Any, recipe: Recipe) -> None:
    """Set an adapter's base model so that it loads elsewhere too: the warm-start folder beside it, or the id on the hub.

    Another folder is set as an absolute path. An embedded model is in the cache only, so PEFT's own name for it stays.
    """
    if recipe.sft is None and isinstance(source_of(recipe.model), Wheel):
        return
    local = user_path(recipe.model)
    base = WARM_START if recipe.sft is not None else str(local.resolve()) if local.is_dir() else recipe.model
    for config in getattr(model, "peft_config", {}).values():
        config.base_model_name_or_path = base


def out_of_memory(error: Exception) -> bool:
    """Whether the error says that torch, vLLM or the system ran out of memory."""
    return batches.out_of_memory(error) or any(sign in str(error) for sign in VLLM_SHORT)


@contextmanager
def memory() -> Iterator[None]:
    """Turn running out of memory into an error that says what to lower."""
    try:
        yield
    except (MemoryError, RuntimeError, ValueError) as error:
        if not out_of_memory(error):
            raise
        first = str(error).partition("\n")[0]
        raise RewardsError(f"out of memory ({first}). Lower {LOWER}. Checkpoints are kept: {KEPT}") from error
