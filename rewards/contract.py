"""What a reward is: a function of a batch of units, what it reads from models, and what it declares about its values."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rewards.errors import ConfigError, PluginError, nearest
from rewards.models.specs import PROFILES, Model, Profile
from rewards.types import LEVELS, Argument, Edit, Level, Score, Sentence

if TYPE_CHECKING:
    from pydantic import BaseModel

    from rewards.features import Request

Unit = Edit | Sentence | Argument
Function = Callable[..., Any]
Reads = Callable[..., "tuple[Request, ...] | None"]


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a gate lies, and where that number comes from ("5th percentile of human edits, ArgRewrite, n=…")."""

    value: float
    source: str = ""

    @classmethod
    def from_card(cls, path: Path, key: str = "threshold") -> Threshold:
        """The threshold that a card states as `{"value": …, "source": …}` under `key`."""
        stated = json.loads(path.read_text(encoding="utf-8"))[key]
        return cls(float(stated["value"]), str(stated["source"]))


@dataclass(frozen=True)
class Reward:
    """A registered reward. Made by the `reward` decorator; called by the suite with a batch of units of its level."""

    name: str
    level: Level
    range: tuple[float, float]
    function: Function
    reads: Reads | None = None
    higher_is_better: bool = True
    thresholds: Mapping[Profile, Threshold] = field(default_factory=dict)
    models: tuple[Model, ...] = ()
    card_path: Path | None = None

    def __call__(self, units: Sequence[Any], *features: Any, **arguments: Any) -> Any:
        """What the decorated function returns: a decorated reward is still callable as a plain function."""
        return self.function(units, *features, **arguments)

    @property
    def summary(self) -> str:
        """The first paragraph of the function's docstring, on one line."""
        return " ".join((inspect.getdoc(self.function) or "").split("\n\n")[0].split())

    @cached_property
    def card(self) -> Mapping[str, Any]:
        """The reward's card as its package ships it; empty where it ships none."""
        if self.card_path is None:
            return {}
        try:
            return cast("dict[str, Any]", json.loads(self.card_path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise PluginError(f"reward {self.name!r}: its card {self.card_path} cannot be read: {error}") from error

    @cached_property
    def arguments(self) -> type[BaseModel]:
        """A pydantic model of the function's keyword-only parameters; unknown names are errors."""
        from pydantic import ConfigDict, create_model  # 100 ms that `rewards --help` need not pay

        fields: dict[str, Any] = {}
        hints = inspect.get_annotations(self.function, eval_str=True)
        for name, parameter in self._keyword_only():
            if name not in hints:
                raise PluginError(f"reward {self.name!r}: its argument {name!r} has no type annotation; add one")
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[name] = (hints[name], default)
        config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)
        return create_model(f"{self.name}_arguments", __config__=config, **fields)

    def parse_arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments to call with: `given` checked and converted, defaults filled in. Raises ConfigError."""
        from pydantic import ValidationError  # as above

        known = [name for name, _ in self._keyword_only()]
        for name in given:
            if name not in known:
                takes = f"it takes {', '.join(known)}" if known else "it takes none"
                raise ConfigError(f"reward {self.name!r} has no argument {name!r}{nearest(name, known)}; {takes}")
        try:
            parsed = self.arguments(**given)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ConfigError(
                f"reward {self.name!r}, argument {where!r}: {first['msg']} (given: {first.get('input')!r})"
            ) from error
        return {name: getattr(parsed, name) for name in known}

    def requests(self, unit: Unit, arguments: Mapping[str, Any]) -> tuple[Request, ...] | None:
        """The features that scoring `unit` needs; None where the reward does not apply to it."""
        if self.reads is None:
            return ()
        return self.reads(unit, **{name: arguments[name] for name in self._reads_arguments})

    @cached_property
    def _reads_arguments(self) -> tuple[str, ...]:
        if self.reads is None:
            return ()
        return tuple(inspect.signature(self.reads).parameters)[1:]

    def _keyword_only(self) -> list[tuple[str, inspect.Parameter]]:
        parameters = inspect.signature(self.function).parameters
        return [(n, p) for n, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY]


def reward(
    *,
    level: Level,
    range: tuple[float, float],
    name: str | None = None,
    reads: Reads | None = None,
    higher_is_better: bool = True,
    threshold: float | Threshold | Mapping[Profile, Threshold] | None = None,
    models: Sequence[Model] = (),
    card: Path | None = None,
) -> Callable[[Function], Reward]:
    """Declare a function as a reward.

    The function gets the units of one level (`Edit`s, `Sentence`s or `Argument`s), one array per feature that `reads`
    asks for (stacked over the units where shapes agree), and its keyword-only arguments; it returns one value per unit:
    a float, None (not applicable), or a `Score` where it has details or a failure to report.

    `threshold` makes the reward usable as a gate: a number for every profile, or one per profile. `range` is inclusive;
    a value outside it is a failure. Raises PluginError where the declaration does not hold together.
    """

    def declare(target: Function) -> Reward:
        label = name or str(getattr(target, "__name__", type(target).__name__))
        if level not in LEVELS:
            raise PluginError(f"reward {label!r}: level is {level!r}; it must be one of {', '.join(LEVELS)}")
        low, high = range
        if not low < high or math.isnan(low) or math.isnan(high):
            raise PluginError(f"reward {label!r}: range is {range!r}; the first number must be below the second")
        if not label.isidentifier():
            raise PluginError(f"reward {label!r}: a name must be a Python identifier, so that logs can carry it")
        thresholds = _thresholds(threshold)
        declared = Reward(
            label, level, (float(low), float(high)), target, reads, higher_is_better, thresholds, tuple(models), card
        )
        _check_signature(declared)
        return declared

    return declare


def _thresholds(threshold: float | Threshold | Mapping[Profile, Threshold] | None) -> dict[Profile, Threshold]:
    if threshold is None:
        return {}
    if isinstance(threshold, Mapping):
        return dict(threshold)
    if not isinstance(threshold, Threshold):
        threshold = Threshold(float(threshold))
    return dict.fromkeys(PROFILES, threshold)


def _check_signature(declared: Reward) -> None:
    try:
        parameters = inspect.signature(declared.function).parameters.values()
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"reward {declared.name!r}: {declared.function!r} is not a function with a signature"
        ) from error
    if not any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) for p in parameters):
        raise PluginError(f"reward {declared.name!r}: its function must take the units as first positional argument")
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        raise PluginError(f"reward {declared.name!r}: **keywords would hide misspelt arguments; name each one")


def to_scores(declared: Reward, returned: Any, count: int) -> list[Score]:
    """What a reward returned, as one checked Score per unit.

    Raises PluginError when it is not one value per unit. A value that is not a finite float inside the declared range
    becomes a failed Score that says so: it is never clipped, and never 0.
    """
    if hasattr(returned, "tolist"):  # numpy and torch
        returned = returned.tolist()
    if isinstance(returned, (str, bytes, Mapping)) or not isinstance(returned, Sequence):
        raise PluginError(
            f"reward {declared.name!r} returned {type(returned).__name__}; it must return one value per unit"
        )
    if len(returned) != count:
        raise PluginError(f"reward {declared.name!r} returned {len(returned)} values for {count} units")
    return [_to_score(declared, value) for value in returned]


def _to_score(declared: Reward, returned: Any) -> Score:
    score = returned if isinstance(returned, Score) else Score(returned)
    value = score.value
    if score.failed is not None or value is None:
        return score
    if not isinstance(value, (int, float)):
        item = getattr(value, "item", None)
        value = item() if callable(item) else value
        if not isinstance(value, (int, float)):
            return Score(None, f"{declared.name}: returned {type(value).__name__}, not a number")
    value = float(value)
    low, high = declared.range
    if not math.isfinite(value):
        return Score(None, f"{declared.name}: returned {value}", score.details)
    if not low <= value <= high:
        # A hair outside is rounding (a cosine of 1.0000001); anything more breaks the declaration.
        slack = 1e-4 * max(1.0, abs(low) if math.isfinite(low) else 1.0)
        if low - slack <= value <= high + slack:
            value = min(max(value, low), high)
        else:
            return Score(None, f"{declared.name}: returned {value}, outside its range [{low}, {high}]", score.details)
    return Score(value, None, score.details)
