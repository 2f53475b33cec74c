"""Fits the classifier of blame and praise, and finds the threshold that human revisions pass."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from rewards.errors import ConfigError
from rewards.features import Embedding
from rewards.fitting.calibrate import threshold_of
from rewards.fitting.measures import DRAWS, interval, percentiles, roc_auc
from rewards.fitting.rows import need, revised, say_left_out, text_beside
from rewards_valence import BLAME, HEAD, LABELS, NEITHER, PARAMS, PRAISE, WORDS, kept, shares
from rewards_valence.wording import WORD, exchanged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rewards.fitting import Job

LEAST_WORDS, LEAST_REVISIONS = 50, 200  # words per valence, and revisions: enough for five folds
FOLDS, SWAPS = 5, 400  # folds, and the random exchanges of unseen words that each of them tries
OFTEN = 100  # the count by which a listed word of neither is weighted


@dataclass(frozen=True, slots=True)
class Given:
    """The listed words with their valence, the revisions, the writer of each, and other texts."""

    valence: Mapping[str, str]
    revisions: Sequence[tuple[str, str]]
    owners: Sequence[str]
    texts: Sequence[str]

    def of(self, valence: str) -> list[str]:
        """The words of this valence, sorted."""
        return sorted(word for word, known in self.valence.items() if known == valence)

    def neither(self, without: frozenset[str] = frozenset()) -> dict[str, int]:
        """The count of each unlisted word, sorted, in the texts and in the revisions of all writers but those `without`."""
        pairs = (pair for pair, owner in zip(self.revisions, self.owners, strict=True) if owner not in without)
        count = Counter(word.lower() for texts in (self.texts, *pairs) for text in texts for word in WORD.findall(text))
        return {word: count[word] for word in sorted(count.keys() - self.valence.keys())}


@dataclass(frozen=True, slots=True)
class Head:
    """A logistic regression on the vectors of words: (3, D) and (3,)."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def of(self, job: Job, words: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """The probabilities (3,) of each word."""
        if not words:
            return {}
        vectors = np.stack(job.features([Embedding(word, WORDS) for word in words]))
        return dict(zip(words, shares(vectors, self.weight, self.bias).astype(np.float64), strict=True))

    def kept(self, job: Job, pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> NDArray[np.float64]:
        """(N,): the reward (`rewards_valence.kept`) where these words are removed and added."""
        known = self.of(job, sorted({word for pair in pairs for words in pair for word in words}))
        return np.array([kept(*([known[word] for word in words] for words in pair)) for pair in pairs])


def fit(job: Job, penalty: float, percentile: float) -> dict[str, Any]:
    """Writes the head and returns the card.

    Rows are `{before, after}`, sentences that people have changed, and `{text}`, other texts; words of either that are not
    listed count as neither blame nor praise. Rows `{word, valence}` replace the plugin's own list of words: a valence is
    `blame`, `praise`, or `neither` for words that are used in the same places as these.
    """
    given = _read(job)
    values, test = _crossfit(job, given, penalty)
    threshold = threshold_of(values, percentile, True, job.seed, "revisions of whole sentences by people", given.owners)
    if threshold["value"] >= 1:
        raise ConfigError(
            f"more than {100 - percentile:g} % of the revisions put no word in the place of another, so that a threshold would"
            " turn down nearly every one that does: give other revisions, or a higher percentile (--percentile)"
        )
    neither = given.neither()
    _write(job, _fitted(job, given.valence, neither, penalty))
    seen = (test["swaps"] < threshold["value"]).astype(float)
    labels, scores = test["praise"], test["scores"]
    return {
        "measures": "Whether words of praise replace words of blame, by the vectors of the exchanged words.",
        "model": f"logistic regression on the vectors that all-minilm-l6-v2 has of single words: {', '.join(LABELS)}",
        "split": f"{FOLDS} fits, each without a fifth of the listed words and of the writers, and measured on these; "
        "the threshold is a percentile of all revisions, each judged by the fit without its writer",
        "controls": "exchanges: a random word of blame for one of praise, both unseen, whatever their spelling; the"
        " list was written for this",
        "threshold": threshold,
        "rows": {
            "words of blame": len(given.of(BLAME)),
            "words of praise": len(given.of(PRAISE)),
            "words of neither, listed": len(given.of(NEITHER)),
            "other words": len(neither),
            "revised sentences": len(given.revisions),
        },
        "test": {
            "exchanges of unseen words": {
                "n": len(seen),
                "turned_down": round(float(seen.mean()), 3),
                "turned_down_95": over_words(seen, test["exchanged"], job.seed),
            },
            "praise against blame, unseen words": {
                "n": len(labels),
                "roc_auc": round(roc_auc(labels, scores), 3),
                "roc_auc_95": interval(roc_auc, labels, scores, seed=job.seed),
            },
        },
    }


def _read(job: Job) -> Given:
    stated: dict[str, str] = {}
    revisions, owners, texts, left_out = [], [], list[str](), Counter[str]()
    for row in job.rows():
        if "word" in row.record:
            valence = row.text("valence")
            if valence not in LABELS:
                raise row.wrong(f"valence is {valence!r}; expected 'blame', 'praise' or 'neither'")
            word = row.text("word").lower()
            if not WORD.fullmatch(word):
                raise row.wrong(f"word is {word!r}; expected one word")
            if stated.setdefault(word, valence) != valence:
                raise row.wrong(f"the word {word!r} is listed as {stated[word]} before")
        elif (text := text_beside(row)) is not None:
            texts.append(text)
        elif pair := revised(row, left_out):
            revisions.append(pair)
            owners.append(row.owner(pair[0]))
    say_left_out(job.say, left_out)
    given = Given(stated or _listed(), revisions, owners, texts)
    for valence in (BLAME, PRAISE):
        need(len(given.of(valence)), LEAST_WORDS, f"words of {valence} (columns word and valence)")
    need(len(revisions), LEAST_REVISIONS, "revised sentences (columns before and after)")
    need(len(set(owners)), FOLDS, "writers of revised sentences (column doc)")
    return given


def _listed() -> dict[str, str]:
    """The plugin's own list."""
    lines: dict[str, list[str]] = json.loads((PARAMS / "words.json").read_text(encoding="utf-8"))
    return {word: valence for valence, found in lines.items() for line in found for word in line.split()}


def over_words(turned_down: NDArray[np.float64], exchanged: NDArray[np.str_], seed: int) -> list[float]:
    """The 95 % bootstrap interval of the share of exchanges (N, 2) that are turned down (N,).

    Exchanges share words and so depend on each other. Therefore words are drawn with replacement, the removed and the added
    ones separately, and not exchanges.
    """
    rng = np.random.default_rng(seed)
    sides = [np.unique(words, return_inverse=True)[1] for words in exchanged.T]
    sizes = [int(side.max()) + 1 for side in sides]
    found = []
    for _ in range(DRAWS):
        going, coming = (np.bincount(rng.integers(0, size, size), minlength=size) for size in sizes)
        if (weights := going[sides[0]] * coming[sides[1]]).any():
            found.append(float(np.average(turned_down, weights=weights)))
    return percentiles(found)


def _crossfit(job: Job, given: Given, penalty: float) -> tuple[NDArray[np.float64], dict[str, NDArray[Any]]]:
    """Cross-validated by word and writer: the rewards of revisions (N,); columns of random exchanges and listed words."""
    values = np.zeros(len(given.revisions))
    swaps, exchanges, praise, scores = list[float](), list[tuple[str, str]](), list[int](), list[float]()
    people = sorted(set(given.owners))
    rng = Random(job.seed)  # noqa: S311  (nothing secret)
    rng.shuffle(people)
    lists = {valence: rng.sample(words, len(words)) for valence in (BLAME, PRAISE) if (words := given.of(valence))}
    for fold in range(FOLDS):
        strangers = frozenset(people[fold::FOLDS])
        unseen = {valence: words[fold::FOLDS] for valence, words in lists.items()}
        hidden = {word for words in unseen.values() for word in words}
        known = {word: valence for word, valence in given.valence.items() if word not in hidden}
        head = _fitted(job, known, given.neither(strangers), penalty)
        own = [place for place, owner in enumerate(given.owners) if owner in strangers]
        values[own] = head.kept(job, [exchanged(*given.revisions[place]) for place in own])
        drawn = [(rng.choice(unseen[BLAME]), rng.choice(unseen[PRAISE])) for _ in range(SWAPS)]
        swaps += head.kept(job, [((goes,), (comes,)) for goes, comes in drawn]).tolist()
        exchanges += drawn
        for valence, words in unseen.items():
            praise += [int(valence == PRAISE)] * len(words)
            scores += [float(found[2] - found[0]) for found in head.of(job, words).values()]
        job.say(f"measured on a fifth of the words and of the writers, {fold + 1} of {FOLDS}")
    columns: dict[str, list[Any]] = {"swaps": swaps, "exchanged": exchanges, "praise": praise, "scores": scores}
    return values, {name: np.array(column) for name, column in columns.items()}


def _fitted(job: Job, valence: Mapping[str, str], neither: Mapping[str, int], penalty: float) -> Head:
    """The head fitted to these words. Words of neither are weighted by the root of their count, of `OFTEN` where listed."""
    from sklearn.linear_model import LogisticRegression

    words = [*sorted(valence), *neither]
    labels = np.array([LABELS.index(valence.get(word, NEITHER)) for word in words])
    weights = np.sqrt(
        [neither[word] if word in neither else OFTEN if valence[word] == NEITHER else 1 for word in words]
    )
    for label in range(len(LABELS)):  # the same total weight for every label
        weights[labels == label] *= len(words) / len(LABELS) / weights[labels == label].sum()
    head = LogisticRegression(C=1 / penalty, max_iter=2000)
    head.fit(np.stack(job.features([Embedding(word, WORDS) for word in words])), labels, sample_weight=weights)
    return Head(head.coef_.astype(np.float32), np.asarray(head.intercept_, np.float32))


def _write(job: Job, head: Head) -> None:
    from safetensors.numpy import save_file

    save_file({"weight": np.ascontiguousarray(head.weight), "bias": head.bias}, job.out / HEAD)
