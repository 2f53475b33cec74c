"""Rules that make a sentence disfluent, and rules that tone it down and leave it fluent."""

from __future__ import annotations

import re
from random import Random

PREPOSITIONS = ("of", "to", "in", "for", "on", "with", "at", "by", "from", "about")
# fmt: off
FUNCTION_WORDS = frozenset((
    "a", "an", "the", "is", "are", "was", "were", "be", "been", "am", "do", "does", "did", "has", "have", "had", "will",
    "would", "can", "could", "not", "it", "they", "he", "she", "we", "i", "you", "that", "which", "who", "to", "of", "in",
    "for", "on", "with", "at", "by", "from", "and", "or", "but", "if", "because", "than", "as", "their", "his", "her",
    "its", "our", "my",
))
SWAPS = {"is": "are", "are": "is", "was": "were", "were": "was", "has": "have", "have": "has", "does": "do", "do": "does",
         "they": "them", "he": "him", "she": "her", "we": "us", "i": "me", "a": "an", "an": "a", "this": "these",
         "these": "this", "their": "there", "than": "then", "to": "too"}
MIXED_UP = ("their there they're", "its it's", "your you're", "than then", "to too two", "affect effect", "lose loose",
            "advice advise", "quite quiet", "who which", "much many", "less fewer", "whose who's", "were where", "of off",
            "this these", "that those", "everyday daily", "by buy", "fell feel", "live life", "leave live", "thing think")
VERBS = ("be been being is are was were", "have has had having", "do does did done doing", "go goes went gone going",
         "make makes made making", "take takes took taken taking", "get gets got getting", "give gives gave given giving",
         "see sees saw seen seeing", "know knows knew known knowing", "think thinks thought thinking",
         "say says said saying", "come comes came coming", "become becomes became becoming", "find finds found finding",
         "write writes wrote written writing", "feel feels felt feeling", "choose chooses chose chosen choosing",
         "grow grows grew grown growing", "lose loses lost losing", "mean means meant meaning", "can could", "will would")
ENDINGS = ("ance ant", "ence ent", "tion ting ted te", "ity al", "ness ful", "able ably", "ly", "er est", "ive ion", "ous")
# fmt: on
FORMS = {
    word: [other for other in group.split() if other != word] for group in (*MIXED_UP, *VERBS) for word in group.split()
}
NEEDLESS = ("the", "a", "of", "to", "more", "that", "is", "very", "it", "for", "and", "are", "which", "have")
STRAY = ("|", "-", "/", "x", "...", "etc", "n/a", "issue", "words", "thing", "same", "other")


def corrupt(sentence: str, rng: Random) -> str:
    """The sentence with one or two faults of word order, form or completeness; never the sentence itself."""
    words = sentence.split()
    for _ in range(1 if rng.random() < 0.7 else 2):
        words = rng.choice(_FAULTS)(words, rng)
    text = " ".join(words)
    return text if text != " ".join(sentence.split()) else " ".join(_repeat(words, rng))


def left_over(sentence: str, rng: Random) -> str:
    """The sentence as after an edit whose span is off by a space, a mark or a capital; may be unchanged.

    The faults: its beginning or end cut off but not the space there, an additional space, a lower-case first letter, two
    marks in a row, a mark in the middle.
    """
    words = sentence.split()
    cut = rng.randint(1, max(1, min(4, len(words) - 2)))
    end, mark = rng.choice((" ", " ", "")), rng.choice((".", ".", ",", "!", "?"))
    k = rng.randint(1, max(1, len(words) - 2))
    return rng.choice(
        (
            f" {' '.join(words[cut:])}",
            f"{' '.join(words[:-cut])}{end or f' {mark}'}",
            rng.choice((f" {sentence}", f"{sentence} ")),
            sentence[:1].lower() + sentence[1:],
            re.sub(
                r"(?<=\w)([.!?,]?)$", lambda m: rng.choice((f"{m[1] or '.'}{mark}", f"{m[1] or '.'} {mark}")), sentence
            ),
            " ".join([*words[: k - 1], f"{words[k - 1]}{rng.choice('..;!')}" if words else "", *words[k:]]),
        )
    )


def spaced_out(sentence: str) -> str:
    """The sentence in the style of tokenized corpora: "do n't stop , please ."."""
    return re.sub(
        r"(\w)(n['’]t|['’](?:s|re|ve|ll|d|m))\b", r"\1 \2", re.sub(r" ?([.,!?;:()\"])(?=\s|$)", r" \1", sentence)
    )


def tone_down(sentence: str, rng: Random) -> str:
    """The sentence after one or two of the changes that tone an argument down and keep its grammar; may be unchanged."""
    found = [change for change in _CALM if re.search(change[0], sentence)]
    for pattern, replacement in rng.sample(found, min(len(found), rng.randint(1, 2))):
        sentence = re.sub(pattern, replacement, sentence, count=1)
    sentence = re.sub(r"^(?:I think that|In my opinion,) [A-Z]", lambda m: m[0][:-1] + m[0][-1].lower(), sentence)
    return sentence[:1].upper() + sentence[1:] if rng.random() < 0.7 else sentence


_CALM = (
    (r"^(?:Well|So|Actually|Honestly|Obviously|Clearly|Seriously|Sorry|Yes|No|And|But),? (?=\w)", ""),
    (
        r"(?i) (?:very|really|totally|absolutely|completely|simply|extremely|obviously|clearly|definitely)\b(?! ?[.,!?])",
        "",
    ),
    (r"\b(do|does|did|is|are|was|were|has|have|had|would|could|should)n['’]t\b", r"\1 not"),
    (r"\bcan['’]t\b", "cannot"),
    (r"\bwon['’]t\b", "will not"),
    (r"\b(\w+) not\b(?= \w+ing\b)", r"\1n't"),
    (r"\b([Ii]t|[Tt]hat|[Hh]e|[Ss]he)['’]s\b(?= (?:a|the|not)\b)", r"\1 is"),
    (r"\b([Tt]hey|[Ww]e|[Yy]ou)['’]re\b", r"\1 are"),
    (r"\bi\b", "I"),
    (r"[!?.]{2,}$", "."),
    (r"!$", "."),
    (r"(?<=\w)$", "."),
    (r"\bwill\b(?! not)", "may"),
    (r"\bmust\b", "should"),
    (r"\balways\b", "often"),
    (r"\bnever\b", "rarely"),
    (r"\b[Ee]veryone\b(?! \w+s\b)", "everybody"),
    (r"\ba bunch of\b", "a group of"),
    (r"\b(?:idiots|morons|losers|fools|clowns)\b", "people"),
    (r"\ban (?:idiot|ignoramus)\b", "a misguided person"),
    (r"\ba (?:moron|loser|fool|liar|clown|hypocrite|coward)\b", "a person who is mistaken"),
    (r"\b(?:stupid|dumb|silly)\b", "misguided"),
    (r"\b(?:ridiculous|pathetic|ludicrous)\b", "disappointing"),
    (r"\b(?:crap|garbage|rubbish|nonsense|bullshit)\b", "misinformation"),
    (r"\bstupidity\b", "lack of judgement"),
    (r"\bhate\b", "dislike"),
    (r"\b(?:damn|freaking|bloody) (?=\w)", ""),
    (r", (?:but|because|and|so|which|although|unless) [^,]{12,}[.!?]$", "."),
    (r"^(?=(?:The|This|That|They|He|She|It|We|You) )", "I think that "),
    (r"^(?=(?:The|This|These|Those|There|My|Our) )", "In my opinion, "),
)


def _drop_function_word(words: list[str], rng: Random) -> list[str]:
    places = [k for k, word in enumerate(words) if word.lower() in FUNCTION_WORDS]
    k = rng.choice(places) if places else rng.randrange(max(1, len(words)))
    return words[:k] + words[k + 1 :]


def _drop_span(words: list[str], rng: Random) -> list[str]:
    size = rng.randint(2, max(2, min(8, len(words) // 2)))
    k = rng.randrange(max(1, len(words) - size))
    return words[:k] + words[k + size :]


def _misspell(words: list[str], rng: Random) -> list[str]:
    """Drops, doubles or transposes a letter in one or two words."""
    places = [k for k, word in enumerate(words) if sum(letter.isalpha() for letter in word) > 3]
    words = list(words)
    for place in rng.sample(places, min(len(places), rng.randint(1, 2))):
        word = words[place]
        k = rng.randrange(1, len(word) - 1)
        words[place] = rng.choice(
            (
                word[:k] + word[k + 1 :],
                word[:k] + word[k] + word[k:],
                word[: k - 1] + word[k] + word[k - 1] + word[k + 1 :],
            )
        )
    return words


def _swap(words: list[str], rng: Random) -> list[str]:
    k, step = rng.randrange(max(1, len(words) - 2)), rng.randint(1, 2)
    return words[:k] + words[k + step : k + step + 1] + words[k : k + step] + words[k + step + 1 :]


def _repeat(words: list[str], rng: Random) -> list[str]:
    """Repeats one to four words, at once or a few words later, like a paraphrase that left the original in place."""
    k, size = rng.randrange(max(1, len(words) - 1)), rng.randint(1, 4)
    gap = rng.choice((0, 0, 1, 2))
    return words[: k + size + gap] + words[k : k + size] + words[k + size + gap :]


def _inflect(words: list[str], rng: Random) -> list[str]:
    places = [k for k, word in enumerate(words) if word.lower() in SWAPS or (word.isalpha() and len(word) > 4)]
    if not places:
        return _swap(words, rng)
    k = rng.choice(places)
    word = words[k]
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending):
            new = word[: -len(ending)] + rng.choice([e for e in ("", "ing", "ed") if e != ending])
            break
    else:
        new = word + rng.choice(("s", "ing", "ed"))
    return [*words[:k], SWAPS.get(word.lower(), new), *words[k + 1 :]]


def _preposition(words: list[str], rng: Random) -> list[str]:
    places = [k for k, word in enumerate(words) if word.lower() in PREPOSITIONS]
    k = rng.choice(places) if places else rng.randrange(max(1, len(words)))
    return [*words[:k], rng.choice(PREPOSITIONS), *words[k + bool(places) :]]


def _truncate(words: list[str], rng: Random) -> list[str]:
    return words[: rng.randint(1, max(1, len(words) - 2))]


def _behead(words: list[str], rng: Random) -> list[str]:
    return words[rng.randint(1, max(1, len(words) // 2)) :]


def _fragment(words: list[str], rng: Random) -> list[str]:
    """Replaces a span by words from elsewhere in the sentence, which then occur twice."""
    k, size, other = rng.randrange(len(words) or 1), rng.randint(1, 5), rng.randrange(len(words) or 1)
    return words[:k] + words[other : other + rng.randint(2, 6)] + words[k + size :]


def _stray(words: list[str], rng: Random) -> list[str]:
    """Puts a number, a mark or some word in the place of one or two words, or between words."""
    k = rng.randrange(len(words) or 1)
    numbers = (str(rng.randint(1, 9)), str(rng.randint(1, 9)), str(rng.randint(10, 2030)))
    found = rng.choice((*numbers, rng.choice(STRAY), rng.choice(words or ["a"])))
    lost = rng.choice((0, 1, 1, 1, 2))
    end = re.search(r"[.,!?;:]*$", words[k + lost - 1]) if lost and k + lost <= len(words) else None
    return [*words[:k], found + (end[0] if end else ""), *words[k + lost :]]


def _wrong_form(words: list[str], rng: Random) -> list[str]:
    """Replaces a word by another form of the same verb, or by one that writers confuse with it."""
    places = [k for k, word in enumerate(words) if word.lower() in FORMS]
    if not places:
        return _inflect(words, rng)
    k = rng.choice(places)
    return [*words[:k], rng.choice(FORMS[words[k].lower()]), *words[k + 1 :]]


def _wrong_ending(words: list[str], rng: Random) -> list[str]:
    """Turns a word into one of another class by its ending: `important` for `importance`."""
    places = [
        (k, ending, group.split())
        for k, word in enumerate(words)
        for group in ENDINGS
        for ending in group.split()
        if len(word) > len(ending) + 3 and word.endswith(ending)
    ]
    if not places:
        return _inflect(words, rng)
    k, ending, group = rng.choice(places)
    others = [other for other in (*group, "") if other != ending]
    return [*words[:k], words[k][: -len(ending)] + rng.choice(others), *words[k + 1 :]]


def _article(words: list[str], rng: Random) -> list[str]:
    """Drops, adds or exchanges an article."""
    places = [k for k, word in enumerate(words) if word.lower() in ("a", "an", "the")]
    if not places or rng.random() < 0.3:
        k = rng.randrange(len(words) or 1)
        return [*words[:k], rng.choice(("the", "the", "a")), *words[k:]]
    k = rng.choice(places)
    other = [] if rng.random() < 0.6 else ["a" if words[k].lower() == "the" else "the"]
    return [*words[:k], *other, *words[k + 1 :]]


def _needless(words: list[str], rng: Random) -> list[str]:
    k = rng.randrange(len(words) or 1)
    return [*words[:k], rng.choice(NEEDLESS), *words[k:]]


def _punctuation(words: list[str], rng: Random) -> list[str]:
    """Drops the commas and apostrophes of a word, or adds a comma where none belongs."""
    places = [k for k, word in enumerate(words) if re.search(r"[,'’]", word)]
    if places and rng.random() < 0.7:
        k = rng.choice(places)
        return [*words[:k], *([kept] if (kept := re.sub(r"[,'’]", "", words[k])) else []), *words[k + 1 :]]
    k = rng.randrange(len(words) or 1)
    return [*words[:k], *(f"{word}," for word in words[k : k + 1]), *words[k + 1 :]]


def _letters(words: list[str], rng: Random) -> list[str]:
    """Drops or adds a capital, or writes two words as one."""
    k = rng.randrange(len(words) or 1)
    if rng.random() < 0.3 and k + 1 < len(words):
        return [*words[:k], words[k] + words[k + 1], *words[k + 2 :]]
    places = [k for k, word in enumerate(words) if word[:1].isupper()]
    if places and rng.random() < 0.7:
        k = rng.choice(places)
        return [*words[:k], words[k].lower(), *words[k + 1 :]]
    return [*words[:k], *(word.capitalize() for word in words[k : k + 1]), *words[k + 1 :]]


_FAULTS = (_drop_function_word, _drop_function_word, _drop_span, _swap, _repeat, _inflect, _inflect, _preposition,
           _preposition, _misspell, _misspell, _truncate, _behead, _fragment, _stray, _stray, _stray, _wrong_form, _wrong_form,
           _wrong_ending, _article, _article, _needless, _punctuation, _letters)  # fmt: skip
