"""How many of its gates did each edit pass: partial credit where acceptance is all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import rewards


@rewards.reward(level="global", range=(0, 1))
def edit_quality(arguments: Sequence[rewards.Argument]) -> list[float | None]:
    """Mean over the edits of the share of the suite's gates that each passes; an invalid edit passes none.

    0 for an argument without edits; not applicable in a suite without gates. The dense local term of arXiv 2604.12770.
    """
    return [_quality(argument) for argument in arguments]


def _quality(argument: rewards.Argument) -> float | None:
    if not argument.passes:
        return 0.0
    if not argument.passes[0]:
        return None
    shares = [sum(passed.values()) / len(passed) for passed in argument.passes]
    return sum(shares) / len(shares)


@rewards.hookimpl
def register_rewards(register: Callable[[rewards.Reward], None]) -> None:
    """Register the reward."""
    register(edit_quality)
