"""Fits the pattern model and its two thresholds to human revisions; the same data gives the same files."""

from __future__ import annotations

import hashlib
import itertools
import json
import platform
import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from rewards_pattern_conformity.model import PatternModel, fit_model
from rewards_pattern_conformity.operations import ADD, ALPHABET, GAP, KEEP, operations

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

DATE = "2026-11-22"
FOLDS = 5
ORDERS = range(1, 8)
PERCENTILES = (50, 90, 95, 99)
SEED = 20261122
REFERENCE = ("base", "v11")
SOURCE = "human_edits/argrewrite.jsonl"


def fit(data: Path, out: Path) -> dict[str, Any]:
    """Writes `model.safetensors` and `card.json` to `out`, and returns the card.

    The writers fall into five folds. The order is the one with the lowest perplexity on writers not seen, over all five
    fits; the thresholds are percentiles of the same cross-fitted perplexities. Shipped is the fit that leaves out fold 0.
    """
    groups, sequences = human_operations(data)
    perplexities = {order: _crossfit(groups, sequences, order)[0] for order in ORDERS}
    order = min(perplexities, key=lambda each: perplexities[each])
    _, sentences, edits = _crossfit(groups, sequences, order)
    model = _fit_without(groups, sequences, 0, order)
    out.mkdir(parents=True, exist_ok=True)
    model.save(out / "model.safetensors")
    card = _card(data, groups, order, perplexities, sentences, edits)
    held = [ops for ops, fold in zip(sequences, groups, strict=True) if fold == 0]
    measured = {name: _reference(data, name, model, held, card) for name in REFERENCE}
    card["people_against_models"] = {name: result for name, result in measured.items() if result}
    (out / "card.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return card


def human_operations(data: Path) -> tuple[NDArray[np.int64], list[str]]:
    """The fold of the writer (N,) and the operations of every changed sentence pair that people wrote."""
    lines = (data / SOURCE).read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["before"] and row["after"] and row["before"] != row["after"]]
    folds = np.array([fold_of(row["doc"]) for row in rows])
    return folds, [operations(row["before"], row["after"]) for row in rows]


def fold_of(document: str) -> int:
    """The fold of a document. Drafts by one writer share the number in their file name, so they share the fold."""
    number = re.search(r"argrewrite_(\d+)", document)
    return hashlib.sha256((number[1] if number else document).encode()).digest()[0] % FOLDS


def single_edits(ops: str) -> list[str]:
    """The operations of a sentence in which each of its edits stands alone, the others taken back."""
    groups = [match.span() for match in re.finditer(f"[^{KEEP}]+", ops)]
    return [_undone(ops[:start]) + ops[start:end] + _undone(ops[end:]) for start, end in groups]


def _undone(ops: str) -> str:
    return KEEP * (len(ops) - ops.count(ADD))  # what was added goes; what was deleted or replaced is kept


def _fit_without(folds: NDArray[np.int64], sequences: list[str], fold: int, order: int) -> PatternModel:
    return fit_model([ops for ops, own in zip(sequences, folds, strict=True) if own != fold], order)


def _crossfit(
    folds: NDArray[np.int64], sequences: list[str], order: int
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Perplexity per operation over all unseen writers, and per sentence and per single edit: float, (N,), (E,)."""
    logs, sentences, edits = [], [], []
    for fold in range(FOLDS):
        model = _fit_without(folds, sequences, fold, order)
        held = [ops for ops, own in zip(sequences, folds, strict=True) if own == fold]
        logs += [model.log_probabilities(ops) for ops in held]
        sentences.append(model.perplexity(held))
        edits.append(model.perplexity([single for ops in held for single in single_edits(ops)]))
    return float(np.exp(-np.concatenate(logs).mean())), np.concatenate(sentences), np.concatenate(edits)


def _card(
    data: Path,
    folds: NDArray[np.int64],
    order: int,
    perplexities: dict[int, float],
    sentences: NDArray[np.float64],
    edits: NDArray[np.float64],
) -> dict[str, Any]:
    return {
        "measures": "How predictable the token operations of an edit are to a model of human revision: perplexity per "
        f"operation, at least 1, lower is more human-like. Operations: {ALPHABET} (keep, keep in edit, delete, add, "
        f"replace); kept tokens at most {GAP} between changes are kept in edit.",
        "model": f"causal interpolated Witten-Bell {order}-gram with start and end, folded into one dense table",
        "data": {
            "file": SOURCE,
            "sha256": hashlib.sha256((data / SOURCE).read_bytes()).hexdigest(),
            "licence": "CC BY 4.0, ArgRewrite V2 (Kashefi et al., 2022)",
            "sentences": len(folds),
            "single_edits": len(edits),
        },
        "split": f"{FOLDS} folds by writer (SHA-256 of the number in the file name, modulo {FOLDS}); shipped: the fit "
        f"without fold 0 ({int((folds != 0).sum())} sentences; {int((folds == 0).sum())} stay unseen)",
        "order": order,
        "perplexity_per_operation_unseen_writers": {str(key): round(value, 4) for key, value in perplexities.items()},
        "threshold_sentence": _threshold(sentences, "whole changed sentences"),
        "threshold_edit": _threshold(edits, "sentences with one of their edits alone"),
        "limitations": [
            "Human revisions here are students' second drafts of essays on one topic, not edits for appropriateness.",
            "A sentence with all its edits tells people from models better than one edit does.",
            "Perplexity per operation falls with the length of the sentence, because most operations are keeps.",
        ],
        "date": DATE,
        "seed": SEED,
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "rapidfuzz": version("rapidfuzz")},
    }


def _threshold(values: NDArray[np.float64], what: str) -> dict[str, Any]:
    percentiles = {f"p{each}": round(float(np.percentile(values, each)), 4) for each in PERCENTILES}
    return {
        "value": percentiles["p99"],
        "source": f"99th percentile of {len(values):,} human revisions by unseen writers ({what}; ArgRewrite V2)",
        "percentile": 99,
        "n": len(values),
        **percentiles,
    }


def _reference(
    data: Path, name: str, model: PatternModel, held: list[str], card: dict[str, Any]
) -> dict[str, Any] | None:
    """How perplexity tells unseen people from a language model's edits (measured, never fitted); None without the file."""
    path = data / "reference" / f"{name}.scored.jsonl"
    if not path.exists():
        return None
    sentences, edits = _generated(path)
    people, models = model.perplexity(held), model.perplexity(sentences)
    alone, single = model.perplexity([one for ops in held for one in single_edits(ops)]), model.perplexity(edits)
    rng = np.random.default_rng(SEED)
    areas = [_area(rng.choice(people, len(people)), rng.choice(models, len(models))) for _ in range(500)]
    lengths = np.array([len(ops) for ops in held]), np.array([len(ops) for ops in sentences])
    matched = [_area(*_matched(people, models, *lengths, rng)) for _ in range(100)]
    return {
        "sentences": {"people": len(people), "model": len(models)},
        "roc_auc_sentence": round(_area(people, models), 3),
        "roc_auc_sentence_95": [round(float(np.quantile(areas, q)), 3) for q in (0.025, 0.975)],
        "roc_auc_sentence_matched_lengths": round(float(np.mean(matched)), 3),
        "roc_auc_edit": round(_area(alone, single), 3),
        "pass_sentence": round(float((models <= card["threshold_sentence"]["value"]).mean()), 3),
        "pass_edit": round(float((single <= card["threshold_edit"]["value"]).mean()), 3),
    }


def _generated(path: Path) -> tuple[list[str], list[str]]:
    """The operations of every edited sentence with all its valid edits, and of every such edit alone."""
    groups: dict[tuple[int, int], list[tuple[str, str, str]]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        for edit in json.loads(line)["edits"]:
            sentence, old, new = edit["original_sentence"] or "", edit["inappropriate_part"], edit["rewritten_part"]
            if edit["valid"] and old in sentence and old != new:
                groups.setdefault((number, edit["sentence_id"]), []).append((sentence, old, new))
    sentences, edits = [], []
    for group in groups.values():
        before = after = group[0][0]
        for _, old, new in group:
            after = after.replace(old, new, 1)
            edits.append(operations(before, before.replace(old, new, 1)))
        sentences.append(operations(before, after))
    return [ops for ops in sentences if set(ops) != {KEEP}], [ops for ops in edits if set(ops) != {KEEP}]


def _area(people: NDArray[np.float64], models: NDArray[np.float64]) -> float:
    return float((models[:, None] > people).mean() + (models[:, None] == people).mean() / 2)


def _matched(
    people: NDArray[np.float64],
    models: NDArray[np.float64],
    length: NDArray[np.int64],
    length_models: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As many of either side from each of a few ranges of length, drawn at random."""
    edges = [0, 10, 15, 20, 25, 30, 40, 60, 10_000]
    ours, theirs = [], []
    for low, high in itertools.pairwise(edges):
        mine = np.flatnonzero((length >= low) & (length < high))
        yours = np.flatnonzero((length_models >= low) & (length_models < high))
        size = min(len(mine), len(yours))
        ours.append(people[rng.choice(mine, size, replace=False)])
        theirs.append(models[rng.choice(yours, size, replace=False)])
    return np.concatenate(ours), np.concatenate(theirs)
