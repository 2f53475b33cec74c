"""Sentence pairs for fitting the fluency head: human edits, and human edits broken the way generated edits break."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from rapidfuzz.distance import Indel

SEED = 20261122
SHIFTS = (-2, -1, 0, 0, 1, 2)  # by how many words a border misses its place
MORE = 0.7  # of the edits are broken a second time, and once more by a splice
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
# fmt: on


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence before and after an edit, whether the edit leaves it fluent, where it is from, and its share of the data."""

    before: str
    after: str
    fluent: bool
    kind: str
    split: str  # "train", "valid" or "test"


def pairs(data: Path) -> list[Pair]:
    """Every pair of the fit, in a fixed order; a document, sentence or paradigm never crosses the splits."""
    edits = [*_human(data), *_paradetox(data), *_arguments(data)]
    return [*edits, *_splices(edits), *_blimp(data)]


def merged_edits(before: list[str], after: list[str], gap: int = 2) -> list[tuple[int, int, int, int]]:
    """Changed spans (i1, i2, j1, j2) of two word lists; changes at most `gap` kept words apart are one span."""
    spans: list[tuple[int, int, int, int]] = []
    for step in Indel.opcodes(before, after):
        if step.tag == "equal":
            continue
        i1, i2, j1, j2 = step.src_start, step.src_end, step.dest_start, step.dest_end
        if spans and i1 - spans[-1][1] <= gap:
            i1, j1 = spans[-1][0], spans.pop()[2]
        spans.append((i1, i2, j1, j2))
    return spans


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _random(key: str) -> Random:
    return Random(f"{SEED} {key}")  # noqa: S311  (no secret; one row's choices do not hang on the rows before it)


def _split(key: str) -> str:
    bucket = hashlib.sha256(key.encode()).digest()[0] % 10
    return "train" if bucket < 7 else "valid" if bucket < 8 else "test"


def _writer(document: str) -> str:
    number = re.search(r"argrewrite_(\d+)", document)  # drafts by one writer share the number
    return number[1] if number else document


def _human(data: Path) -> Iterator[Pair]:
    for row in _rows(data / "human_edits" / "argrewrite.jsonl"):
        before, after, split = row["before"] or "", row["after"] or "", _split(_writer(row["doc"]))
        rng = _random(before)
        if min(len(before.split()), len(after.split())) >= 3 and before != after:
            yield Pair(before, after, True, "human", split)
            yield from _seams(before, after, rng, split)
            if rng.random() < 0.5:
                yield Pair(after, corrupt(after, rng), False, "corrupted", split)
            if rng.random() < 0.15:
                yield Pair(corrupt(after, rng), after, True, "repaired", split)


def _paradetox(data: Path) -> Iterator[Pair]:
    for row in _rows(data / "toxicity" / "paradetox.jsonl")[::2]:
        toxic, *neutral = (_detokenised(text) for text in (row["toxic"], *row["neutral"]))
        if not neutral or toxic == neutral[0] or min(len(neutral[0].split()), len(toxic.split())) < 4:
            continue
        split, rng = _split(f"paradetox {toxic}"), _random(toxic)
        if len(neutral) > 1 and neutral[1] != neutral[0] and rng.random() < 0.4:
            yield Pair(neutral[0], neutral[1], True, "paraphrase", split)
            yield from _seams(neutral[0], neutral[1], rng, split)
        else:
            yield Pair(toxic, neutral[0], True, "detoxified", split)
            yield from _seams(toxic, neutral[0], rng, split)


def _arguments(data: Path) -> Iterator[Pair]:
    """Untidy sentences of web debates: toned down by rule, or broken."""
    debates = [row["text"] for row in _rows(data / "arguments" / "ukpconvarg1.jsonl")]
    comments = [row["text"] for row in _rows(data / "toxicity" / "toxic_spans_train.jsonl")]
    for text in [*debates, *comments[::2]]:
        rng = _random(text)
        sentences = [s for s in re.split(r"(?<=[.!?]) ", " ".join(text.split())) if 5 <= len(s.split()) <= 30]
        if not sentences:
            continue
        sentence, split = rng.choice(sentences), _split(text)
        toned = tone_down(sentence, rng)
        if toned and toned != sentence:
            yield Pair(sentence, toned, True, "toned", split)
            yield from _seams(sentence, toned, rng, split, single=False)
        if rng.random() < 0.6:
            yield Pair(sentence, corrupt(sentence, rng), False, "corrupted", split)
        if rng.random() < 0.25:
            yield Pair(corrupt(sentence, rng), sentence, True, "repaired", split)


def _blimp(data: Path) -> Iterator[Pair]:
    seen: dict[str, int] = {}
    for row in _rows(data / "fluency" / "blimp.jsonl"):
        paradigm, good, bad = row["paradigm"], row["good"], row["bad"]
        seen[paradigm] = seen.get(paradigm, 0) + 1
        if seen[paradigm] <= 24:
            repaired = seen[paradigm] % 2 == 0
            before, after = (bad, good) if repaired else (good, bad)
            yield Pair(before, after, repaired, "blimp", _split(paradigm))


def _seams(before: str, after: str, rng: Random, split: str, *, single: bool = True) -> Iterator[Pair]:
    """One of the changes alone, and the same change with its borders wrong by a word or two.

    A replaced span that misses its seams repeats its neighbours, or takes away words that the sentence needs.
    """
    spans = _inner_edits(before, after)
    if not spans:
        return
    good, broken = _missed(before, after, rng.choice(spans), rng)
    if single and len(spans) > 1:
        yield Pair(before, good, True, "single", split)
    if broken not in (before, after, good):
        yield Pair(before, broken, False, "seam", split)
    more = _random(f"more {before}{after}")
    if more.random() < MORE:
        good, broken = _missed(before, after, more.choice(spans), more)
        if broken not in (before, after, good):
            yield Pair(before, broken, False, "seam", split)


def _missed(before: str, after: str, span: tuple[int, int, int, int], rng: Random) -> tuple[str, str]:
    """The change of one span alone, put in rightly and with its borders moved by up to two words on each side."""
    old, new = before.split(), after.split()
    i1, i2, j1, j2 = span
    k1, k2 = max(0, i1 + rng.choice(SHIFTS)), min(len(old), i2 + rng.choice(SHIFTS))
    l1, l2 = max(0, j1 + rng.choice(SHIFTS)), min(len(new), j2 + rng.choice(SHIFTS))
    good = old[:i1] + new[j1:j2] + old[i2:]
    return " ".join(good), " ".join(old[:k1] + new[l1 : max(l1, l2)] + old[max(k1, k2) :])


def _splices(edits: list[Pair]) -> Iterator[Pair]:
    """Edits whose replacement is another edit's of about the same length."""
    bank: dict[str, list[list[str]]] = {"train": [], "valid": [], "test": []}
    chosen = []
    for pair in edits:
        if pair.kind in ("human", "detoxified", "paraphrase", "toned"):
            spans = _inner_edits(pair.before, pair.after)
            bank[pair.split] += [pair.after.split()[j1:j2] for _, _, j1, j2 in spans if j2 - j1 > 1]
            if spans:
                chosen.append((pair, spans))
    for pair, spans in chosen:
        rng = _random(f"splice {pair.before}{pair.after}")
        i1, i2, j1, j2 = rng.choice(spans)
        drawn = [rng.choice(bank[pair.split]) for _ in range(20)]
        own = pair.after.split()[j1:j2]
        other = next((words for words in drawn if abs(len(words) - len(own)) <= 1 and words != own), None)
        if other and rng.random() < MORE:
            old = pair.before.split()
            yield Pair(pair.before, " ".join(old[:i1] + other + old[i2:]), False, "splice", pair.split)


def _inner_edits(before: str, after: str) -> list[tuple[int, int, int, int]]:
    old = before.split()
    return [span for span in merged_edits(old, after.split()) if span[1] - span[0] < len(old)]


def _detokenised(text: str) -> str:
    text = re.sub(r" (n't|'\w+)\b", r"\1", text)
    return re.sub(r" ([.,!?;:])", r"\1", text).strip()


def corrupt(sentence: str, rng: Random) -> str:
    """The sentence with one or two faults of word order, form or completeness; never the sentence itself."""
    words = sentence.split()
    for _ in range(1 if rng.random() < 0.7 else 2):
        words = rng.choice(_FAULTS)(words, rng)
    text = " ".join(words)
    return text if text != " ".join(sentence.split()) else " ".join(_repeat(words, rng))


def tone_down(sentence: str, rng: Random) -> str:
    """The sentence after one or two of the changes that calm an argument and leave its grammar alone; maybe itself."""
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


def _swap(words: list[str], rng: Random) -> list[str]:
    k, step = rng.randrange(max(1, len(words) - 2)), rng.randint(1, 2)
    return words[:k] + words[k + step : k + step + 1] + words[k : k + step] + words[k + step + 1 :]


def _repeat(words: list[str], rng: Random) -> list[str]:
    """Says one to four words again: at once, or after the next few, as a paraphrase does that kept its neighbours."""
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
    """A span gives way to words from elsewhere in the same sentence, which then stand twice."""
    k, size, other = rng.randrange(len(words) or 1), rng.randint(1, 5), rng.randrange(len(words) or 1)
    return words[:k] + words[other : other + rng.randint(2, 6)] + words[k + size :]


_FAULTS = (_drop_function_word, _drop_function_word, _drop_span, _drop_span, _swap, _repeat, _inflect, _inflect,
           _preposition, _truncate, _behead, _fragment)  # fmt: skip
