"""Declaring a reward, its arguments, and the check of what it returns."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest

import rewards
from rewards.contract import to_scores
from rewards.errors import ConfigError, PluginError


@rewards.reward(level="edit", range=(0, 1), threshold=0.5)
def brevity(
    edits: list[rewards.Edit], *, factor: float = 1.0, unit: Literal["words", "characters"] = "words"
) -> list[float]:
    """1 where the edit makes its sentence shorter.

    More text.
    """
    return [float(len(e.sentence_after) * factor < len(e.sentence_before)) for e in edits]


def test_a_declared_reward_is_still_a_function() -> None:
    edit = rewards.Edit(1, "long", "s", None, "long", "s", 0, 4)
    assert brevity([edit]) == [1.0]
    assert brevity.summary == "1 where the edit makes its sentence shorter."
    assert {t.value for t in brevity.thresholds.values()} == {0.5}


def test_arguments_are_typed_and_defaults_filled_in() -> None:
    assert brevity.parse_arguments({"factor": "0.5"}) == {"factor": 0.5, "unit": "words"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"facter": 1}, r"no argument 'facter' \(did you mean 'factor'\?\)"),
        ({"factor": "long"}, "argument 'factor'.*valid number"),
        ({"factor": math.nan}, "argument 'factor'.*finite"),
        ({"unit": "bytes"}, "argument 'unit'.*'words' or 'characters'"),
    ],
)
def test_wrong_arguments_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        brevity.parse_arguments(given)


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ({"level": "word", "range": (0, 1)}, "level is 'word'"),
        ({"level": "edit", "range": (1, 0)}, "range is"),
        ({"level": "edit", "range": (0, 1), "name": "no spaces"}, "Python identifier"),
    ],
)
def test_a_declaration_that_does_not_hold_together(declaration: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        rewards.reward(**{"name": "x", **declaration})(lambda edits: [])


def test_keywords_that_would_swallow_misspellings_are_refused() -> None:
    with pytest.raises(PluginError, match="misspelt"):

        @rewards.reward(level="edit", range=(0, 1))
        def loose(edits: list[rewards.Edit], **options: int) -> list[float]:
            return []


def test_an_argument_without_a_type_is_refused_by_name() -> None:
    @rewards.reward(level="edit", range=(0, 1))
    def untyped(edits, *, factor=1):
        return []

    with pytest.raises(PluginError, match="'factor' has no type"):
        untyped.parse_arguments({})


def test_values_are_checked_one_by_one() -> None:
    returned = [0.5, None, math.nan, math.inf, 1.5, "x", True, np.float32(0.25), 1.00001, rewards.Score(None, "why")]
    scores = to_scores(brevity, returned, len(returned))
    assert [score.value for score in scores] == [0.5, None, None, None, None, None, 1.0, 0.25, 1.0, None]
    assert [bool(score.failed) for score in scores] == [False, False, True, True, True, True, False, False, False, True]
    assert "outside its range [0.0, 1.0]" in (scores[4].failed or "")


def test_arrays_are_lists() -> None:
    assert [s.value for s in to_scores(brevity, np.array([0.0, 1.0], np.float32), 2)] == [0.0, 1.0]


@pytest.mark.parametrize("returned", [[0.5], "ab", {"a": 1, "b": 2}, 0.5, None])
def test_anything_but_one_value_per_unit_is_an_error_of_the_plugin(returned: Any) -> None:
    with pytest.raises(PluginError, match="brevity"):
        to_scores(brevity, returned, 2)
