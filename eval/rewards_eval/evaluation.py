"""Means of metrics with their intervals, computed from the values, for tables and plots."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rewards.paths import as_text
from rewards_eval import formulas, statistics
from rewards_eval.statistics import Draws, interval, resampled_means
from rewards_eval.systems import Common
from rewards_eval.values import References, Values, collect


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its percentile interval and sum of denominators. `value` is None where there is nothing to average."""

    value: float | None
    n: int  # the sum of denominators: a number of arguments or edits
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """Systems, the values of their metrics, and the settings of the bootstrap."""

    common: Common
    values: Values
    draws: Draws

    @cached_property
    def resampled(self) -> statistics.Array:
        """(resamples, systems, metrics): bootstrap means over arguments, with the same draws for every system."""
        return resampled_means(self.values.data, self.draws, self.common.owners)

    def mean(self, system: int, key: str) -> Mean:
        """The mean of a metric; its total is `value * n`. `VARIANT.gm` is computed from three other means."""
        variant, _, name = key.partition(".")
        if name == "gm":
            return self._gm(system, variant)
        if key not in self.values.keys:
            return Mean(None, 0)
        index = self.values.keys.index(key)
        value = statistics.ratio(pairs := self.values.data[system, index])
        limits = interval(self.resampled[:, system, index]) or (None, None)
        return Mean(value, round(float(pairs[:, 1].sum())), *limits)

    def _gm(self, system: int, variant: str) -> Mean:
        """GM of the means over the arguments that have all three values."""
        keys = [f"{variant}.gm.{name}" for name in ("app", "sim", "ppl")]
        if not set(keys) <= set(self.values.keys):
            return Mean(None, 0)
        indices = [self.values.keys.index(key) for key in keys]
        n = round(float(self.values.data[system, indices[0], :, 1].sum()))
        if not n:
            return Mean(None, 0)
        app, sim, ppl = (statistics.ratio(self.values.data[system, index]) or 0.0 for index in indices)
        drawn = self.resampled[:, system, indices]  # (resamples, 3)
        with np.errstate(invalid="ignore", divide="ignore"):
            limits = interval(np.cbrt(np.maximum(0.0, drawn[:, 0] * drawn[:, 1] / drawn[:, 2])))
        return Mean(formulas.gm(app, sim, ppl), n, *(limits or (None, None)))


def evaluate(common: Common, draws: Draws, references: References) -> Evaluation:
    """The evaluation of systems on their common ids, with metrics against human rewrites where there are any."""
    return Evaluation(common, collect(common, references), draws)


def describe_system(common: Common, index: int) -> dict[str, Any]:
    """A system as the report lists it."""
    system = common.systems[index]
    return {
        "name": system.name,
        "file": as_text(system.file),
        "digest": system.digest,
        "dialect": system.dialect,
        "records": len(system.records),
        "scored": len(system.records) - system.failed,
        "failed": system.failed,
        "missing": common.missing[system.name],
        "rejected": system.rejected,
    }
