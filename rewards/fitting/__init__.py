"""Fitting rewards to data: what a family offers, the job it gets, and what it hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rewards.contract import Reward
    from rewards.engine.engine import Engine


@dataclass(frozen=True, slots=True)
class Job:
    """What a fit gets: files to read, a folder to write its parameters to, an engine for features, the seed.

    `say` takes a line of progress. The card that `fit` returns is written by the caller, with the data's digests, the
    date and the versions added.
    """

    files: Sequence[Path]
    out: Path
    engine: Engine
    seed: int
    say: Callable[[str], None] = field(default=lambda _: None)


@dataclass(frozen=True, slots=True)
class Fitter:
    """How a reward is fitted and loaded again.

    `fit(job, **options)` writes safetensors to `job.out` and returns the card; its keyword-only parameters are the
    options of `rewards fit NAME --set OPTION=VALUE`. `load(folder)` gives the reward with the parameters and the card of
    that folder.
    """

    fit: Callable[..., Mapping[str, Any]]
    load: Callable[[Path], Reward]
