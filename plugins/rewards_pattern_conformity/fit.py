"""Fits the pattern model and its two thresholds to human revisions; the same data gives the same files."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from rewards.fitting.calibrate import threshold_of
from rewards.fitting.rows import need, revised, say_left_out
from rewards_pattern_conformity import FILE
from rewards_pattern_conformity.model import PatternModel, fit_model
from rewards_pattern_conformity.operations import ADD, ALPHABET, GAP, KEEP, operations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rewards.fitting import Job

FOLDS = 5
ORDERS = range(1, 8)
PERCENTILES = (50, 90, 95, 99)
LEAST = 100  # changed sentences: fewer are too little data for n-grams of order 4


def fit(job: Job, *, percentile: float) -> dict[str, Any]:
    """Writes the model and returns the card. Rows are `{before, after, doc}`, sentences that people have changed.

    The writers (by document, else by text) fall into five folds. The n-gram order is the one with the lowest perplexity in
    cross-validation by writer; the thresholds are percentiles of the same cross-validated perplexities. The fit without fold
    0 is the one that is written.
    """
    writers, sequences = human_operations(job)
    groups = folds_of(writers)
    need(len(sequences), LEAST, "changed sentences")
    need(len(set(groups)), FOLDS, "folds of writers; give rows of more documents (column doc)")
    perplexities = {}
    for order in ORDERS:
        perplexities[order] = _crossfit(groups, sequences, order)[0]
        job.say(f"order {order}: perplexity {perplexities[order]:.4f} on unseen writers")
    order = min(perplexities, key=lambda each: perplexities[each])
    _, sentences, edits = _crossfit(groups, sequences, order)
    _fit_without(groups, sequences, 0, order).save(job.out / FILE)
    places = np.argsort(groups, kind="stable")  # the order of `_crossfit`: fold after fold
    owners = writers[places]
    whole = threshold_of(sentences, percentile, False, job.seed, "revised sentences of unseen writers", owners)
    single = threshold_of(
        edits,
        percentile,
        False,
        job.seed,
        "sentences of unseen writers with one of their edits alone",
        np.repeat(owners, [len(single_edits(sequences[place])) for place in places]),
    )
    return {
        "rewards": ["pattern_conformity", "sentence_pattern_conformity"],
        "measures": "How predictable the token operations of an edit are to a model of human revision: perplexity per "
        f"operation, at least 1, lower is more human-like. Operations: {ALPHABET} (keep, keep in edit, delete, add, "
        f"replace); kept tokens at most {GAP} between changes are kept in edit.",
        "model": f"causal interpolated Witten-Bell {order}-gram with start and end, folded into one dense table",
        "rows": {"sentences": len(groups), "single edits": len(edits)},
        "split": f"{FOLDS} folds by writer (SHA-256 of the number in the file name, modulo {FOLDS}); kept: the fit "
        f"without fold 0 ({int((groups != 0).sum())} sentences; {int((groups == 0).sum())} stay unseen)",
        "order": order,
        "perplexity_per_operation_unseen_writers": {str(key): round(value, 4) for key, value in perplexities.items()},
        "threshold_sentence": {**whole, **_percentiles(sentences)},
        "threshold_edit": {**single, **_percentiles(edits)},
    }


def human_operations(job: Job) -> tuple[NDArray[np.str_], list[str]]:
    """The writer (N,) and the operations of every sentence in the rows that a person has changed."""
    writers, sequences, left_out = [], [], Counter[str]()
    for row in job.rows():
        if pair := revised(row, left_out):
            writers.append(row.owner(pair[0]))
            sequences.append(operations(*pair))
    say_left_out(job.say, left_out)
    return np.array(writers), sequences


def folds_of(writers: NDArray[np.str_]) -> NDArray[np.int64]:
    """The fold of each writer."""
    return np.array([hashlib.sha256(str(writer).encode()).digest()[0] % FOLDS for writer in writers], dtype=np.int64)


def single_edits(ops: str) -> list[str]:
    """For each edit of a sentence, the operations of the sentence with that edit alone, the others undone."""
    groups = [match.span() for match in re.finditer(f"[^{KEEP}]+", ops)]
    return [_undone(ops[:start]) + ops[start:end] + _undone(ops[end:]) for start, end in groups]


def _undone(ops: str) -> str:
    return KEEP * (len(ops) - ops.count(ADD))  # an added token disappears, a deleted or replaced one is kept


def _fit_without(folds: NDArray[np.int64], sequences: list[str], fold: int, order: int) -> PatternModel:
    return fit_model([ops for ops, own in zip(sequences, folds, strict=True) if own != fold], order)


def _crossfit(
    folds: NDArray[np.int64], sequences: list[str], order: int
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Cross-validated perplexity: per operation over all writers, per sentence (N,) and per single edit (E,), by fold."""
    logs, sentences, edits = [], [], []
    for fold in range(FOLDS):
        model = _fit_without(folds, sequences, fold, order)
        held = [ops for ops, own in zip(sequences, folds, strict=True) if own == fold]
        logs += [model.log_probabilities(ops) for ops in held]
        sentences.append(model.perplexity(held))
        edits.append(model.perplexity([single for ops in held for single in single_edits(ops)]))
    return float(np.exp(-np.concatenate(logs).mean())), np.concatenate(sentences), np.concatenate(edits)


def _percentiles(values: NDArray[np.float64]) -> dict[str, float]:
    return {f"p{each}": round(float(np.percentile(values, each)), 4) for each in PERCENTILES}
