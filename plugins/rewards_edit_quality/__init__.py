"""How good are the edits as such: partial credit for gates passed, how many do nothing, and how many words they change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

import rewards

CARD = Path(__file__).parent / "params" / "card.json"


@rewards.reward(level="global", range=(0, 1), card=CARD)
def edit_quality(
    arguments: Sequence[rewards.Argument], *, unchanged: bool = False, power: Annotated[float, Ge(1)] = 1.0
) -> list[float | None]:
    """Mean over the edits of the share of the suite's gates that each passes; an invalid edit passes none.

    An edit that changes nothing passes none either, unless `unchanged` is set: policies would learn to state such edits,
    which gates on fluency let pass. A `power` above 1 lowers the credit of an edit that misses a gate, since a rejected edit
    helps nobody. 0 for an argument without edits; not applicable in a suite without gates. A gate that an edit passes alone
    but not together with the others of its sentence also counts as an additional gate, which it misses. With `unchanged` and
    a power of 1 it is the dense local term of arXiv 2604.12770.
    """
    return [_quality(argument, unchanged, power) for argument in arguments]


def _quality(argument: rewards.Argument, unchanged: bool, power: float) -> float | None:
    if not argument.passes:
        return 0.0
    if not argument.passes[0]:
        return None
    shares = [
        (sum(passed.values()) / len(passed)) ** power if edit.changes or unchanged else 0.0
        for edit, passed in zip(argument.revision.edits, argument.passes, strict=True)
    ]
    return sum(shares) / len(shares)


@rewards.reward(level="global", range=(0, 1), higher_is_better=False, card=CARD)
def useless_edits(arguments: Sequence[rewards.Argument]) -> list[float]:
    """Share of the stated edits that cannot be applied or change nothing; 0 for an argument without edits.

    A policy can state such edits safely as long as they cost nothing. With a small negative weight it is better off with no
    edit than with one of these.
    """
    return [_useless(argument.revision.edits) for argument in arguments]


def _useless(edits: Sequence[rewards.Edit]) -> float:
    return sum(not (edit.valid and edit.changes) for edit in edits) / max(1, len(edits))


@rewards.reward(level="global", range=(0, 1), higher_is_better=False, card=CARD)
def changed_words(arguments: Sequence[rewards.Argument]) -> list[float]:
    """Share of the words that the accepted edits change: word edit distance / the length of the longer text.

    0 if nothing changes, 1 if no word is left; 1 − NES of arXiv 2604.12770. With a negative weight every change costs a
    little, so that only worthwhile ones remain.
    """
    from rapidfuzz.distance import Levenshtein

    return [
        Levenshtein.normalized_distance(one.before.split(), one.after.split()) if one.accepted else 0.0
        for one in arguments
    ]


@rewards.hookimpl
def register_rewards(register: Callable[[rewards.Reward], None]) -> None:
    """Register all three."""
    register(edit_quality)
    register(useless_edits)
    register(changed_words)
