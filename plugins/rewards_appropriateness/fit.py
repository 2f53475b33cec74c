"""Fits the appropriateness classifier to labelled arguments and to pairs of toxic texts and their neutral rewrites."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from rewards.dimensions import DIMENSIONS
from rewards.errors import ConfigError
from rewards.features import ClassProbabilities
from rewards.fitting import measures
from rewards.fitting.adapters import AdapterRecipe, Example, fit_adapter, rescale_adapter, write_adapter
from rewards.fitting.rows import SPLITS, Row, Split, need, say_left_out, split_of
from rewards.fitting.unseen import runs
from rewards.models import store
from rewards.models.catalog import SMOLLM2, source_of
from rewards_appropriateness import ADAPTER, classifier
from rewards_appropriateness.teaching import calibration, described, mixtures, taught
from rewards_appropriateness.variants import FIRST, UNKNOWN, Labelled, calm, variants

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from rewards.fitting import Job

LEAST = 50  # arguments: in train of each class, in valid and in test altogether


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a fit: `share` of the arguments get one of the `variants`, `pairs` is the number of toxic pairs.

    A `teacher`, where one is named, labels all of these as well, besides texts without labels and `mixed` mixtures per
    argument.
    """

    fold: str
    depth: int
    epochs: int
    rank: int
    learning_rate: float
    share: float
    pairs: int
    teacher: str | None
    teacher_epochs: int
    mixed: float

    @property
    def recipe(self) -> AdapterRecipe:
        """How the adapter is fitted."""
        return AdapterRecipe(
            depth=self.depth,
            first=8,
            rank=self.rank,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            multi_label=True,
        )


def fit(job: Job, options: Options) -> dict[str, Any]:
    """Writes the adapter and returns the card.

    Rows are `{text or argument, issue, labels: {dimension: 0 or 1}, folds or split}`, or `{toxic, neutral}`. Labels of
    training rows may lie between 0 and 1: the share of several annotators, or another model's probability. Rows without
    labels are labelled by the teacher.
    """
    given, recipe = _given(job, options), options.recipe
    names, valid = given.names, given.labelled["valid"]
    job.say(
        f"{len(given.train):,} arguments, {len(given.changed):,} changed ones, {len(given.beside):,} toxic and neutral texts, "
        f"{len(given.mixed):,} mixtures, {len(given.unlabelled):,} texts without labels"
    )
    examples = [_example(one, names) for one in (*given.train, *given.changed, *given.beside)]
    shares = {name: _share(name, (*given.train, *valid)) for name in names}
    student = store.ensure(SMOLLM2, say=job.say)  # first, to fail before the teacher takes an hour
    card = {}
    if options.teacher:
        source = source_of(options.teacher)
        teacher = store.resolve(source, say=job.say)
        card["teacher"] = described(options.teacher, store.digest(source, teacher), options.teacher_epochs)
        more = [_example(one, names) for one in (*given.mixed, *given.unlabelled)]
        calibrating = [_example(one, names) for one in valid]
        own = replace(recipe, epochs=options.teacher_epochs)
        count = len(examples) + len(more)
        job.say(f"a teacher, {options.teacher}, learns from {len(examples):,} texts and labels {count:,}")
        examples = taught(job, teacher, own, examples, more, calibrating, list(shares.values()))
        recipe = replace(recipe, balanced=False)  # class weights would distort labels that are probabilities
    tensors = fit_adapter(student, examples, len(names), recipe, job.seed, job.say)
    write_adapter(job.out / ADAPTER, tensors, recipe)
    job.say("calibrating and measuring")
    scale, bias = _calibration(logits(job, valid, names), valid, shares)
    card = {**_card(job, options, given, (scale, bias)), **card}
    rescale_adapter(job.out / ADAPTER, recipe, scale, bias)
    return card


def card_of(job: Job, options: Options) -> dict[str, Any]:
    """The card that `fit` with these options would write for the parameters in `job.out`, with new measurements."""
    given = _given(job, options)
    unchanged = np.ones(len(given.names)), np.zeros(len(given.names))
    return _card(job, options, given, unchanged)


@dataclass(frozen=True, slots=True)
class Given:
    """The dimensions for which training rows have labels, the labelled arguments of each split, and the texts to fit on."""

    names: tuple[str, ...]
    labelled: dict[Split, list[Labelled]]
    train: list[Labelled]
    changed: list[Labelled]
    beside: list[Labelled]
    mixed: list[Labelled]
    unlabelled: list[Labelled]


def _given(job: Job, options: Options) -> Given:
    labelled, toxic, others = _read(job, options.fold, unlabelled=bool(options.teacher))
    names = tuple(name for name in DIMENSIONS if any(name in one.labels for one in labelled["train"]))
    if lost := {name for part in labelled.values() for one in part for name in one.labels}.difference(names):
        job.say(f"left out, because no training argument has a label for it: {', '.join(sorted(lost))}")
    train = [Labelled(one.issue, one.text, {name: one.labels.get(name, UNKNOWN) for name in names})
             for one in labelled["train"]]  # fmt: skip
    _check(train, labelled)
    rng = Random(job.seed)  # noqa: S311  (nothing secret)
    changed = variants(train, rng, options.share)
    beside = _toxic_pairs(toxic, names, options.pairs, rng)
    if not options.teacher:
        return Given(names, labelled, train, changed, beside, [], [])
    unknown = dict.fromkeys(names, UNKNOWN)
    unlabelled = [replace(one, labels=unknown) for one in _apart(job, others, labelled)]
    return Given(names, labelled, train, changed, beside, mixtures(train, rng, options.mixed), unlabelled)


def _apart(job: Job, others: Sequence[Labelled], labelled: Mapping[Split, Sequence[Labelled]]) -> list[Labelled]:
    """The distinct texts without labels that share no run of words with a labelled one."""
    known = {run for part in labelled.values() for one in part for run in runs({"text": one.text})}
    found = {one.text: one for one in others if known.isdisjoint(runs({"text": one.text}))}
    if len(found) < len(others):
        job.say(f"{len(others) - len(found):,} texts without labels share words with labelled ones, or repeat others")
    return list(found.values())


def logits(job: Job, arguments: Sequence[Labelled], names: tuple[str, ...]) -> NDArray[np.float64]:
    """(N, C): the logits of the adapter in `job.out` as it is stored, calibrated or not."""
    model = classifier(job.out, names)
    requests = [ClassProbabilities(one.text, model, one.issue) for one in arguments]
    probability = np.stack(job.features(requests)).astype(np.float64).clip(1e-6, 1 - 1e-6)
    odds: NDArray[np.float64] = probability / (1 - probability)
    return np.log(odds)


Read = tuple[dict[Split, list[Labelled]], list[tuple[str, str]], list[Labelled]]


def _read(job: Job, fold: str, *, unlabelled: bool) -> Read:
    """The labelled arguments of each split, the toxic pairs, and texts without labels, which only a teacher can use."""
    labelled: dict[Split, list[Labelled]] = {"train": [], "valid": [], "test": []}
    toxic, others, left_out = [], list[Labelled](), Counter[str]()
    places: dict[str, dict[Split, Row]] = {}
    for row in job.rows():
        if "toxic" in row.record:
            if rewrites := row.texts("neutral"):
                toxic.append((row.text("toxic"), rewrites[0]))
            else:
                left_out["without a neutral rewrite"] += 1
        else:
            text = row.text("text", "argument")
            if not text.strip():
                raise row.wrong("its text is blank; there is nothing to judge")
            issue = row.text("issue") if "issue" in row.record else ""
            split = split_of(row, issue + text, fold)
            if "labels" not in row.record and unlabelled:
                if {"split", "folds"} & row.record.keys() and split != "train":
                    raise row.wrong(f"it has no labels, and is of split {split}: only training rows can do without")
                if stray := sorted({"label", *DIMENSIONS} & row.record.keys()):
                    raise row.wrong(f"it has {stray[0]!r}, but no labels: {{{FIRST!r}: 0 or 1, …}}, where that belongs")
                others.append(Labelled(issue, text, {}))
                continue
            labelled[split].append(Labelled(issue, text, _labels(row, split)))
            places.setdefault(" ".join(text.split()), {}).setdefault(split, row)
    say_left_out(job.say, left_out)
    if others and not any(labelled.values()):
        raise ConfigError(f"no row has labels, an object such as {{{FIRST!r}: 1}}: there is nothing to fit on")
    crossing = [list(found.values()) for found in places.values() if len(found) > 1]
    if crossing:
        first, second, *_ = (f"{row.file.name}, line {row.number}" for row in crossing[0])
        job.say(f"{len(crossing):,} texts stand in more than one split ({first} and {second}), so they are not unseen")
    return labelled, toxic, others


def _labels(row: Row, split: Split) -> dict[str, float]:
    stated = row.record.get("labels")
    if stated is None:
        raise row.wrong("it has no labels: leave the file out, or name a teacher (--set teacher=MODEL) to label it")
    if not isinstance(stated, dict) or FIRST not in stated:
        raise row.wrong(f"labels: expected an object with {FIRST!r} and any of the other dimensions, 0 or 1 each")
    for name, value in stated.items():
        if name not in DIMENSIONS:
            raise row.wrong(f"labels has no dimension {name!r}; the dimensions are {', '.join(DIMENSIONS)}")
        if value in (0, 1):
            continue
        if split != "train":
            raise row.wrong(f"labels.{name} is {value!r}; expected 0 or 1, for this row is of split {split}")
        if not isinstance(value, int | float) or not 0 < value < 1:
            raise row.wrong(f"labels.{name} is {value!r}; expected 0, 1 or a share between them")
    return {name: float(value) for name, value in stated.items()}


def _check(train: Sequence[Labelled], labelled: dict[Split, list[Labelled]]) -> None:
    first = np.array([not calm(one) for one in train], dtype=int)
    if len(first) and first.min() == first.max():
        raise ConfigError(f"all {len(first)} training arguments have {FIRST} = {first[0]}; both classes are needed")
    for value in (0, 1):
        need(int((first == value).sum()), LEAST, f"training arguments with {FIRST} = {value}")
    for part, use in zip(SPLITS[1:], ("calibrate", "measure"), strict=True):
        need(len(labelled[part]), LEAST, f"arguments to {use} on (split {part})")
        measures.check_classes(np.array([one.labels[FIRST] for one in labelled[part]]), f"split {part}")


def _toxic_pairs(found: list[tuple[str, str]], names: tuple[str, ...], count: int, rng: Random) -> list[Labelled]:
    """Toxic texts labelled inappropriate and toxic, their rewrites not toxic; all other labels are unknown."""
    chosen = rng.sample(found, min(count, len(found)))
    unknown = dict.fromkeys(names, UNKNOWN)
    toxic = {name: 1 for name in (FIRST, "Toxic Emotions") if name in names}
    neutral = {"Toxic Emotions": 0} if "Toxic Emotions" in names else {}
    texts = [(bad, {**unknown, **toxic}) for bad, _ in chosen] + [(good, {**unknown, **neutral}) for _, good in chosen]
    return [Labelled("", text, labels) for text, labels in texts]


def _example(one: Labelled, names: tuple[str, ...]) -> Example:
    return Example(one.text, one.issue, tuple(one.labels[name] for name in names))


def _share(name: str, arguments: Sequence[Labelled]) -> float:
    """The mean label of this dimension over the arguments that have one: how many of them fall short in it."""
    known = [one.labels[name] for one in arguments if one.labels.get(name, UNKNOWN) != UNKNOWN]
    return float(np.mean(known))


def _calibration(
    found: NDArray[np.float64], valid: Sequence[Labelled], shares: Mapping[str, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(C,) and (C,): the factor and the shift that calibrate the logits `found` (N, C) of the arguments of valid.

    P(Inappropriateness) is calibrated by Platt's method. The other labels are rarer: their odds are shifted so that the
    share of positives on valid is that of all labelled arguments (`shares`). The few of valid tell neither that share well
    nor a threshold with the best F1.
    """
    labels = np.array([[one.labels.get(name, UNKNOWN) for name in shares] for one in valid])
    scale, bias = calibration(found, labels, list(shares.values()))
    for column, (name, share) in enumerate(shares.items()):
        kept = labels[:, column] != UNKNOWN
        if name != FIRST and 0 < labels[kept, column].sum() < kept.sum():
            bias[column] = -scale[column] * np.quantile(found[kept, column], 1 - share)
    return scale, bias


def measure(
    arguments: Sequence[Labelled], probability: NDArray[np.float64], names: tuple[str, ...], seed: int
) -> dict[str, Any]:
    """Macro-F1 with its interval and ROC-AUC of every dimension, and the calibration of the first."""
    truth = np.array([one.labels[FIRST] for one in arguments])
    result = measures.calibration_report(truth, probability[:, names.index(FIRST)], seed)
    for column, name in enumerate(names):
        known = np.array([one.labels.get(name, UNKNOWN) for one in arguments])
        kept = known != UNKNOWN
        label, score = known[kept], probability[kept, column]
        if not 0 < label.sum() < len(label):
            result[name] = {"n_of_one_class": len(label)}  # these measures need both classes
            continue
        result[name] = {
            "macro_f1": round(measures.macro_f1(label, score >= 0.5), 3),
            "macro_f1_95": measures.interval(measures.macro_f1, label, score >= 0.5, seed=seed),
            "roc_auc": round(measures.roc_auc(label, score), 3),
            "roc_auc_95": measures.interval(measures.roc_auc, label, score, seed=seed),
        }
    return result


def _card(
    job: Job, options: Options, given: Given, calibration: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> dict[str, Any]:
    names, test, recipe = given.names, given.labelled["test"], options.recipe
    found = 1 / (1 + np.exp(-(logits(job, test, names) * calibration[0] + calibration[1])))
    counts = {part: len(rows) for part, rows in given.labelled.items()}
    more = {
        name: len(rows)
        for name, rows in (
            ("changed", given.changed),
            ("toxic and neutral texts", given.beside),
            ("mixtures without labels", given.mixed),
            ("others without labels", given.unlabelled),
        )
        if rows
    }
    return {
        "rewards": ["appropriateness", "appropriateness_gain"],
        "measures": "P(label) of an argument under its issue for the dimensions of inappropriateness (ACL 2023).",
        "labels": list(names),
        "model": f"the first {recipe.depth} blocks of SmolLM2-135M-Instruct with low-rank changes (rank {recipe.rank}, from "
        f"block {recipe.first + 1}) and a head that adds up the mean and the strongest evidence of the argument's tokens",
        "threshold": 0.5,
        "rows": {**counts, **more},
        "split": f"the rows' own ({options.fold}), else by text: fitted on train, calibrated on valid, measured on test",
        "calibration": f"P({FIRST}) by Platt's method on valid, with the share of train and valid; the other, rarer "
        "labels with odds shifted so that at .5 the share of positives on valid is that of train and valid",
        "hyper_parameters": recipe.stated(),
        "test": measure(test, found, names, job.seed),
    }
