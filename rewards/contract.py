"""What a reward is: a function of a batch of units, what it reads from models, and what it declares about its values."""

from __future__ import annotations

import functools
import importlib
import inspect
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, Protocol, SupportsFloat, TypeVar, overload

from rewards import cards
from rewards.arguments import model_of, parsed
from rewards.declaring import broken, by_keywords, check_plain, check_reads, check_signature
from rewards.errors import PluginError, unknown
from rewards.features import Request
from rewards.fitting import Fitter
from rewards.models.specs import PROFILES, Model, Profile
from rewards.types import LEVELS, Argument, Edit, Level, Score, Sentence

if TYPE_CHECKING:
    from pydantic import BaseModel

Unit = Edit | Sentence | Argument
U = TypeVar("U")
Function = Callable[..., Any]
Requests = tuple[Request, ...] | None
# The first form is for lambdas, which mypy does not accept as the second.
Reads = Callable[[U], Requests] | Callable[Concatenate[U, ...], Requests]

RESERVED = ("advantage", "completion", "edits", "failed", "prompt", "rejected", "reward", "step", "total")
"""Keys of results, logs and tables beside the names of rewards, so no reward can have them as its name."""

BESIDE_CARD = ("validation", "limits")
"""Names of the optional JSON files next to `card.json`."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """The threshold of a gate, and where the number comes from ("5th percentile of human edits, ArgRewrite, n=…")."""

    value: float
    source: str = ""

    @classmethod
    def from_card(cls, path: Path, key: str = "threshold") -> Threshold:
        """The threshold that a card states as `{"value": …, "source": …}` under `key`. Raises PluginError."""
        try:
            return cls(*cards.stated(path, key))
        except (OSError, ValueError) as error:
            raise PluginError(f'{path}: expected "{key}": {{"value": …, "source": …}}; {error}') from error


@dataclass(frozen=True, eq=False)
class Reward:
    """A registered reward. Made by the `reward` decorator; called by the suite with a batch of units of its level."""

    name: str
    level: Level
    range: tuple[float, float]
    function: Function
    reads: Reads[Any] | None = None
    higher_is_better: bool = True
    thresholds: Mapping[Profile, Threshold] = field(default_factory=dict)
    models: tuple[Model, ...] = ()
    card_path: Path | None = None
    fitter: Fitter | None = None
    module: str = ""  # the module that declares it

    def __repr__(self) -> str:
        return f"<reward {self.name!r} at {self.level} level, from {self.range[0]:g} to {self.range[1]:g}>"

    def __call__(self, units: Sequence[Any], *features: Any, **arguments: Any) -> Any:
        """What the decorated function returns: a decorated reward is still callable as a plain function."""
        return self.function(units, *features, **arguments)

    def __reduce__(self) -> tuple[Callable[[str, str], Any], tuple[str, str]]:
        """Pickle a reference to the module attribute: it holds the reward, so the function cannot be found under that name."""
        places = [self.module, str(getattr(self.function, "__module__", ""))]
        for module in places:
            for name, item in vars(sys.modules[module]).items() if module in sys.modules else ():
                if item is self:
                    return _attribute, (module, name)
        where = next(filter(None, places), "")
        raise TypeError(
            f"reward {self.name!r} cannot be pickled: no attribute of module {where!r} is it; define it there at top level"
        )

    def __copy__(self) -> Reward:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Reward:
        return self

    @property
    def summary(self) -> str:
        """The first paragraph of the function's docstring, on one line."""
        return " ".join((inspect.getdoc(self.function) or "").split("\n\n")[0].split())

    @functools.cached_property
    def card(self) -> Mapping[str, Any]:
        """The reward's card, as its package ships it; empty where there is none.

        `rewards fit` writes `card.json`. Next to it there may be `validation.json` (results on other data) and `limits.json`
        (what the reward does not measure, known failures), which are added under the keys `validation` and `limits`.
        Raises PluginError where a file cannot be read.
        """
        if self.card_path is None:
            return {}
        found = self._read(self.card_path)
        for more in BESIDE_CARD:
            if (path := self.card_path.with_name(f"{more}.json")).exists():
                found[more] = self._read(path)
        return found

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            return cards.read(path)
        except (OSError, ValueError) as error:
            raise PluginError(f"reward {self.name!r}: its card {path} cannot be read: {error}") from error

    @functools.cached_property
    def arguments(self) -> type[BaseModel]:
        """A pydantic model of the function's keyword-only parameters; unknown names are errors. Raises PluginError."""
        return model_of(self)

    def parse_arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments to call with: `given` checked and converted, defaults filled in.

        Raises ConfigError, and PluginError where a default of the reward's own does not fit.
        """
        return parsed(self, given)

    def requests(self, unit: Unit, arguments: Mapping[str, Any]) -> tuple[Request, ...] | None:
        """The features that scoring `unit` needs; None where the reward does not apply to it."""
        if self.reads is None:
            return ()
        return self.reads(unit, **{name: arguments[name] for name in self._reads_arguments})

    @functools.cached_property
    def _reads_arguments(self) -> tuple[str, ...]:
        known = [name for name, _ in self.keyword_only()]
        return tuple(n for n in list(inspect.signature(self.reads).parameters)[1:] if n in known) if self.reads else ()

    @functools.cached_property
    def takes(self) -> tuple[int, float]:
        """The least and the greatest number of features that the function takes besides the units."""
        parameters = inspect.signature(self.function).parameters.values()
        places = [p.default is p.empty for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        most = math.inf if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(places) - 1
        return max(sum(places) - 1, 0), most

    def keyword_only(self) -> list[tuple[str, inspect.Parameter]]:
        """The keyword-only parameters of the function, which suites can set."""
        parameters = inspect.signature(self.function).parameters
        return [(n, p) for n, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY]


class Listed(Protocol):
    """An array of numpy or torch."""

    def tolist(self) -> Any:
        """The array as Python numbers, in lists."""
        ...


Values = Sequence[SupportsFloat | Score | None] | Listed
Declare = Callable[[Callable[Concatenate[list[U], ...], Values]], Reward]
Thresholds = float | Threshold | Mapping[Profile, float | Threshold] | None


@overload
def reward(
    *, level: Literal["edit"], range: tuple[float, float], name: str | None = None, reads: Reads[Edit] | None = None,
    higher_is_better: bool = True, threshold: Thresholds = None, models: Sequence[Model] = (), card: Path | None = None,
    fitter: Fitter | None = None,
) -> Declare[Edit]: ...  # fmt: skip
@overload
def reward(
    *, level: Literal["sentence"], range: tuple[float, float], name: str | None = None,
    reads: Reads[Sentence] | None = None, higher_is_better: bool = True, threshold: Thresholds = None,
    models: Sequence[Model] = (), card: Path | None = None, fitter: Fitter | None = None,
) -> Declare[Sentence]: ...  # fmt: skip
@overload
def reward(
    *, level: Literal["global"], range: tuple[float, float], name: str | None = None,
    reads: Reads[Argument] | None = None, higher_is_better: bool = True, threshold: Thresholds = None,
    models: Sequence[Model] = (), card: Path | None = None, fitter: Fitter | None = None,
) -> Declare[Argument]: ...  # fmt: skip
@by_keywords
def reward(
    *,
    level: Level,
    range: tuple[float, float],
    name: str | None = None,
    reads: Reads[Any] | None = None,
    higher_is_better: bool = True,
    threshold: Thresholds = None,
    models: Sequence[Model] = (),
    card: Path | None = None,
    fitter: Fitter | None = None,
) -> Callable[[Function], Reward]:
    """Declare a function as a reward.

    The function gets a list of units of one level (`Edit`s, `Sentence`s or `Argument`s); for each feature that `reads`
    requests, an array stacked over the units (a list of arrays for features per token and where shapes differ); and its
    keyword-only arguments. It returns one value per unit: a float, None (not applicable), or a `Score` to report details
    or a failure.

    `name` is used in suites and results; by default it is the function's name. `threshold` makes the reward usable as a
    gate: one number for all profiles, or one per profile. A value passes at or above it. With `higher_is_better=False` it
    passes at or below it, and no suite can give the reward a positive weight. `range` is inclusive; a value outside of it
    is a failure.
    `models` are the models whose features `reads` may request. `card` is the path of a JSON file that says how the reward
    was made; `rewards show` prints it. `fitter` fits the reward's parameters (`rewards fit`) and loads them. Raises
    PluginError where the declaration is inconsistent.
    """

    def declare(target: Function) -> Reward:
        if isinstance(target, Reward):
            raise broken(target.name, "it is a reward already; give the function itself (.function)")
        label = name or str(getattr(target, "__name__", type(target).__name__))
        if level not in LEVELS:
            raise broken(label, f"level is {level!r}; it must be one of {', '.join(LEVELS)}")
        if not label.isidentifier():
            raise broken(label, "a name must be a Python identifier, so that logs can carry it")
        if label in RESERVED:
            raise broken(label, f"{', '.join(RESERVED)} stand beside rewards in results and logs; give it another name")
        if not isinstance(higher_is_better, bool):
            raise broken(label, f"higher_is_better is {higher_is_better!r}; it must be True or False")
        if not (card is None or isinstance(card, Path)):
            raise broken(label, f'card is {card!r}; it must be a Path: Path(__file__).parent / "params" / "card.json"')
        bounds, reading = _bounds(label, range), _models(label, models)
        passes = _thresholds(label, threshold, bounds)
        _check_fitter(label, fitter)
        module = str(sys._getframe(1).f_globals.get("__name__", ""))  # of the caller, found as enum and namedtuple do
        declared = Reward(label, level, bounds, target, reads, higher_is_better, passes, reading, card, fitter, module)
        check_plain(declared)
        check_signature(declared)
        check_reads(declared)
        return declared

    return declare


def _attribute(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def _bounds(label: str, given: Any) -> tuple[float, float]:
    try:
        low, high = (float(bound) for bound in given)
    except (TypeError, ValueError):
        low = high = math.nan
    if not low < high:
        raise broken(label, f"range is {given!r}; it must be two numbers, the first below the second, or math.inf")
    return low, high


def _thresholds(label: str, given: Any, bounds: tuple[float, float]) -> dict[Profile, Threshold]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return dict.fromkeys(PROFILES, _threshold(label, given, bounds))
    for profile in given:
        if problem := unknown("profile", profile, PROFILES):
            raise broken(label, f"threshold: {problem}")
    return {profile: _threshold(label, one, bounds) for profile, one in given.items()}


def _threshold(label: str, given: Any, bounds: tuple[float, float]) -> Threshold:
    try:
        found = given if isinstance(given, Threshold) else Threshold(given)
        finite = math.isfinite(found.value) and not isinstance(found.value, bool)
        found = Threshold(float(found.value), found.source)
    except (TypeError, ValueError):
        found, finite = Threshold(math.nan), False
    if not finite:
        raise broken(label, f"threshold is {given!r}; it must be a number, a rewards.Threshold, or one per profile")
    low, high = bounds
    if not low <= found.value <= high:
        raise broken(label, f"the threshold {found.value:g} lies outside its range [{low:g}, {high:g}]")
    return found


def _check_fitter(label: str, given: Any) -> None:
    if not (given is None or isinstance(given, Fitter)):
        raise broken(label, f"fitter is {given!r:.100}; it must be a Fitter: Fitter(fit, load)")


def _models(label: str, given: Any) -> tuple[Model, ...]:
    if isinstance(given, (list, tuple)) and all(isinstance(one, Model) for one in given):
        return tuple(given)
    raise broken(label, f"models is {given!r:.100}; it must be a tuple of Models, as in models=(ENCODER,)")
