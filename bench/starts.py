"""Pairs for the warm start of a small policy: edits that the suite accepts, of texts like those that it will be given."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rewards.errors import RecordError
from rewards.records import read_revision
from rewards.result import Result
from rewards.suite import Suite, load_suite
from rewards.types import Revision
from rewards_eval.baselines.cleanup import clean_up
from rewards_train import pairs
from rewards_train.data import shortened

Record = dict[str, Any]
SENTENCES = 3  # as in the recipe `small`
LINES, WORDS = 4, 45  # the longest completion
LEAST = 0.02  # the reward a pair must earn
FLUENT = 0.7  # above the gate's threshold: edits that only just pass are no good examples
WORD = re.compile(r"[\w'’-]+")
FUNCTION_WORDS = re.compile(
    r"(an?|the|and|or|but|nor|so|yet|if|of|in|on|at|to|for|from|with|by|as|is|are|was|were|be|been|am|do|does|did|has|have|had"
    r"|can|could|will|would|shall|should|may|might|must|who(m|se)?|which|that|this|these|those|than|then|there|here|when|where"
    r"|why|how|i|you|he|she|it|we|they|me|him|her|us|them|my|your|his|its|our|their|not|no|just|like|because)",
    re.IGNORECASE,
)


def start_pairs(source: Path, arguments: Iterable[Record], count: int, suite: str = "default") -> list[Record]:
    """A third each, where there is enough: arguments cleaned up by rule, insults left out, rewrites by people.

    Only edits that the suite accepts are kept, and only pairs whose reward is at least `LEAST`: after such a start the
    completions of a policy are close enough to rewarded ones for GRPO to find the rest.
    """
    draw = random.Random(0)
    judge = load_suite(suite)
    kinds = [
        chosen(candidates, judge, count // 3)
        for candidates in (
            cleaned(arguments),
            without_insults(source / "toxicity/toxic_spans_train.jsonl", draw),
            rewritten(source / "toxicity/paradetox.jsonl", draw),
        )
    ]
    made = [pair for kind in kinds for pair in kind]
    draw.shuffle(made)
    return made


def chosen(candidates: Iterator[Record], judge: Suite, count: int, batch: int = 64) -> list[Record]:
    """The first `count` candidates with enough reward, each with a completion that states its accepted edits."""
    made: list[Record] = []
    waiting: list[tuple[Record, Revision]] = []
    for record in candidates:
        revision = read_revision(record)
        if 0 < len(revision.edits) <= 2 * LINES:
            waiting.append((record, revision))
        if len(waiting) == batch:
            made += _accepted(waiting, judge.score([revision for _, revision in waiting]))
            waiting = []
            if len(made) >= count:
                return made[:count]
    made += _accepted(waiting, judge.score([revision for _, revision in waiting]))
    return made[:count]


def _accepted(candidates: Sequence[tuple[Record, Revision]], results: list[Result]) -> list[Record]:
    made = []
    for (record, _), result in zip(candidates, results, strict=True):
        if not result.accepted or (result.reward or 0.0) < LEAST:
            continue
        if min(result.edits[i]["fluency"].value or 0.0 for i in result.accepted) < FLUENT:
            continue
        edits = tuple(result.revision.edits[i] for i in result.accepted)
        try:
            completion = pairs.completion(replace(result.revision, edits=edits), "compact")
        except RecordError:  # its format cannot express these edits exactly
            continue
        if completion.count("\n") < LINES and len(completion.split()) <= WORDS:
            made.append({key: record[key] for key in ("id", "issue", "sentences")} | {"completion": completion})
    return made


def cleaned(arguments: Iterable[Record]) -> Iterator[Record]:
    for one in arguments:
        short = shortened(read_revision({**one, "edits": []}), SENTENCES)
        text = short.apply(())
        if (rewrite := clean_up(text)) != text:
            yield {"id": one["id"], "issue": one["issue"], "sentences": list(short.sentences), "rewrite": rewrite}


def without_insults(source: Path, draw: random.Random) -> Iterator[Record]:
    """Comments without the toxic words that people marked in them, if each of these precedes a noun that it may modify."""
    found = [json.loads(line) for line in source.open(encoding="utf-8")]
    draw.shuffle(found)
    for number, one in enumerate(found):
        text, marked = one["text"], set(one["spans"])
        if not (8 <= len(text.split()) <= 60 and marked and "|" not in text):
            continue
        words = list(WORD.finditer(text))
        insults = [marked.issuperset(range(*word.span())) for word in words]
        if not any(insults) or not all(
            itertools.starmap(_before_a_noun, ((text, words, i) for i, yes in enumerate(insults) if yes))
        ):
            continue
        revision = read_revision({"id": f"comment-{number}", "issue": "", "argument": text, "edits": []})
        if len(revision.sentences) <= SENTENCES:
            kept = [text[: words[0].start()]] + [
                text[word.start() : words[i + 1].start() if i + 1 < len(words) else len(text)]
                for i, word in enumerate(words)
                if not insults[i]
            ]
            yield {"id": revision.id, "issue": "", "sentences": list(revision.sentences), "rewrite": "".join(kept)}


def _before_a_noun(text: str, words: Sequence[re.Match[str]], place: int) -> bool:
    """Whether a word is followed, after one space, by one that it may modify: a heuristic; the suite judges the result."""
    if place + 1 == len(words):
        return False
    word, following = words[place], words[place + 1]
    return text[word.end() : following.start()] == " " and not FUNCTION_WORDS.fullmatch(following[0])


def rewritten(source: Path, draw: random.Random) -> Iterator[Record]:
    """Small arguments of one to three sentences of ParaDetox, some of them neutral already, with their rewrites.

    Only rewrites that keep at least half of the words: the policy should learn to edit, not to rewrite.
    """
    found = []
    for text in source.open(encoding="utf-8"):
        record = json.loads(text)
        if not record["neutral"]:
            continue
        before, after = (" ".join(one.split()) for one in (record["toxic"], record["neutral"][0]))
        words = before.split()
        same = len(set(words) & set(after.split())) / max(1, len(set(words)))
        if 5 <= len(words) <= 25 and 0.5 <= same < 1 and "|" not in before + after:
            found.append((before, after))
    draw.shuffle(found)
    for start in range(0, len(found) - 2, 3):
        chosen = found[start : start + draw.choice((1, 2, 2, 3))]
        sentences = [
            (before, after) if i == 0 or draw.random() < 0.6 else (after, after)
            for i, (before, after) in enumerate(chosen)
        ]
        draw.shuffle(sentences)
        yield {
            "id": f"paradetox-{start}",
            "issue": "",
            "sentences": [before for before, _ in sentences],
            "rewrite": " ".join(after for _, after in sentences),
        }
