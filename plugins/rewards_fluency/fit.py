"""Fits the fluency head to human edits and broken ones; the same data and states give the same files. Needs scikit-learn."""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import sklearn
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from rewards_fluency import LAYER
from rewards_fluency.pairs import SEED, Pair, pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    States = Callable[[Sequence[str]], NDArray[np.float32]]
    Score = Callable[[Sequence[Pair]], Floats]

DATE = "2026-11-22"
PENALTY = 0.02  # scikit-learn's C
SOURCES = {
    "human_edits/argrewrite.jsonl": "CC BY 4.0, ArgRewrite V2",
    "toxicity/paradetox.jsonl": "CC0, ParaDetox",
    "toxicity/toxic_spans_train.jsonl": "CC0, Civil Comments",
    "arguments/ukpconvarg1.jsonl": "CC BY 4.0, UKPConvArg1",
    "fluency/blimp.jsonl": "CC BY, BLiMP",
}
REFERENCE = ("base", "v11")


def fit(data: Path, states: States, out: Path) -> dict[str, Any]:
    """Writes `head.safetensors` and `card.json` to `out`, and returns the card.

    `states` gives the mean hidden state after `LAYER` blocks of each text: (N, D), zeros for the empty text.
    """
    examples = pairs(data)
    split = {name: [pair for pair in examples if pair.split == name] for name in ("train", "valid", "test")}
    weights = fit_head(with_repairs(split["train"]), split["valid"], states)
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: value.astype(np.float32) for name, value in weights.items()}, out / "head.safetensors")

    def score(some: Sequence[Pair]) -> Floats:
        before, after = _both(some, states)
        logits = before @ weights["before"] + after @ weights["after"] + weights["bias"]
        return np.where(after.any(-1), logits, -30.0)  # an emptied sentence is disfluent by definition, as in `head`

    card = _card(data, split, score)
    (out / "card.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return card


def with_repairs(examples: Sequence[Pair]) -> list[Pair]:
    """The pairs and, for every disfluent one, the way back, which is a fluent edit."""
    back = [
        replace(pair, before=pair.after, after=pair.before, fluent=True, kind="way back")
        for pair in examples
        if not pair.fluent
    ]
    return [*examples, *back]


def fit_head(train: Sequence[Pair], valid: Sequence[Pair], states: States) -> dict[str, Floats]:
    """Weights `before` (D,) and `after` (D,) and `bias` (1,) of the calibrated logit of P(fluent)."""
    before, after = _both(train, states)
    mean, scale = after.mean(0), after.std(0) + 1e-6
    scale_change = (after - before).std(0) + 1e-3 * scale
    inputs = np.concatenate([(after - mean) / scale, (after - before) / scale_change], 1).astype(np.float32)
    head = LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=300)
    head.fit(inputs, [pair.fluent for pair in train])
    own, change = np.split(head.coef_[0].astype(np.float64), 2)
    weight_before, weight_after = -change / scale_change, own / scale + change / scale_change
    bias = float(np.asarray(head.intercept_)[0]) - float((own * mean / scale).sum())
    before, after = _both(valid, states)
    logits = before @ weight_before + after @ weight_after + bias
    platt = LogisticRegression(C=1e3, class_weight="balanced").fit(logits[:, None], [pair.fluent for pair in valid])
    slope, shift = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    return {"before": slope * weight_before, "after": slope * weight_after, "bias": np.array([slope * bias + shift])}


def _both(some: Sequence[Pair], states: States) -> tuple[Floats, Floats]:
    texts = sorted({text for pair in some for text in (pair.before, pair.after)})
    place = {text: number for number, text in enumerate(texts)}
    values = states(texts).astype(np.float64)
    return values[[place[pair.before] for pair in some]], values[[place[pair.after] for pair in some]]


def _card(data: Path, split: dict[str, list[Pair]], score: Score) -> dict[str, Any]:
    people = score([pair for pair in split["test"] if pair.kind == "human"])
    return {
        "measures": "P(fluent) of a sentence after an edit, judged beside the sentence before it.",
        "model": f"logistic regression on the mean hidden states after {LAYER} blocks of SmolLM2-135M-Instruct of both "
        "sentences, [after, after - before]; no start token; at most 1,024 tokens",
        "threshold": {
            "value": 0.5,
            "source": "the likelier of two classes, calibrated to equally many fluent and disfluent edits; "
            f"{(people >= 0).mean():.1%} of {len(people)} unseen human revisions pass",
        },
        "human_revisions_unseen": {
            f"p{each}": round(float(1 / (1 + np.exp(-np.percentile(people, each)))), 4) for each in (1, 5, 10, 25, 50)
        },
        "data": {
            name: {"licence": licence, "sha256": hashlib.sha256((data / name).read_bytes()).hexdigest()}
            for name, licence in SOURCES.items()
        },
        "pairs": {
            name: dict(sorted(Counter(f"{'' if pair.fluent else 'not '}fluent: {pair.kind}" for pair in some).items()))
            for name, some in split.items()
        },
        "split": "70 / 10 / 20 % by writer, sentence or (BLiMP) paradigm, by SHA-256; fitted on train with the way back of "
        "every disfluent pair, calibrated on valid",
        "hyper_parameters": {"C": PENALTY, "class_weight": "balanced", "calibration": "Platt, balanced"},
        "test": _test(split["test"], score),
        "jfleg_test": _jfleg(data, score),
        "against_the_reference_labels": {
            name: result for name in REFERENCE if (result := _reference(data, score, name)) is not None
        },
        "limitations": [
            "The disfluent edits are made by rule from human ones; a language model's own faults are subtler.",
            "JFLEG (non-commercial) and the reference labels are measured against, never fitted; but some ninety variants "
            "were compared in sight of both, so their figures are slightly optimistic.",
            "English; sentences of up to about thirty words; it sees the two sentences, not their context.",
        ],
        "date": DATE,
        "seed": SEED,
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "scikit-learn": sklearn.__version__},
    }


def _test(test: Sequence[Pair], score: Score) -> dict[str, Any]:
    """ROC-AUC over all pairs and of each kind of fluent edit against replaced spans that miss their seams."""
    logits, fluent = score(test), np.array([pair.fluent for pair in test])
    kinds = np.array([pair.kind for pair in test])
    seams = kinds == "seam"
    result: dict[str, Any] = {"n": len(test), "roc_auc": _area(fluent, logits)}
    for kind in ("human", "single", "detoxified", "paraphrase", "toned"):
        chosen = seams | (kinds == kind)
        result[f"roc_auc_{kind}_against_seam"] = _area(fluent[chosen], logits[chosen])
    blimp = kinds == "blimp"
    there = [pair for pair in test if pair.kind == "blimp"]
    back = [replace(pair, before=pair.after, after=pair.before) for pair in there]
    right = (score(there) > score(back)) == fluent[blimp]
    result["blimp_unseen_paradigms"] = {"n": len(there), "pair_accuracy": round(float(right.mean()), 3)}
    return result


def _jfleg(data: Path, score: Score) -> dict[str, Any] | None:
    """How often the first correction that changes anything is the better edit of the two directions, and passes."""
    path = data / "fluency" / "jfleg_test.jsonl"
    if not path.exists():
        return None
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["corrections"][0].strip() != row["source"].strip()]
    there = [Pair(row["source"], row["corrections"][0], True, "jfleg", "test") for row in rows]
    back = [replace(pair, before=pair.after, after=pair.before) for pair in there]
    forth = score(there)
    return {
        "n": len(there),
        "pair_accuracy": round(float((forth > score(back)).mean()), 3),
        "correction_passes": round(float((forth >= 0).mean()), 3),
        "way_back_passes": round(float((score(back) >= 0).mean()), 3),
    }


def _reference(data: Path, score: Score, name: str) -> dict[str, Any] | None:
    """ROC-AUC against the labels of the reference's ModernBERT; None where the file is absent."""
    path = data / "reference" / f"{name}.scored.jsonl"
    if not path.exists():
        return None
    found = [
        Pair(sentence, sentence.replace(part, edit["rewritten_part"], 1), edit["rewards"]["fluency"] == 1.0, "", "test")
        for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())
        for edit in row["edits"]
        if edit["valid"] and (part := edit["inappropriate_part"]) in (sentence := edit["original_sentence"] or "")
    ]
    found = [pair for pair in found if pair.before != pair.after]
    logits, fluent = score(found), np.array([pair.fluent for pair in found])
    rng = np.random.default_rng(SEED)
    draws = [rng.integers(0, len(found), len(found)) for _ in range(300)]
    areas = [roc_auc_score(fluent[draw], logits[draw]) for draw in draws]
    return {
        "n": len(found),
        "roc_auc": _area(fluent, logits),
        "roc_auc_95": [round(float(np.quantile(areas, q)), 3) for q in (0.025, 0.975)],
        "passes_here": round(float((logits >= 0).mean()), 3),
        "passes_there": round(float(fluent.mean()), 3),
        "agreement": round(float(((logits >= 0) == fluent).mean()), 3),
    }


def _area(fluent: NDArray[np.bool_], logits: Floats) -> float:
    return round(float(roc_auc_score(fluent, logits)), 3)
