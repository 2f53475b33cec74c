"""How well patterns of edits tell unseen people from language models, with and without control of length and extent."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.data import SYSTEMS
from bench.validate.data import SEED, Bench
from rewards.fitting import measures
from rewards_pattern_conformity import FILE, PARAMS
from rewards_pattern_conformity.fit import fit, folds_of, human_operations, single_edits
from rewards_pattern_conformity.model import PatternModel
from rewards_pattern_conformity.operations import KEEP, operations

DRAWS = 500


def card(bench: Bench) -> dict[str, Any]:
    """The card of the fit, done again: it takes seconds."""
    return bench.refit(PARAMS, fit)


def validate(bench: Bench) -> dict[str, Any]:
    model = PatternModel.load(PARAMS / FILE)
    writers, sequences = human_operations(bench.job(PARAMS, PARAMS)[0])
    unseen = np.flatnonzero(folds_of(writers) == 0)
    people = [(str(writers[place]), sequences[place]) for place in unseen]
    return {"people_against_models": {system: _compare(bench, model, people, system) for system in SYSTEMS}}


def _compare(bench: Bench, model: PatternModel, people: list[tuple[str, str]], system: str) -> dict[str, Any]:
    """`people` are the writers and operations of sentences that the model has not seen."""
    sentences, edits = _generated(bench, system)
    owners, ops = map(list, zip(*people, *sentences, strict=True))
    label = np.array([1] * len(people) + [0] * len(sentences))
    score = -model.perplexity(ops)
    length = np.array([len(each) for each in ops])
    extent = np.array([sum(letter != KEEP for letter in each) for each in ops])
    count = np.array([sum(a == KEEP != b for a, b in zip(KEEP + each, each + KEEP, strict=True)) for each in ops])
    alone = [one for _, each in people for one in single_edits(each)]
    single = np.array([1] * len(alone) + [0] * len(edits))
    return {
        "sentences": {"people": len(people), "writers": len({writer for writer, _ in people}), "model": len(sentences)},
        "roc_auc_sentence": round(measures.roc_auc(label, score), 3),
        "roc_auc_sentence_95": measures.interval(measures.roc_auc, label, score, seed=SEED, owners=owners),
        **_matched("length", label, score, owners, (length // 5,)),
        **_matched("length_and_edits", label, score, owners, (length // 8, count)),
        **_matched("length_and_changed_words", label, score, owners, (length // 8, extent // 3)),
        "roc_auc_of_changed_words_alone": round(measures.roc_auc(label, -extent), 3),
        "roc_auc_edit": round(measures.roc_auc(single, -model.perplexity([*alone, *edits])), 3),
    }


def _matched(
    name: str, label: np.ndarray, score: np.ndarray, owners: list[str], by: tuple[np.ndarray, ...]
) -> dict[str, Any]:
    """ROC-AUC on as many people as models from each cell of `by`: mean over draws, and 95 % interval over owners."""
    keys = list(zip(*by, strict=True))
    rng = np.random.default_rng(SEED)

    def draw(places: np.ndarray) -> float:
        cells: dict[tuple[int, ...], tuple[list[int], list[int]]] = {}
        for place in places:
            cells.setdefault(keys[place], ([], []))[int(label[place])].append(int(place))
        chosen: list[int] = []
        for sides in cells.values():
            size = min(map(len, sides))
            for side in sides:
                chosen += [int(place) for place in rng.choice(side, size, replace=False)] if size else []
        return measures.roc_auc(label[chosen], score[chosen])

    every = np.arange(len(label))
    groups = [np.flatnonzero(np.array(owners) == owner) for owner in dict.fromkeys(owners)]
    whole = [draw(every) for _ in range(DRAWS)]
    drawn = [draw(np.concatenate([groups[g] for g in rng.integers(0, len(groups), len(groups))])) for _ in range(DRAWS)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    title = f"roc_auc_matched_{name}"
    return {title: round(float(np.mean(whole)), 3), f"{title}_95": [round(float(low), 3), round(float(high), 3)]}


def _generated(bench: Bench, system: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Argument and operations of every edited sentence with all its valid edits; and the operations of each edit alone."""
    groups: dict[tuple[int, int], list[tuple[str, str, str]]] = {}
    for number, row in enumerate(bench.rows(f"reference/{system}.scored.jsonl")):
        for edit in row["edits"]:
            sentence, old, new = edit["original_sentence"] or "", edit["inappropriate_part"], edit["rewritten_part"]
            if edit["valid"] and old in sentence and old != new:
                groups.setdefault((number, edit["sentence_id"]), []).append((sentence, old, new))
    sentences, edits = [], []
    for (number, _), group in groups.items():
        before = after = group[0][0]
        for _, old, new in group:
            after = after.replace(old, new, 1)
            edits.append(operations(before, before.replace(old, new, 1)))
        sentences.append((f"argument {number}", operations(before, after)))
    return [one for one in sentences if set(one[1]) != {KEEP}], [ops for ops in edits if set(ops) != {KEEP}]
