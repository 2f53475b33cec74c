"""Fitting rewards to data: the Fitter that a family offers, and the Job that it gets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewards.errors import ModelError
from rewards.features import Failure, Request

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rewards.contract import Reward
    from rewards.engine.engine import Engine
    from rewards.fitting.rows import Row
    from rewards.fitting.unseen import Unseen

REPORT_EVERY = 20.0  # seconds between two lines of progress


@dataclass(frozen=True, slots=True)
class Job:
    """What a fit gets: files to read, a folder to write its parameters to, an engine for features, the seed.

    `say` takes a line of progress. The card that `fit` returns is written by the caller, with the data's digests, the
    date and the versions added. Read the data with `rows()`: it leaves out what must stay `unseen`.
    """

    files: Sequence[Path]
    out: Path
    engine: Engine
    seed: int
    say: Callable[[str], None] = field(default=lambda _: None)
    unseen: Unseen | None = None

    def rows(self) -> Iterator[Row]:
        """Every row of the files that shares no eight words in a row with the `unseen` texts; reports how many are left out.

        Where the fit reads splits, the rows of the unseen file itself are not left out: the fit holds out its test rows.
        Raises ConfigError at the first line that is not a JSON object.
        """
        from rewards.fitting.rows import read_rows

        total = left_out = 0
        for row in read_rows(self.files):
            total += 1
            if self.unseen and self.unseen.holds(row):
                left_out += 1
            else:
                yield row
        if self.unseen:
            self.say(f"{left_out:,} of {total:,} rows share words with {self.unseen.file} and are left out")

    def features(self, requests: Sequence[Request]) -> list[NDArray[Any]]:
        """The feature of each request. Raises ModelError where a model failed on one: none may be left out."""
        before, self.engine.progress = self.engine.progress, self._counted(len(set(requests)))
        try:
            found = self.engine.compute(requests)
        finally:
            self.engine.progress = before
        arrays: list[NDArray[Any]] = []
        for request in requests:
            feature = found[request]
            if isinstance(feature, Failure):
                raise ModelError(f"a model failed on {request.text[:60]!r}: {feature.reason}")
            arrays.append(feature)
        return arrays

    def _counted(self, total: int) -> Callable[[int], None]:
        """A callback for the engine's progress, which adds up the texts and reports their sum every REPORT_EVERY seconds."""
        done, reported = 0, time.monotonic()

        def read(texts: int) -> None:
            nonlocal done, reported
            done += texts
            if time.monotonic() - reported > REPORT_EVERY:
                reported = time.monotonic()
                self.say(f"{done:,} of {total:,} texts read")

        return read


@dataclass(frozen=True, slots=True)
class Fitter:
    """How a reward is fitted and loaded again.

    `fit(job, **options)` writes safetensors to `job.out` and returns the card; its keyword-only parameters are the
    options of `rewards fit NAME --set OPTION=VALUE`. `load(folder)` gives the reward with the parameters and the card of
    that folder. `any_models`: the fit may use models of another profile or ones that the user names; a fit that only
    calibrates a threshold can.
    """

    fit: Callable[..., Mapping[str, Any]]
    load: Callable[[Path], Reward]
    any_models: bool = False
