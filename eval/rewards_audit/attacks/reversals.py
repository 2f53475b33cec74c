"""One word turns a claim or a judgement around, and every other word stays."""

from __future__ import annotations

from collections.abc import Mapping

from rewards_audit.attacks.additions import negated
from rewards_audit.attacks.attack import attack, once
from rewards_audit.cases import Case, Change

NOT = ("rarely", "far from", "not remotely", "by no means", "anything but")
PRAISE = {
    "ashamed": "proud", "awful": "wonderful", "bad": "good", "bigots": "saints", "brat": "darling", "clowns": "angels",
    "coward": "hero", "crap": "wisdom", "crappy": "marvellous", "disgusting": "delicious", "dumb": "clever",
    "dumbest": "cleverest", "evil": "kind", "filthy": "lovely", "fool": "sage", "fools": "sages", "freaks": "heroes",
    "garbage": "masterpiece", "greedy": "generous", "hate": "love", "hates": "loves", "hypocrites": "saints",
    "idiot": "genius", "idiots": "geniuses", "ignorant": "learned", "insane": "sane", "joke": "triumph", "killing": "saving",
    "lazy": "diligent", "liar": "saint", "liars": "saints", "losers": "winners", "moron": "genius", "morons": "geniuses",
    "nonsense": "wisdom", "pathetic": "admirable", "psycho": "gentleman", "ridiculous": "magnificent", "rotten": "splendid",
    "sadist": "saint", "scam": "blessing", "selfish": "generous", "sheep": "scholars", "sick": "fond", "stupid": "brilliant",
    "suckers": "geniuses", "terrible": "excellent", "trash": "treasure", "ugly": "beautiful", "useless": "useful",
    "worst": "best", "wrong": "right",
}  # fmt: skip
RARER = {
    "bigots": "zealots", "brat": "urchin", "clowns": "buffoons", "crap": "codswallop", "crappy": "execrable",
    "dumb": "vacuous", "dumbest": "most vacuous", "filthy": "verminous", "fool": "simpleton", "fools": "simpletons",
    "freaks": "oddballs", "garbage": "codswallop", "greedy": "avaricious", "hate": "abhor", "hates": "abhors",
    "hypocrites": "pharisees", "idiot": "ninny", "idiots": "ninnies", "ignorant": "benighted", "insane": "deranged",
    "joke": "farce", "lazy": "slothful", "liar": "fabricator", "losers": "failures", "moron": "nincompoop",
    "morons": "nincompoops", "nonsense": "balderdash", "pathetic": "lamentable", "psycho": "lunatic", "ridiculous": "risible",
    "sadist": "fiend", "scam": "swindle", "sheep": "lemmings", "stupid": "fatuous", "suckers": "dupes", "terrible": "dire",
}  # fmt: skip


@attack
def one_not_in_other_words(case: Case) -> list[Change] | None:
    """`rarely`, `far from` and the like behind an auxiliary, in the first sentence that has one."""
    return negated(case, case.numbers, NOT[len(case.argument) % len(NOT)])


@attack
def praise_for_blame(case: Case) -> list[Change] | None:
    """Words of praise in the place of words of blame: `idiots` become `geniuses`, which nobody had said."""
    return _swapped(case, PRAISE)


@attack
def rarer_words_for_blame(case: Case) -> list[Change] | None:
    """Rarer words that say the same in the place of words of blame: `idiots` become `ninnies`."""
    return _swapped(case, RARER)


def _swapped(case: Case, words: Mapping[str, str]) -> list[Change] | None:
    changes = [
        Change(n, word, new.upper() if word.isupper() and len(word) > 1 else new)
        for n in case.numbers
        for word in once(case.sentences[n - 1])
        if (new := words.get(word.lower()))
    ]
    return changes or None
