"""The known failures on the cards: every reward states three, and each is what the reward says."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rewards.contract import Reward
from rewards.plugins import registry
from rewards.records import read_revision
from rewards.suite import suite_of

OWN = [reward for _, reward, origin in registry().rewards if origin.distribution == "appropriateness-rewards"]


def failures(reward: Reward) -> list[dict[str, Any]]:
    return [one for one in reward.card.get("limits", {}).get("failures", []) if one["reward"] == reward.name]


def check(reward: Reward) -> None:
    """A failure that has been mended, or a figure that was only guessed, has no place on a card."""
    for one in failures(reward):
        gates = one.get("gates", [])  # of a reward that counts what the gates say
        suite = suite_of([reward.name, *gates], settings={gate: {"gate": True} for gate in gates})
        record = {"issue": one["issue"], "argument": one["before"], "rewrite": one["after"]}
        (result,) = suite.score([read_revision(record)])
        assert result.rewards[reward.name] == pytest.approx(one["value"], abs=0.03), one


def test_every_reward_says_what_it_does_not_measure_and_where_it_fails() -> None:
    stated = {reward.name: (len(reward.card["limits"]["limits"]), len(failures(reward))) for reward in OWN}
    assert len(stated) >= 15
    assert [name for name, (limits, known) in stated.items() if not limits or known < 3] == []


def test_limits_hold_where_the_tables_of_their_card_do_not_stand_beside_them() -> None:
    texts = [text for reward in OWN for text in reward.card["limits"]["limits"]]
    dangling = re.compile(r"\(below|\(above|the tables? (?!on the reward's card)|of the table,")
    assert [text for text in texts if dangling.search(text)] == []


@pytest.mark.parametrize("reward", [one for one in OWN if not one.models], ids=lambda one: one.name)
def test_failures_without_a_model_are_real(reward: Reward) -> None:
    check(reward)


@pytest.mark.models
@pytest.mark.usefixtures("embedded_models")
@pytest.mark.parametrize("reward", [one for one in OWN if one.models], ids=lambda one: one.name)
def test_failures_of_a_model_are_real(reward: Reward) -> None:
    check(reward)
