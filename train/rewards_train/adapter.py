"""A suite as TRL's reward functions: one scoring pass per batch, one column per component as a view on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rewards.errors import ConfigError, RecordError
from rewards.models.specs import DType, Profile
from rewards.plan import SuitePlan, check_format
from rewards.records import completion_text, read_revision, reading
from rewards.result import Result
from rewards.suite import Component, Suite
from rewards.types import FLOAT32, Revision
from rewards.values import listed
from rewards_train.losses import Budget, Losses
from rewards_train.metrics import metrics, table

if TYPE_CHECKING:
    from trl.trainer.grpo_trainer import RewardFunc

CARRIED = ("id", "issue", "argument", "sentences")
"""The dataset columns that a completion is scored with; `argument` or `sentences` must be there."""


@dataclass(frozen=True, slots=True)
class RewardPlan(SuitePlan):
    """The settings of a scorer: a suite, further `rewards`, and how completions are read.

    `suite` is a name or a YAML file, `rewards` are added to it, and `settings` override its own, per reward:
    `{"fluency": {"weight": 0.1}}`. `profile`, `models` (by role), `device`, `dtype`, `token_budget` and `cache` (a folder)
    say what computes, as the options of `rewards score` do. `format` is the only format in which completions are read, None
    detects it; `budget` says how many completions may fail. With `strict` a reward that fails ends the run at once.
    """

    suite: str = "default"
    profile: Profile | None = None
    dtype: DType = "auto"
    format: str | None = None
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True, slots=True)
class Sampled:
    """One completion of a batch with the columns of the dataset for it."""

    record: Mapping[str, Any]
    completion: str


@dataclass(frozen=True, slots=True)
class Pass:
    """One scoring pass over one batch. `results` has None where a completion could not be read.

    `dropped` has the reason where a completion has no reward to learn from, read or not. `step` counts as trainers log: for
    training batches the step that the batch is for, from 1; for held-out arguments the steps made before.
    """

    rows: tuple[Sampled, ...]
    results: tuple[Result | None, ...]
    dropped: tuple[str | None, ...]
    step: int
    seconds: float
    share: float  # of the time since the pass before that was spent in this one
    cached: float  # share of the requested features that did not have to be computed

    def values(self, component: Component) -> list[float | None]:
        """The values of one component; None where the completion is dropped.

        Where the component does not apply: 0 if the component has a weight, as in the suite's total, else None.
        """
        found: list[float | None] = []
        for result, reason in zip(self.results, self.dropped, strict=True):
            value = result.rewards[component.name] if result is not None else None
            absent = 0.0 if component.weight else None
            found.append(None if reason is not None else absent if value is None else value)
        return found

    def totals(self) -> list[float | None]:
        """The suite's total of every completion, None where it is dropped."""
        pairs = zip(self.results, self.dropped, strict=True)
        return [None if reason is not None or result is None else result.reward for result, reason in pairs]


def deletion(record: Mapping[str, Any]) -> Revision:
    """The record's argument with the longest word of its longest sentence deleted."""
    record = {**record, "completion": None}
    sentences = read_revision({**record, "edits": []}).sentences
    index = max(range(len(sentences)), key=lambda i: len(sentences[i]))
    word = max(sentences[index].split() or [""], key=len)
    edit = {"sentence_id": index + 1, "inappropriate_part": word, "rewritten_part": "", "reason": "Other Reasons"}
    return read_revision({**record, "edits": [edit]})


class Scorer:
    """Scores each batch of a trainer once, however many columns read it.

    A scorer pickles as its plan, without its observers. One with a loaded `suite` does not pickle, and its plan may set only
    `format` and `budget`. Raises PluginError for a format that nobody registered, ConfigError for a plan that sets more or is
    no RewardPlan.
    """

    def __init__(self, plan: RewardPlan | None = None, *, suite: Suite | None = None) -> None:
        self.plan = plan or RewardPlan()
        if not isinstance(self.plan, RewardPlan):
            raise ConfigError(
                f"Scorer({plan!r:.100}): expected a RewardPlan('NAME'), or a loaded suite as Scorer(suite=…)"
            )
        if suite is not None and replace(self.plan, format=None, budget=Budget()) != RewardPlan():
            raise ConfigError(
                "Scorer(plan, suite=…): the suite is ready, so the plan can say only `format` and `budget`"
            )
        check_format(self.plan.format)
        self._given = suite is not None
        self._suite = suite
        self._observers: list[Callable[[Pass], None]] = []
        self._lock = threading.RLock()  # asynchronous trainers have threads, each asking for a batch's columns in turn
        self._last: tuple[Any, Pass] | None = None
        self._served: set[str | None] = set()
        self._losses = Losses(self.plan.budget)
        self._ended = time.monotonic()
        if suite is not None:
            _check(suite)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._given:
            raise TypeError("a scorer of a ready suite cannot be pickled; name the suite in a RewardPlan")
        return Scorer, (self.plan,)

    @property
    def suite(self) -> Suite:
        """The suite, loaded on first use. Raises ConfigError where none of its rewards has a weight."""
        with self._lock:
            if self._suite is None:
                loaded = self.plan.load()
                _check(loaded)
                self._suite = loaded
            return self._suite

    @property
    def suite_name(self) -> str:
        """The suite's own name where it is loaded, else what the plan names it by."""
        return self.plan.suite if self._suite is None else self._suite.name

    def observe(self, observer: Callable[[Pass], None]) -> None:
        """Call `observer` with every pass from now on."""
        self._observers.append(observer)

    def columns(self, prefix: str = "") -> list[RewardFunc]:
        """One reward function per component, in the suite's order; their weights are `weights()`."""
        return [RewardColumn(self, component.name, prefix) for component in self.suite.components]

    def weights(self) -> list[float]:
        """For `reward_weights`: 0 for what is held out, so that TRL's `reward` is the suite's total."""
        return [component.weight for component in self.suite.components]

    def total(self) -> RewardColumn:
        """One reward function for the weighted total, for trainers that know no weights, such as AsyncGRPO."""
        return RewardColumn(self, None)

    def warm_up(self, record: Mapping[str, Any], *others: Mapping[str, Any]) -> None:
        """Load every model that the suite needs, by scoring one deletion in the first of the records that can be scored.

        Call it before a trainer is built: models that are built inside one may come out sharded (`zero.Init`), and then
        cannot be used. Raises ConfigError where a gate or a paid reward fails on all records, as it would in training.
        """
        error = None
        for one in (record, *others):
            (result,) = self.suite.score([deletion(one)])
            if result.reward is not None:
                break
            error = result.error
        else:
            raise ConfigError(f"the rewards fail on arguments with a word deleted, before any training: {error}")
        self._ended = time.monotonic()

    def ask(self, name: str | None, completions: Sequence[Any], given: Mapping[str, Any]) -> list[float | None]:
        """The values of one column for a batch, or of the total for None. The first call for a batch scores it."""
        with self._lock:
            rows = rows_of(completions, given)
            key = [(row.completion, *(row.record.get(k) for k in CARRIED)) for row in rows]
            # A column that asks twice means a new batch, even where its completions are the same.
            if self._last is None or name in self._served or self._last[0] != key:
                self._served.clear()
                self._last = key, self._score(rows, given)
            self._served.add(name)
            done = self._last[1]
            if name is None:
                return done.totals()
            return done.values(next(c for c in self.suite.components if c.name == name))

    def _score(self, rows: tuple[Sampled, ...], given: Mapping[str, Any]) -> Pass:
        suite, began = self.suite, time.monotonic()
        requested, computed = suite.engine.counts.requested, suite.engine.counts.computed
        results, dropped = self._results(rows)
        ended = time.monotonic()
        requested, computed = suite.engine.counts.requested - requested, suite.engine.counts.computed - computed
        step = step_of(rows, given.get("trainer_state"))
        share = (ended - began) / max(1e-9, ended - self._ended)
        cached = 1 - computed / requested if requested else 1.0
        done = Pass(rows, results, dropped, step, ended - began, share, cached)
        self._ended = ended
        for observer in self._observers:
            observer(done)
        if callable(say := given.get("log_metric")):
            for name, value in metrics(done, suite).items():
                say(name, value)
        if callable(say := given.get("log_extra")):
            for column, values in table(done).items():
                say(column, values)
        self._losses.count(done.dropped, done.step)
        return done

    def _results(self, rows: Sequence[Sampled]) -> tuple[tuple[Result | None, ...], tuple[str | None, ...]]:
        results: list[Result | None] = [None] * len(rows)
        reasons: list[str | None] = [None] * len(rows)
        revisions, places = [], []
        for index, row in enumerate(rows):
            try:
                record = {**row.record, "completion": row.completion}
                with reading(f"completion {index + 1}"):
                    revisions.append(read_revision(record, format=self.plan.format, number=index + 1))
                places.append(index)
            except RecordError as error:
                reasons[index] = f"its record cannot be read: {error}"
        for index, result in zip(places, self.suite.score(revisions), strict=True):
            results[index] = result
            reasons[index] = why_dropped(result.reward, result.error)
        return tuple(results), tuple(reasons)


class RewardColumn:
    """One reward function as TRL calls it; `component` None is the total."""

    def __init__(self, scorer: Scorer, component: str | None, prefix: str = "") -> None:
        self.scorer = scorer
        self.component = component
        self.__name__ = prefix + (component or "total")  # TRL logs it under this name

    def __call__(
        self, prompts: Sequence[Any] | None = None, completions: Sequence[Any] = (), **given: Any
    ) -> list[float | None]:
        """One value per completion; None where the completion is dropped."""
        check_sizes(prompts, completions)
        return self.scorer.ask(self.component, completions, given)

    def __repr__(self) -> str:
        return f"<reward {self.__name__!r} of suite {self.scorer.suite_name!r}>"


def _check(suite: Suite) -> None:
    if not any(component.weight for component in suite.components):
        raise ConfigError(f"suite {suite.name!r} pays nothing, so there is nothing to learn: give a reward a weight")


def check_sizes(prompts: Sequence[Any] | None, completions: Sequence[Any]) -> None:
    """Raise ConfigError where there are prompts, and not as many as completions."""
    if prompts is not None and len(prompts) != len(completions):
        raise ConfigError(f"{len(prompts)} prompts came with {len(completions)} completions")


def rows_of(completions: Sequence[Any], given: Mapping[str, Any]) -> tuple[Sampled, ...]:
    """The completions, each with the values of the dataset's columns for it. Raises ConfigError where columns do not fit."""
    if given.get("sentences") is None and given.get("argument") is None:
        raise ConfigError(
            "the dataset has neither a column `sentences` nor `argument`: rewards need the original text, and do not"
            " guess it from the prompt. `rewards_train.data.load` makes such a dataset"
        )
    size = len(completions)
    # As lists: a pandas column that was sorted or filtered is indexed by labels, not by places.
    completions = list(completions)
    columns = {name: list(given[name]) for name in (*CARRIED, "split") if given.get(name) is not None}
    for name, values in columns.items():
        if len(values) != size:
            raise ConfigError(f"the dataset column `{name}` has {len(values)} values for {size} completions")
    return tuple(
        Sampled({name: listed(values[i]) for name, values in columns.items()}, completion_text(completions[i]) or "")
        for i in range(size)
    )


def step_of(rows: Sequence[Sampled], state: Any) -> int:
    """The step that a batch belongs to, as in `Pass`, from the trainer's state; 0 where a trainer gives none."""
    if state is None:
        return 0
    held_out = bool(rows) and rows[0].record.get("split") == "eval"
    return int(state.global_step) + (not held_out)


def why_dropped(reward: float | None, error: str | None) -> str | None:
    """Why a completion with this total is dropped; None where it is kept."""
    if reward is None:
        return error or "the suite has no total for it"
    return None if abs(reward) <= FLOAT32 else f"its reward is not a number that a tensor holds: {reward}"
