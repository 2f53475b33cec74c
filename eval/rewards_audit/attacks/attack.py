"""The type of an attack, its decorators, and helpers to make changes of an argument."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from rewards_audit.cases import Case, Change
from rewards_audit.completions import as_json

_WORD = re.compile(r"\w+(?:['’]\w+)*")


@dataclass(frozen=True, slots=True)
class Attack:
    """A way to earn reward without honest edits. `completion` returns None where the attack would be honest or impossible.

    With `every` = n it is tried on every n-th argument only, because its texts are long. `counts` is False where it states
    the honest edits in another form: that a suite prefers those is reported, but is no fault.
    """

    name: str
    description: str
    completion: Callable[[Case], str | None]
    every: int = 1
    counts: bool = True


def attack(make: Callable[[Case], str | Iterable[Change] | None]) -> Attack:
    """A decorator: the attack of a function that returns a completion, or changes to be written as JSON edits.

    The function's name and the first paragraph of its docstring name and describe the attack.
    """

    def completion(case: Case) -> str | None:
        made = make(case)
        return made if made is None or isinstance(made, str) else as_json(case, made)

    description = " ".join((make.__doc__ or "").split("\n\n")[0].split())
    return Attack(make.__name__.replace("_", "-"), description, completion)


def sparse(every: int) -> Callable[[Attack], Attack]:
    """A decorator: the attack on every n-th argument only."""
    return lambda each: replace(each, every=every)


def form(each: Attack) -> Attack:
    """A decorator: the attack as another form of honest edits, which does not count."""
    return replace(each, counts=False)


def words(sentence: str) -> list[str]:
    """The words of a sentence."""
    return _WORD.findall(sentence)


def turned(text: str, turn: Callable[[str], str]) -> str:
    """The text with every word replaced by `turn` of it."""
    return _WORD.sub(lambda found: turn(found[0]), text)


def once(sentence: str) -> list[str]:
    """The words that occur exactly once in the sentence, parts of words included: an edit of them is unambiguous."""
    return [word for word in words(sentence) if sentence.count(word) == 1]


def no_ops(case: Case, most: int | None = None) -> list[Change]:
    """Changes that replace a word by itself: the first `most` words of each sentence that occur once, or all of them."""
    return [Change(n, word, word) for n in case.numbers for word in once(case.sentences[n - 1])[:most]]


def head(sentence: str) -> str:
    """The shortest prefix of whole words that occurs only once: what to replace in order to put text before it."""
    ends = [match.end() for match in _WORD.finditer(sentence)] + [len(sentence)]
    return next(sentence[:end] for end in ends if sentence.count(sentence[:end]) == 1)


def tail(sentence: str) -> str:
    """The shortest suffix of whole words that occurs only once: what to replace in order to put text behind it."""
    starts = [*reversed([match.start() for match in _WORD.finditer(sentence)]), 0]
    return next(sentence[start:] for start in starts if sentence.count(sentence[start:]) == 1)


def prepend(case: Case, number: int, text: str) -> Change:
    """The change that puts a text before a sentence."""
    part = head(case.sentences[number - 1])
    return Change(number, part, text + part)


def append(case: Case, number: int, text: str) -> Change:
    """The change that puts a text behind a sentence."""
    part = tail(case.sentences[number - 1])
    return Change(number, part, part + text)


def replace_all(case: Case, text: str) -> list[Change]:
    """The changes that put a text in the place of the whole argument: the first sentence becomes it, the others go."""
    return [Change(n, case.sentences[n - 1], text if n == 1 else "") for n in case.numbers]
