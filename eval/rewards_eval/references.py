"""Metrics of edited arguments against human rewrites (SARI, ROUGE), and the reader of a file of rewrites."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

from rewards.errors import RewardsError
from rewards.files.reading import read_lines
from rewards_eval.systems import Id, id_of

KEYS = ("rewrite", "after", "reference", "rewrites", "references")
_13A = (
    (re.compile(r"([{-~\[-` -&(-+:-@/])"), r" \1 "),
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
"""The rules of mteval-v13a: they split off punctuation except `'`, `.` or `,` between digits, and `-` not after a digit."""
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_LONGEST = 4  # n-grams of SARI


def read_references(path: str) -> dict[Id, tuple[str, ...]]:
    """People's rewrites by id. Raises RewardsError with file, line and field where one cannot be read.

    A record holds `id` (or `post_id`) and, under one of KEYS, a text or a list of texts.
    """
    found: dict[Id, tuple[str, ...]] = {}
    for line in read_lines(path):
        where = f"{path}, line {line.number}"
        if line.error is not None:
            raise RewardsError(f"{where}: {line.error}")
        record, stated = line.record, id_of(line.record, where, "a reference says which argument it rewrites")
        texts = next((record[key] for key in KEYS if record.get(key) is not None), None)
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise RewardsError(f"{where}: no rewrite; expected a text, or a list of texts, in one of {', '.join(KEYS)}")
        found[stated] = (*found.get(stated, ()), *texts)
    if not found:
        raise RewardsError(f"{path} holds no references")
    return found


def tokens(text: str) -> list[str]:
    """The lower-case tokens of mteval-v13a, as in sacrebleu and `evaluate`."""
    text = text.lower().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, mark in _ENTITIES:
        text = text.replace(entity, mark)
    text = f" {text} "
    for pattern, apart in _13A:
        text = pattern.sub(apart, text)
    return text.split()


def sari(source: str, prediction: str, references: Sequence[str]) -> float:
    """SARI in [0, 100] (Xu et al., TACL 2016): the mean of keeping, adding and deleting, over n-grams of 1 to 4 tokens.

    Keeping and adding are F1, deleting is precision. Tokens and values are those of tensor2tensor and `evaluate`: an
    undefined ratio counts as 1, and the recall of keeping is a ratio of summed counts.
    """
    texts = [tokens(text) for text in (source, prediction, *references)]
    parts = [_sari_of(*(_grams(text, n) for text in texts)) for n in range(1, _LONGEST + 1)]
    return 100 * sum(map(sum, parts)) / (3 * _LONGEST)


def _grams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _sari_of(source: Counter[Any], prediction: Counter[Any], *references: Counter[Any]) -> tuple[float, float, float]:
    """The scores of keeping, deleting and adding n-grams of one length, in [0, 1].

    Counts of source and prediction are multiplied by the number of references, whose counts are summed.
    """
    wanted: Counter[Any] = sum(references, Counter())
    was = Counter({gram: count * len(references) for gram, count in source.items()})
    now = Counter({gram: count * len(references) for gram, count in prediction.items()})
    kept, to_keep = was & now, was & wanted
    good = kept & wanted
    keep = _f1(
        _share(sum(good[gram] / kept[gram] for gram in good), len(kept)),
        _share(sum(good.values()), sum(to_keep.values())),
    )
    deleted = was - now
    rightly = deleted - wanted
    delete = _share(sum(rightly[gram] / deleted[gram] for gram in rightly), len(deleted))
    added, to_add = set(now) - set(was), set(wanted) - set(was)
    add = _f1(_share(len(added & to_add), len(added)), _share(len(added & to_add), len(to_add)))
    return keep, delete, add


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 1.0


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def rouge(prediction: str, references: Sequence[str]) -> dict[str, float]:
    """ROUGE-1, -2 and -L F1 in [0, 1], as rouge-score gives them without stemming; for each, the best over the references.

    ROUGE-L uses rouge-score's tokens, but not its search for the longest common subsequence, which takes ten times as long.
    """
    from rapidfuzz.distance import LCSseq

    scorer, tokenizer = _rouge()
    found = {name: float(score.fmeasure) for name, score in scorer.score_multi(list(references), prediction).items()}
    candidate = tokenizer.tokenize(prediction)
    longest = 0.0
    for reference in map(tokenizer.tokenize, references):
        both = len(candidate) + len(reference)
        longest = max(longest, 2 * LCSseq.similarity(candidate, reference) / both if both else 0.0)
    return {**found, "rougeL": longest}


@cache
def _rouge() -> tuple[Any, Any]:
    from rouge_score.rouge_scorer import RougeScorer  # imports nltk, which most evaluations need not pay for
    from rouge_score.tokenizers import DefaultTokenizer

    tokenizer = DefaultTokenizer(use_stemmer=False)
    return RougeScorer(["rouge1", "rouge2"], tokenizer=tokenizer), tokenizer
