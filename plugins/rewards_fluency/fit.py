"""Fits the fluency classifier to human edits and corrupted ones; the same data and seed give the same files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from rewards.features import ClassProbabilities
from rewards.fitting import measures
from rewards.fitting.adapters import AdapterRecipe, Example, fit_adapter, rescale_adapter, write_adapter
from rewards.fitting.calibrate import threshold_of
from rewards.fitting.rows import SPLITS, Split, need
from rewards.models import store
from rewards.models.catalog import SMOLLM2
from rewards_fluency import ADAPTER, LABELS, classifier
from rewards_fluency.pairs import Pair, pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rewards.fitting import Job

LEAST = 50  # edits: in train of each class, in valid and in test altogether
MEASURED = 4000  # edits, at most, that are drawn from valid and from test
FLUENT = LABELS.index("fluent")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a fit: it takes `examples` of the training edits; `percentile`, where given, sets the threshold."""

    examples: int
    depth: int
    learning_rate: float
    rank: int
    fold: str
    percentile: float | None

    @property
    def recipe(self) -> AdapterRecipe:
        """How the adapter is fitted."""
        return AdapterRecipe(depth=self.depth, first=4, rank=self.rank, learning_rate=self.learning_rate)


def fit(job: Job, options: Options) -> dict[str, Any]:
    """Writes the adapter and returns the card."""
    drawn, counts = _drawn(job, options)
    train, valid, test = (drawn[name] for name in SPLITS)
    for fluent in (False, True):
        need(sum(pair.fluent is fluent for pair in train), LEAST, f"{'' if fluent else 'dis'}fluent edits to fit on")
    for name, part in (("valid", valid), ("test", test)):
        need(len(part), LEAST, f"edits of split {name}")
        measures.check_classes(np.array([pair.fluent for pair in part]), f"split {name}")
    if options.percentile is not None:
        need(len(_people(valid)), LEAST, "human edits of split valid, to take a percentile of")
    job.say(f"{len(train):,} edits to fit on, {len(valid):,} to calibrate on, {len(test):,} to measure on")
    recipe = options.recipe
    rows = [Example(pair.after, pair.before, FLUENT if pair.fluent else 1 - FLUENT) for pair in train]
    tensors = fit_adapter(store.ensure(SMOLLM2), rows, len(LABELS), recipe, job.seed, job.say)
    write_adapter(job.out / ADAPTER, tensors, recipe)
    job.say("calibrating and measuring")
    slope, shift = measures.platt(logits(job, valid), [pair.fluent for pair in valid], balanced=True)
    card = _card(job, options, drawn, counts, (slope, shift))
    if not (interval := card["test"]["roc_auc_95"]) or interval[0] <= 0.5:
        job.say("on unseen edits it may be no better than chance (ROC-AUC, 95 %): fit on more rows before you use it")
    sign = np.array([1.0 if place == FLUENT else -1.0 for place in range(len(LABELS))])
    rescale_adapter(job.out / ADAPTER, recipe, slope, sign * shift / 2)
    return card


def card_of(job: Job, options: Options) -> dict[str, Any]:
    """The card that `fit` with these options would write for the parameters in `job.out`, with new measurements."""
    drawn, counts = _drawn(job, options)
    return _card(job, options, drawn, counts, (1.0, 0.0))


def _drawn(job: Job, options: Options) -> tuple[dict[Split, list[Pair]], dict[str, int]]:
    """A sample of the edits of each split, and how many edits the rows gave for each."""
    split: dict[Split, list[Pair]] = {name: [] for name in SPLITS}
    for pair in pairs(list(job.rows()), options.fold, job.say):
        split[pair.split].append(pair)
    rng = Random(job.seed)  # noqa: S311  (nothing secret)
    counts: dict[str, int] = {name: len(part) for name, part in split.items()}
    split["train"] = with_repairs(split["train"])
    measured = min(MEASURED, max(MEASURED // 4, options.examples))
    most: dict[Split, int] = {"train": options.examples, "valid": measured, "test": measured}
    return {name: rng.sample(part, min(most[name], len(part))) for name, part in split.items()}, counts


def with_repairs(examples: Sequence[Pair]) -> list[Pair]:
    """The pairs and, for every disfluent one that nobody has judged, its reverse, labelled fluent since it undoes a fault."""
    back = [
        replace(pair, before=pair.after, after=pair.before, fluent=True, kind="way back")
        for pair in examples
        if not pair.fluent and pair.kind != "judged"  # the sentence before a judged edit may be disfluent too
    ]
    return [*examples, *back]


def logits(job: Job, some: Sequence[Pair]) -> NDArray[np.float64]:
    """(N,): the log-odds of P(fluent) by the adapter in `job.out` as it is stored, calibrated or not."""
    model = classifier(job.out)
    requests = [ClassProbabilities(pair.after, model, pair.before) for pair in some]
    probability = np.stack(job.features(requests)).astype(np.float64)
    return np.log(np.maximum(probability[:, FLUENT], 1e-9)) - np.log(np.maximum(probability[:, 1 - FLUENT], 1e-9))


def _card(
    job: Job,
    options: Options,
    drawn: dict[Split, list[Pair]],
    counts: dict[str, int],
    calibration: tuple[float, float],
) -> dict[str, Any]:
    recipe, percentile = options.recipe, options.percentile
    found = logits(job, drawn["test"]) * calibration[0] + calibration[1]
    human = found[np.array([pair.kind == "human" for pair in drawn["test"]])]
    kinds = Counter(f"{'' if pair.fluent else 'not '}fluent: {pair.kind}" for pair in drawn["train"])
    return {
        "measures": "P(fluent) of a sentence after an edit, judged beside the sentence before it.",
        "labels": list(LABELS),
        "model": f"the first {recipe.depth} blocks of SmolLM2-135M-Instruct with low-rank changes (rank {recipe.rank}, from "
        f"block {recipe.first + 1}) read the sentence before and after; a head adds up the mean and the strongest evidence "
        "of the tokens after",
        "threshold": _even(human) if percentile is None else _percentile(job, drawn["valid"], calibration, percentile),
        "rows": {"edits made": counts, "fitted on": dict(sorted(kinds.items()))},
        "split": "by writer, sentence or (BLiMP) paradigm, 70 / 10 / 20 % by SHA-256 unless the rows say: fitted on train, "
        "with the way back of every disfluent edit as a fluent one, calibrated on valid, measured on test",
        "hyper_parameters": recipe.stated(),
        "test": _measured(job, drawn["test"], found),
    }


def _even(human: NDArray[np.float64]) -> dict[str, Any]:
    """The threshold .5, with the share of human edits of test that pass it, by their log-odds (N,)."""
    passing = (
        f"; {(human >= 0).mean():.1%} of {len(human)} unseen revisions of whole sentences by people pass"
        if len(human)
        else ""
    )
    return {
        "value": 0.5,
        "source": f"the likelier of two classes, calibrated to equally many fluent and disfluent edits{passing}",
    }


def _people(valid: Sequence[Pair]) -> list[Pair]:
    """The human edits, of which a threshold may be a percentile."""
    return [pair for pair in valid if pair.kind == "human"]


def _percentile(job: Job, valid: Sequence[Pair], calibration: tuple[float, float], percentile: float) -> dict[str, Any]:
    people = _people(valid)
    found = 1 / (1 + np.exp(-(logits(job, people) * calibration[0] + calibration[1])))
    owners = [pair.owner for pair in people]
    return threshold_of(found, percentile, True, job.seed, "human edits of unseen documents", owners)


def _measured(job: Job, test: Sequence[Pair], found: NDArray[np.float64]) -> dict[str, Any]:
    """ROC-AUC over all edits, and how often the better sentence of an unseen minimal pair is preferred."""
    fluent = np.array([pair.fluent for pair in test])
    result: dict[str, Any] = {
        "n": len(test),
        "roc_auc": round(measures.roc_auc(fluent, found), 4),
        "roc_auc_95": measures.interval(
            measures.roc_auc, fluent, found, seed=job.seed, owners=[pair.owner or pair.before for pair in test]
        ),
        "calibration": measures.calibration_curve(fluent, 1 / (1 + np.exp(-found))),
    }
    minimal = [pair for pair in test if pair.kind == "blimp"]
    if minimal:
        back = [replace(pair, before=pair.after, after=pair.before) for pair in minimal]
        right = (logits(job, minimal) > logits(job, back)) == np.array([pair.fluent for pair in minimal])
        result["minimal_pairs_of_unseen_paradigms"] = {"n": len(minimal), "right": round(float(right.mean()), 4)}
    return result
