"""Are the edits valid, are they plain text, do they add numbers, a bare negation or repeated words?"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import rewards
from rewards.text.composing import normalised
from rewards.types import UNSEEN
from rewards_format.negation import only_negates
from rewards_format.repetition import repeated

PARAMS = Path(__file__).parent / "params"
CARD = PARAMS / "card.json"
MARKUP = re.compile(
    r"</?[a-zA-Z!|](?!ttps?:)[^<>]*(?:>|$)"  # tags, comments, special tokens, also those that do not end
    r"|\[/?(?:INST|SYS|SEP|CLS|MASK|PAD|UNK|BOS|EOS)\]"
    r"|\*\*\w[^*]*\w\*\*|__\w[^_]*\w__|~~\w[^~]*~~|`[^`]+`|^#{1,6} |\]\(|\\[a-z]+\{",  # Markdown, LaTeX
    re.MULTILINE,
)
"""Matches HTML tags, special tokens of models, Markdown and LaTeX."""
ENTITY = re.compile(r"&#?\w{2,8};")  # counts as markup where HTML defines it
NUMBER = re.compile(r"\d+")
MARKS = frozenset("°™©®\u00b4\u02bc…")
"""Characters that count as plain text besides letters, digits, punctuation and signs of currency and mathematics."""
SPACES = re.compile(r"\s{3,}")
MARK = re.compile(r"[^\w\s]")
WORD, MARKS_OF_WORD = 40, 8
"""The most characters, and the most punctuation marks, of a word that an edit may add."""
PHONETIC = frozenset([*map(chr, range(0x250, 0x2B0)), "\u0131"])
"""The letters of IPA, some of which look like ordinary letters, and the dotless i."""
JAPANESE = frozenset(["HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "CJK", "IDEOGRAPHIC"])
"""The scripts of Japanese (first words of Unicode names): a sentence with kana may use them all."""


@rewards.reward(name="format", level="global", range=(0, 1), card=CARD)
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


@rewards.reward(
    level="edit", range=(0, 1), threshold=rewards.Threshold.from_card(CARD, "threshold_plain_text"), card=CARD
)
def plain_text(edits: Sequence[rewards.Edit]) -> list[float]:
    """1 where the edit brings in nothing but plain text; 0 where it adds markup, emoji or invisible characters.

    It must not add letters of a non-Latin alphabet that its sentence does not use, or phonetic ones, because look-alikes
    hide words. Nor may it add filler that is few words but many tokens for a model: runs of three spaces, words of more than
    40 characters or with more than 8 punctuation marks. What was in the sentence before may stay.
    """
    return [
        float(_plain(edit.sentence_before, edit.after) and not _stuffed(edit.sentence_before, edit.sentence_after))
        for edit in edits
    ]


def _stuffed(before: str, after: str) -> bool:
    """Whether the edit adds filler: a run of three or more spaces, or a word with too many characters or marks."""
    if any(run not in before for run in SPACES.findall(after)):
        return True
    known = before.split()
    longest = max([WORD, *map(len, known)])
    most = max([MARKS_OF_WORD, *(len(MARK.findall(word)) for word in known)])
    return any(
        (len(word) > longest or len(MARK.findall(word)) > most)
        and all(_alphabet(c) == "LATIN" for c in word if c.isalpha())  # other scripts may be written without spaces
        for word in set(after.split()) - set(known)
    )


def _plain(before: str, after: str) -> bool:
    entities = [each for each in ENTITY.findall(after) if html.unescape(each) != each]
    if any(mark not in before for mark in (*MARKUP.findall(after), *entities)):
        return False
    after = normalised("NFC", after)  # an accent that composes with no letter is judged like any other new character
    added = {c for c in after if not c.isascii() or not c.isprintable()} - set(before) - {"\n", "\t", "\r"}
    if not added:
        return True
    alphabets = {_alphabet(c) for c in before if c.isalpha()} | {"LATIN"}
    if not alphabets.isdisjoint(("HIRAGANA", "KATAKANA")):
        alphabets |= JAPANESE
    return all(_fits(c, alphabets) for c in added)


def _fits(character: str, alphabets: set[str]) -> bool:
    """Whether a new character counts as plain text in a sentence that uses these alphabets."""
    if character in MARKS:
        return True
    category = unicodedata.category(character)
    if character.isalpha():
        # Styled letters (mathematical, full width, small capitals) only look like ordinary ones.
        small = unicodedata.name(character, "").startswith("LATIN LETTER SMALL CAPITAL")
        styled = not unicodedata.is_normalized("NFKC", character) and character not in "ªºµŉ\u0e33\u0eb3"
        return character in "ªºµ" or (
            _alphabet(character) in alphabets and not (styled or small or character in PHONETIC)
        )
    if category in ("Mn", "Mc"):  # vowel signs and the like, which no normalisation composes with their letter
        return _alphabet(character) in alphabets and character not in UNSEEN
    if category in ("Nd", "No"):
        return unicodedata.is_normalized("NFKC", character) or character in "¹²³½¼¾⅓⅔"
    return category in ("Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sc", "Sm", "Zs")


def _alphabet(letter: str) -> str:
    """The alphabet of a letter, by the first word of its name: LATIN, CYRILLIC, FULLWIDTH, MATHEMATICAL and so on."""
    return unicodedata.name(letter, "?").split(" ")[0]


@rewards.reward(
    level="edit",
    range=(0, 1),
    threshold=rewards.Threshold.from_card(CARD, "threshold_no_new_numbers"),
    card=CARD,
)
def no_new_numbers(edits: Sequence[rewards.Edit]) -> list[float]:
    """1 where every number in digits that the sentence has after the edit was in it before; 0 where the edit brings one in.

    A new number is a fact that the author did not state, or filler that reads well in the place of any word.
    """
    return [float(_numbers(edit.sentence_after) <= _numbers(edit.sentence_before)) for edit in edits]


def _numbers(text: str) -> set[str]:
    return set(NUMBER.findall(text))


@rewards.reward(
    level="edit",
    range=(0, 1),
    threshold=rewards.Threshold.from_card(CARD, "threshold_no_bare_negation"),
    card=CARD,
)
def no_bare_negation(edits: Sequence[rewards.Edit]) -> list[float]:
    """0 where the edit only adds or removes a negation ("not", "never", "no" and the like); else 1.

    Such an edit reverses the claim. It reads well, keeps nearly every word, and an insult that is denied looks milder. It may
    also change endings and words that come with a negation ("does", "any"), or deny a whole claim with words around it that
    say nothing else ("I do not believe that …", "It is false that …"). Questions make no claim, so they pass. English only.
    """
    return [float(not only_negates(edit.sentence_before, edit.sentence_after)) for edit in edits]


@rewards.reward(
    level="edit",
    range=(0, 1),
    threshold=rewards.Threshold.from_card(CARD, "threshold_no_repetition"),
    card=CARD,
)
def no_repetition(edits: Sequence[rewards.Edit]) -> list[float]:
    """1 − the share of the sentence's words in runs of three that occur twice or more, and more often than before the edit.

    Repetition that was there before may stay. Models that edit a sentence in several places often repeat themselves: each
    edit reads well, and a judge of grammar accepts both together.
    """
    return [1.0 - repeated(edit.sentence_before, edit.sentence_after) for edit in edits]


@rewards.hookimpl
def register_rewards(register: Callable[[rewards.Reward], None]) -> None:
    """Register all five."""
    register(usable_share)
    register(plain_text)
    register(no_new_numbers)
    register(no_bare_negation)
    register(no_repetition)
