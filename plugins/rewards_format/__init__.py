"""Did the completion say its edits in a form that can be used?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import rewards


@rewards.reward(name="format", level="global", range=(0, 1))
def usable_share(arguments: Sequence[rewards.Argument]) -> list[float]:
    """Share of the stated edits that are valid; half of that where the completion could not be read in full.

    1 for a completion that was read in full and proposes no edits; 0 for one from which no edit could be read.
    """
    return [_share(argument.revision) for argument in arguments]


def _share(revision: rewards.Revision) -> float:
    if not revision.edits:
        return float(revision.problem is None)
    share = sum(edit.valid for edit in revision.edits) / len(revision.edits)
    return share if revision.problem is None else share / 2


@rewards.hookimpl
def register_rewards(register: Callable[[rewards.Reward], None]) -> None:
    """Register the reward."""
    register(usable_share)
