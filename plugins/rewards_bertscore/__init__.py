"""How much of the original wording's meaning does the edited argument keep, and how much does it lose, token by token?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rewards
from rewards.features import TokenEmbeddings
from rewards.models.catalog import BERTSCORE, ENCODER
from rewards.models.specs import Model
from rewards.text.matching import match, match_f1

CARD = Path(__file__).parent / "params" / "card.json"


def tokens(model: Model) -> Callable[[rewards.Argument], tuple[TokenEmbeddings, TokenEmbeddings]]:
    """The `reads` of a reward: token vectors of the argument before and after its accepted edits."""
    return lambda argument: (TokenEmbeddings(argument.before, model), TokenEmbeddings(argument.after, model))


@rewards.reward(level="global", range=(-1, 1), reads=tokens(BERTSCORE), models=(BERTSCORE,), card=CARD)
def bertscore(arguments: Sequence[rewards.Argument], before: Any, after: Any) -> list[float]:
    """BERTScore F1 of the argument after its accepted edits against the original.

    Greedy matching of unit-length token vectors, (T, D) each, without idf weights and without rescaling (Zhang et al.,
    ICLR 2020), so values lie higher than those of tables that rescale. 0 where one of the two texts is empty. Texts
    beyond the encoder's limit are compared up to it.
    """
    return [match_f1(a, b) for a, b in zip(after, before, strict=True)]


@rewards.reward(
    level="global", range=(0, 1), higher_is_better=False, reads=tokens(ENCODER), models=(ENCODER,), card=CARD
)
def lost_content(arguments: Sequence[rewards.Argument], before: Any, after: Any) -> list[float]:
    """Share of the original's meaning that the argument loses by its accepted edits.

    1 − BERTScore recall: token vectors (T, D) of the original, each matched with the nearest of the edited argument. 0
    where nothing is lost, so what is added costs nothing; 1 where nothing is left. Texts beyond the encoder's limit are
    compared up to it.
    """
    return [
        0.0 if one.after == one.before else min(max(1.0 - match(a, b)[1], 0.0), 1.0)
        for one, a, b in zip(arguments, after, before, strict=True)
    ]


@rewards.hookimpl
def register_rewards(register: Callable[[rewards.Reward], None]) -> None:
    """Register both."""
    register(bertscore)
    register(lost_content)
