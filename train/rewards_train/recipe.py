"""A recipe: which policy, which data, which suite, and every setting of the trainer. YAML, overridden by `key=value`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from rewards import prompts
from rewards.config import Number, Whole, parse, parse_value, read_text, read_yaml
from rewards.engine.device import check_device
from rewards.errors import ConfigError, nearest
from rewards.models.specs import DType, Profile
from rewards.paths import user_path
from rewards_train import fields

FOLDER = Path(__file__).parent / "recipes"
EXAMPLES = "examples"
"""A recipe's name for the arguments that come with the package, in the place of a data file."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Data(_Strict):
    """What a policy trains on. `eval` is read as `train` is; without it `eval_fraction` of `train` is kept apart.

    Of folders and datasets of `datasets`, the split `split` of `train` is read, and `eval_split` of `eval`; that is `split`
    by default.
    """

    train: str | None = None
    eval: str | None = None
    eval_fraction: Number = Field(default=0.0, ge=0, lt=1)
    split: str = "train"
    eval_split: str | None = None
    max_prompt_tokens: Whole | None = Field(default=None, gt=0)
    max_sentences: Whole | None = Field(default=None, gt=0)
    limit: Whole | None = Field(default=None, gt=0)
    eval_limit: Whole | None = Field(default=None, gt=0)


class WarmStart(_Strict):
    """A supervised start: pairs of argument and completion (or rewrite), and the settings of SFTConfig and LoraConfig."""

    data: str | None = None
    limit: Whole | None = Field(default=None, gt=0)
    args: dict[str, Any] = Field(default_factory=dict)
    lora: dict[str, Any] | None = None


class Failures(_Strict):
    """How many completions may fail before the run stops: `share` of the last `window`."""

    share: Number = Field(default=0.05, ge=0, le=1)
    window: Whole = Field(default=256, gt=0)


class Recipe(_Strict):
    """All settings of a run."""

    description: str
    trainer: Literal["grpo", "rloo"] = "grpo"
    model: str
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    format: str = "compact"
    suite: str = "default"
    rewards: list[str] = Field(default_factory=list)
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    profile: Profile | None = None
    models: dict[str, str] = Field(default_factory=dict)
    reward_device: str = "auto"
    reward_dtype: DType = "auto"
    data: Data = Field(default_factory=Data)
    sft: WarmStart | None = None
    lora: dict[str, Any] | None = None
    grpo: dict[str, Any] = Field(default_factory=dict)
    failures: Failures = Field(default_factory=Failures)
    save: Literal["merged", "adapter"] = "merged"
    processes: Whole = Field(default=1, ge=1)
    out: str = "runs/{recipe}"

    @property
    def config(self) -> str:
        """The name of the trainer's configuration class."""
        return f"{self.trainer.upper()}Config"

    @property
    def leaves_adapter(self) -> bool:
        """Whether a run saves only an adapter, which cannot be used without the model that it was trained on."""
        return self.lora is not None and self.save == "adapter"

    @property
    def answer_tokens(self) -> int | None:
        """The most tokens of a completion: the trainer's own limit where none is stated; None: no limit."""
        stated: int | None = self.grpo.get(
            "max_completion_length", fields.default(self.config, "max_completion_length")
        )
        return stated

    @property
    def template_settings(self) -> dict[str, Any]:
        """The variables given to a chat template: in GRPO, in the warm start and where prompts are counted."""
        return {**prompts.TEMPLATE_SETTINGS, **(self.grpo.get("chat_template_kwargs") or {})}


def names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def path_of(name: str) -> Path:
    """The file of a recipe, by name or path. Raises ConfigError with the nearest name."""
    if name.endswith((".yaml", ".yml")):
        return user_path(name)
    path = FOLDER / f"{name}.yaml"
    if name not in names():
        raise ConfigError(
            f"no recipe is called {name!r}{nearest(name, names())}; there are {', '.join(names())}."
            " A file of your own must end in .yaml"
        )
    return path


def text_of(name: str) -> str:
    """The YAML of a recipe, by name or path. Raises ConfigError where there is none, or it cannot be read."""
    return read_text(path_of(name))


def resolve(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe with its overrides, every field checked. Raises ConfigError that names what does not fit."""
    path = path_of(name)
    stated = read_yaml(path, "rewards recipe show small")
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key or not value.strip():
            raise ConfigError(f"{text!r}: expected key=value, e.g. learning_rate=1e-5")
        where = _place(key, stated)
        target = stated
        for part in where[:-1]:
            inner = target.get(part)
            if inner is None:
                inner = target[part] = {}
            if not isinstance(inner, dict):
                raise ConfigError(f"{text!r}: {part!r} has no keys")
            target = inner
        target[where[-1]] = parse_value(value)
    recipe = parse(Recipe, stated, f"{path}, with {', '.join(overrides)}" if overrides else str(path))
    grpo = fields.checked(recipe.config, recipe.grpo, "grpo")
    lora = None if recipe.lora is None else fields.checked("LoraConfig", recipe.lora, "lora")
    sft = recipe.sft
    if sft is not None:
        args = fields.checked("SFTConfig", sft.args, "sft.args")
        own = None if sft.lora is None else fields.checked("LoraConfig", sft.lora, "sft.lora")
        sft = sft.model_copy(update={"args": args, "lora": own})
    out = str(user_path(recipe.out.replace("{recipe}", path.stem)))
    recipe = recipe.model_copy(update={"grpo": grpo, "lora": lora, "sft": sft, "out": out})
    _check_merging(recipe)
    check_device(recipe.reward_device, "reward_device")
    if recipe.data.eval_split is not None and recipe.data.eval is None:
        raise ConfigError(
            f"data.eval_split {recipe.data.eval_split!r} needs a dataset: add data.eval={recipe.data.train or 'NAME'}"
        )
    return recipe


def _check_merging(recipe: Recipe) -> None:
    """Raise ConfigError where an adapter would be merged into weights that are too coarse for it."""
    warm = recipe.sft is not None and recipe.sft.lora is not None
    if recipe.dtype != "float32" and (warm or (recipe.lora is not None and recipe.save == "merged")):
        remedy = "sft.lora=null" if warm else "save=adapter"
        raise ConfigError(
            f"dtype {recipe.dtype}: a LoRA that is folded into such weights is mostly rounded away; give {remedy}, or"
            " dtype=float32"
        )


def dump(recipe: Recipe) -> str:
    """The resolved recipe as YAML that `rewards train` can read again."""
    stated = _whole(recipe.model_dump(mode="json", exclude_none=True))
    plain: str = yaml.safe_dump(stated, sort_keys=False, allow_unicode=True, width=120)
    return plain


def _whole(value: Any) -> Any:
    """The same values, with whole floats as integers: trainers hold `save_steps` as 100.0."""
    if isinstance(value, Mapping):
        return {key: _whole(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _place(key: str, stated: Mapping[str, Any]) -> tuple[str, ...]:
    """The path of a command line's key in the recipe: its parts between dots, else that of the field with this name."""
    own = Recipe.model_fields
    if "." in key:
        first, *rest = key.split(".")
        if first not in own:
            raise fields.unknown(key, first, own, "a recipe")
        return (first, *rest)
    if key == "data":
        return ("data", "train")
    if key in own:
        return (key,)
    trainer = f"{stated.get('trainer', 'grpo')}".upper() + "Config"
    places = dict(_bare(trainer))
    if key in fields.RESERVED:
        raise ConfigError(f"{key} cannot be set: {fields.RESERVED[key]}")
    if key not in places:
        raise fields.unknown(key, key, [*own, *places], f"a recipe, {trainer}, LoraConfig or the data settings")
    return places[key]


def _bare(trainer: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The fields that can be named without a dot, with their paths. Of equal names the trainer's comes last, and wins."""
    yield from ((name, ("data", name)) for name in Data.model_fields if name not in ("train", "eval"))
    yield from ((name, ("lora", name)) for name in fields.names("LoraConfig"))
    yield from ((name, ("grpo", name)) for name in fields.names(trainer))
