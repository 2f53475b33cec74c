"""Sentence pairs for fitting the fluency head: human edits, and edits corrupted in the ways in which generated edits fail."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from rapidfuzz.distance import Indel

from rewards.fitting.rows import Row, Split, revised, say_left_out, split_of
from rewards_fluency.faults import corrupt, left_over, spaced_out, tone_down

SEED = 20261122
GAP = 2  # at most so many kept words lie between changes that are one span
SHIFTS = (-2, -1, 0, 0, 1, 2)  # in words: how far a border of a span is moved
PER_PARADIGM = 48  # minimal pairs of each paradigm, at most
FAULTY = 4  # corrupted copies of each human edit's sentence
LEFT_OVER = 0.25  # share of corrupted pairs with a second one, off by a space, a mark or a capital
SPACED = 0.03  # share of edits whose sentence has a space at one end, before and after
MORE = 0.7  # share of edits with a second wrong span; also the share with a splice


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence before and after an edit, whether the edit leaves it fluent, how the edit was made, and its split.

    `owner` is the writer, or else the row from which it was made.
    """

    before: str
    after: str
    fluent: bool
    kind: str
    split: Split
    owner: str = ""


def pairs(rows: Sequence[Row], fold: str = "fold0.0", say: Callable[[str], None] = lambda _: None) -> list[Pair]:
    """Every pair of the fit, in a fixed order; a document, sentence or paradigm is in one split only.

    The columns of a row tell its kind: `{before, after}` is a human edit, or with `fluent` an edit that somebody has judged;
    `{toxic, neutral}` a rewrite; `{good, bad}` a minimal pair; `{text}` untidy text to make edits of. Raises ConfigError.
    """
    left_out = Counter[str]()
    kinds: dict[str, list[Row]] = {name: [] for name in ("fluent", "before", "toxic", "good", "text")}
    for row in rows:
        # With `after` alone, somebody added the sentence.
        kind = next((name for name in kinds if name in row.record), "before" if "after" in row.record else None)
        if kind == "before" and row.raw.get("fluent", "") is None:
            left_out["whose judgement is null"] += 1
            continue
        if kind is None:
            raise row.wrong(
                f"expected columns before and after, toxic and neutral, good and bad, or text; it has {', '.join(row.record)}"
            )
        kinds[kind].append(row)
    toxic = kinds["toxic"][::2]  # they are many, and short
    edits = [
        *_owned(kinds["before"], lambda row: _human(row, fold, left_out)),
        *_owned(toxic, lambda row: _paradetox(row, fold, left_out)),
        *_owned(kinds["text"], lambda row: _arguments(row, fold, left_out)),
    ]
    judged = _owned(kinds["fluent"], lambda row: _judged(row, fold))
    found = [_as_found(pair) for pair in (*judged, *edits, *_splices(edits), *_blimp(kinds["good"], fold))]
    counts = ", ".join(f"{len(some):,} with {name}" for name, some in kinds.items() if some)
    say(f"rows: {counts}; {len(found):,} edits made of them (every second toxic one, {PER_PARADIGM} of a paradigm)")
    say_left_out(say, left_out)
    return found


def _owned(rows: Sequence[Row], made: Callable[[Row], Iterator[Pair]]) -> Iterator[Pair]:
    """The pairs made from each row, with its owner."""
    for row in rows:
        owner = row.owner(f"{row.file.name} {row.number}")
        yield from (replace(pair, owner=owner) for pair in made(row))


def merged_edits(before: list[str], after: list[str]) -> list[tuple[int, int, int, int]]:
    """Changed spans (i1, i2, j1, j2) of two word lists; changes at most `GAP` kept words apart are one span."""
    spans: list[tuple[int, int, int, int]] = []
    for step in Indel.opcodes(before, after):
        if step.tag == "equal":
            continue
        i1, i2, j1, j2 = step.src_start, step.src_end, step.dest_start, step.dest_end
        if spans and i1 - spans[-1][1] <= GAP:
            i1, j1 = spans[-1][0], spans.pop()[2]
        spans.append((i1, i2, j1, j2))
    return spans


def _random(key: str) -> Random:
    return Random(f"{SEED} {key}")  # noqa: S311  (no secret; one per row, whatever rows come before it)


def _judged(row: Row, fold: str) -> Iterator[Pair]:
    before, after, fluent = row.text("before"), row.text("after"), row.record["fluent"]
    if fluent not in (0, 1):
        raise row.wrong(f"fluent is {fluent!r}; expected 0 or 1")
    yield Pair(before, after, bool(fluent), "judged", split_of(row, row.owner(before), fold))


def _human(row: Row, fold: str, left_out: Counter[str]) -> Iterator[Pair]:
    if pair := revised(row, left_out, words=3):
        before, after = pair
        split = split_of(row, row.owner(before), fold)
        rng = _random(before)
        yield Pair(before, after, True, "human", split)
        yield from _seams(before, after, rng, split)
        for _ in range(FAULTY):
            yield from _faulty(after, rng, split)


def _paradetox(row: Row, fold: str, left_out: Counter[str]) -> Iterator[Pair]:
    toxic, *neutral = (_detokenised(text) for text in (row.text("toxic"), *row.texts("neutral")))
    if not neutral:
        left_out["without a neutral rewrite"] += 1
        return
    if toxic == neutral[0] or min(len(neutral[0].split()), len(toxic.split())) < 4:
        left_out["unchanged" if toxic == neutral[0] else "of fewer than 4 words"] += 1
        return
    split, rng = split_of(row, f"paradetox {toxic}", fold), _random(toxic)
    yield from _faulty(neutral[0], rng, split)
    if len(neutral) > 1 and neutral[1] != neutral[0] and rng.random() < 0.4:
        yield Pair(neutral[0], neutral[1], True, "paraphrase", split)
        yield from _seams(neutral[0], neutral[1], rng, split)
    else:
        yield Pair(toxic, neutral[0], True, "detoxified", split)
        yield from _seams(toxic, neutral[0], rng, split)


def _arguments(row: Row, fold: str, left_out: Counter[str]) -> Iterator[Pair]:
    """Untidy sentences of web debates, toned down by rule or corrupted."""
    text = row.text("text")
    rng = _random(text)
    sentences = [s for s in re.split(r"(?<=[.!?]) ", " ".join(text.split())) if 5 <= len(s.split()) <= 30]
    if not sentences:
        left_out["without a sentence of 5 to 30 words"] += 1
        return
    sentence, split = rng.choice(sentences), split_of(row, text, fold)
    toned = tone_down(sentence, rng)
    if toned and toned != sentence:
        yield Pair(sentence, toned, True, "toned", split)
        yield from _seams(sentence, toned, rng, split, single=False)
    yield from _faulty(sentence, rng, split)


def _faulty(sentence: str, rng: Random, split: Split) -> Iterator[Pair]:
    """The sentence corrupted by rule: sometimes one that had a fault before, sometimes in the style of tokenized corpora.

    Sometimes a second pair follows, of the sentence and one that is off by a space, a mark or a capital.
    """
    before = corrupt(sentence, rng) if rng.random() < 0.25 else sentence
    after = corrupt(before, rng)
    if rng.random() < 0.2:
        before, after = spaced_out(before), spaced_out(after)
    yield Pair(before, after, False, "corrupted", split)
    more = _random(f"left over {before}{after}")
    if more.random() < LEFT_OVER and (after := left_over(sentence, more)) not in (sentence, sentence.strip()):
        yield Pair(sentence, after, False, "left over", split)


def _as_found(pair: Pair) -> Pair:
    """The pair, sometimes with a space at one end of both sentences: what was there before is no fault of the edit."""
    rng = _random(f"as found {pair.before}{pair.after}")
    if pair.kind in ("judged", "left over") or rng.random() >= SPACED:
        return pair
    start, end = rng.choice(((" ", ""), ("", " ")))
    return replace(pair, before=f"{start}{pair.before}{end}", after=f"{start}{pair.after}{end}")


def _blimp(rows: Sequence[Row], fold: str) -> Iterator[Pair]:
    seen: dict[str, int] = {}
    for row in rows:
        paradigm, good, bad = row.text("paradigm"), row.text("good"), row.text("bad")
        seen[paradigm] = seen.get(paradigm, 0) + 1
        if seen[paradigm] <= PER_PARADIGM:
            repaired = seen[paradigm] % 2 == 0
            before, after = (bad, good) if repaired else (good, bad)
            yield Pair(before, after, repaired, "blimp", split_of(row, paradigm, fold))


def _seams(before: str, after: str, rng: Random, split: Split, *, single: bool = True) -> Iterator[Pair]:
    """One of the changes alone, and the same change with its borders off by a word or two.

    Such an edit repeats words beside its span, or removes words that the sentence needs.
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
    """The sentence with this change alone: as it should be, and with its borders moved by up to two words on each side."""
    old, new = before.split(), after.split()
    i1, i2, j1, j2 = span
    k1, k2 = max(0, i1 + rng.choice(SHIFTS)), min(len(old), i2 + rng.choice(SHIFTS))
    l1, l2 = max(0, j1 + rng.choice(SHIFTS)), min(len(new), j2 + rng.choice(SHIFTS))
    good = old[:i1] + new[j1:j2] + old[i2:]
    return " ".join(good), " ".join(old[:k1] + new[l1 : max(l1, l2)] + old[max(k1, k2) :])


def _splices(edits: list[Pair]) -> Iterator[Pair]:
    """Disfluent edits: the replacement of one edit is put in the place of another's of about the same length."""
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
        if not bank[pair.split]:
            continue
        drawn = [rng.choice(bank[pair.split]) for _ in range(20)]
        own = pair.after.split()[j1:j2]
        other = next((words for words in drawn if abs(len(words) - len(own)) <= 1 and words != own), None)
        if other and rng.random() < MORE:
            old = pair.before.split()
            spliced = " ".join(old[:i1] + other + old[i2:])
            yield Pair(pair.before, spliced, False, "splice", pair.split, pair.owner)


def _inner_edits(before: str, after: str) -> list[tuple[int, int, int, int]]:
    old = before.split()
    return [span for span in merged_edits(old, after.split()) if span[1] - span[0] < len(old)]


def _detokenised(text: str) -> str:
    text = re.sub(r" (n't|'\w+)\b", r"\1", text)
    return re.sub(r" ([.,!?;:])", r"\1", text).strip()
