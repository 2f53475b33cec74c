"""Rewards for edited text: declare them, score revisions with them, train and evaluate on the same numbers.

Importing this package loads no model library; names resolve on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rewards import features as features
    from rewards.contract import Reward, Threshold, reward
    from rewards.engine.engine import Engine
    from rewards.errors import RewardsError
    from rewards.hookspecs import hookimpl
    from rewards.records import read_revision
    from rewards.result import Judgement, Result
    from rewards.suite import Suite, load_suite, suite_of
    from rewards.types import Argument, Edit, Revision, Score, Sentence

_HOMES = {
    "Argument": "rewards.types",
    "Edit": "rewards.types",
    "Engine": "rewards.engine.engine",
    "Judgement": "rewards.result",
    "Result": "rewards.result",
    "Revision": "rewards.types",
    "Reward": "rewards.contract",
    "RewardsError": "rewards.errors",
    "Score": "rewards.types",
    "Sentence": "rewards.types",
    "Suite": "rewards.suite",
    "Threshold": "rewards.contract",
    "hookimpl": "rewards.hookspecs",
    "load_suite": "rewards.suite",
    "read_revision": "rewards.records",
    "reward": "rewards.contract",
    "suite_of": "rewards.suite",
}
_FEATURES = ("ClassProbabilities", "Embedding", "HiddenState", "TokenEmbeddings", "TokenLogProbs")
"""Names in `rewards.features`: for the error where somebody looks for one here."""

__all__ = [
    "Argument",
    "Edit",
    "Engine",
    "Judgement",
    "Result",
    "Revision",
    "Reward",
    "RewardsError",
    "Score",
    "Sentence",
    "Suite",
    "Threshold",
    "hookimpl",
    "load_suite",
    "read_revision",
    "reward",
    "suite_of",
]


if not TYPE_CHECKING:  # with this `__getattr__`, a type checker would accept any misspelt name

    def __getattr__(name: str) -> Any:
        if name == "features":  # a module of its own, for authors of rewards
            return importlib.import_module("rewards.features")
        if name not in _HOMES:
            from rewards.errors import nearest

            near = nearest(name, [*__all__, "features", *_FEATURES])
            for feature in _FEATURES:
                near = near.replace(repr(feature), repr(f"features.{feature}"))
            raise AttributeError(f"module 'rewards' has no attribute {name!r}{near}")
        return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "features"])
