"""Fits the appropriateness head to the ACL 2023 corpus; the same data and states give the same files. Needs scikit-learn."""

from __future__ import annotations

import hashlib
import json
import platform
from typing import TYPE_CHECKING, Any

import numpy as np
import sklearn
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score, f1_score, roc_auc_score
from sklearn.model_selection import cross_val_predict

from rewards_appropriateness import DIMENSIONS, LAYER, SKIP
from rewards_appropriateness.head import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DATE = "2026-11-22"
SEED = 20261122
FOLD = "fold0.0"
FOLDS = ("fold0.0", "fold0.1", "fold1.0")
PENALTY = 0.003  # scikit-learn's C; VALID macro-F1 varies by less than .007 from .001 to .01
REFERENCE = ("base", "v11")
MAIN = ("Inappropriateness", "Toxic Emotions", "Missing Commitment", "Missing Intelligibility", "Other Reasons")
SOURCE = "arguments/appropriateness_corpus.jsonl"


def fit(data: Path, states: Callable[[Sequence[str]], NDArray[np.float32]], out: Path) -> dict[str, Any]:
    """Writes `head.safetensors` and `card.json` to `out`, and returns the card.

    `states` gives the mean hidden state after `LAYER` blocks of each text, all tokens but the first `SKIP`: (N, D).
    Fitted on TRAIN of fold0.0, calibrated on its VALID and on TRAIN left out by turns; the other folds are fitted for
    the card alone.
    """
    rows = [json.loads(line) for line in (data / SOURCE).read_text(encoding="utf-8").splitlines()]
    features = states([text_of(row["issue"], row["text"]) for row in rows]).astype(np.float64)
    labels = np.array([[row["labels"][label] for label in DIMENSIONS] for row in rows])
    parts = {fold: np.array([row["folds"][fold] for row in rows]) for fold in FOLDS}
    heads = {fold: fit_head(features, labels, parts[fold]) for fold in FOLDS}
    weight, bias = heads[FOLD]
    out.mkdir(parents=True, exist_ok=True)
    save_file({"weight": weight.astype(np.float32), "bias": bias.astype(np.float32)}, out / "head.safetensors")
    results: dict[str, Any] = {
        fold: _measured(labels[part == "TEST"], _probabilities(features[part == "TEST"], heads[fold]))
        for fold, part in parts.items()
    }
    results["ece_10_bins_three_folds_pooled"] = _pooled_error(features, labels[:, 0], parts, heads)
    test = [row for row in rows if row["folds"][FOLD] == "TEST"]
    alone = states([text_of("", row["text"]) for row in test]).astype(np.float64)
    results[f"{FOLD}_without_issue"] = _measured(labels[parts[FOLD] == "TEST"], _probabilities(alone, heads[FOLD]))
    card = _card(data, parts[FOLD], results)
    measured = {name: _reference(data, states, heads[FOLD], name) for name in REFERENCE}
    card["against_the_reference_classifier"] = {name: result for name, result in measured.items() if result}
    (out / "card.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return card


def fit_head(features: Floats, labels: NDArray[np.int64], part: NDArray[np.str_]) -> tuple[Floats, Floats]:
    """The weights (D, 14) and biases (14,) of one affine map: standardisation, regression and calibration folded."""
    train, valid = part == "TRAIN", part == "VALID"
    mean, scale = features[train].mean(0), features[train].std(0) + 1e-6
    inputs = (features - mean) / scale
    weights, biases = [], []
    for column, label in enumerate(DIMENSIONS):
        target = labels[:, column]
        head = _regression().fit(inputs[train], target[train])
        left_out = cross_val_predict(_regression(), inputs[train], target[train], method="decision_function")
        logits = np.concatenate([np.asarray(left_out), np.asarray(head.decision_function(inputs[valid]))])
        slope, shift = _calibration(logits, np.concatenate([target[train], target[valid]]))
        if label != DIMENSIONS[0]:
            shift = -slope * _best_cut(logits, np.concatenate([target[train], target[valid]]))
        weights.append(slope * head.coef_[0] / scale)
        biases.append(slope * (float(head.intercept_[0]) - float(head.coef_[0] @ (mean / scale))) + shift)
    return np.stack(weights, 1), np.array(biases)


def _regression() -> LogisticRegression:
    return LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=3000)


def _calibration(logits: Floats, target: NDArray[np.int64]) -> tuple[float, float]:
    platt = LogisticRegression(C=1e3).fit(logits[:, None], target)
    return max(float(platt.coef_[0, 0]), 0.0), float(platt.intercept_[0])


def _best_cut(logits: Floats, target: NDArray[np.int64]) -> float:
    """The logit that splits the labels with the best macro-F1: the mean over resamples, for a single best one is noise."""
    rng = np.random.default_rng(SEED)
    cuts = np.quantile(logits, np.linspace(0.02, 0.98, 97))
    best = []
    for _ in range(50):
        draw = rng.integers(0, len(target), len(target))
        values, truth = logits[draw], target[draw]
        above = values[:, None] >= cuts
        hits = (above & (truth[:, None] == 1)).sum(0)
        misses, alarms = truth.sum() - hits, above.sum(0) - hits
        rests = len(truth) - hits - misses - alarms
        f1 = hits / (2 * hits + misses + alarms) + rests / (2 * rests + misses + alarms)
        best.append(cuts[np.argmax(f1)])
    return float(np.mean(best))


def calibration_error(target: NDArray[np.int64], probability: Floats, bins: int = 10) -> float:
    """Expected calibration error over `bins` equally wide bins of P(label)."""
    places = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = [abs(probability[places == b].sum() - target[places == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(target))


def _probabilities(features: Floats, head: tuple[Floats, Floats]) -> Floats:
    result: Floats = 1 / (1 + np.exp(-np.clip(features @ head[0] + head[1], -30, 30)))
    return result


def _measured(target: NDArray[np.int64], probability: Floats) -> dict[str, Any]:
    rng = np.random.default_rng(SEED)
    draws = rng.integers(0, len(target), (500, len(target)))
    first = probability[:, 0]
    # A perfectly calibrated model of this many texts has this error too: bins of some forty texts are noisy.
    ideal = [calibration_error((rng.random(len(first)) < first).astype(np.int64), first) for _ in range(200)]
    result: dict[str, Any] = {
        "n": len(target),
        "ece_10_bins": round(calibration_error(target[:, 0], first), 4),
        "ece_10_bins_if_perfect": round(float(np.mean(ideal)), 4),
    }
    for column, label in enumerate(DIMENSIONS):
        decided = (probability[:, column] >= 0.5).astype(int)
        result[label] = {
            "macro_f1": _macro_f1(target[:, column], decided),
            "roc_auc": round(float(roc_auc_score(target[:, column], probability[:, column])), 3),
        }
        if label in MAIN:
            spread = [_macro_f1(target[draw, column], decided[draw]) for draw in draws]
            result[label]["macro_f1_95"] = [round(float(np.quantile(spread, q)), 3) for q in (0.025, 0.975)]
    return result


def _pooled_error(
    features: Floats,
    target: NDArray[np.int64],
    parts: dict[str, NDArray[np.str_]],
    heads: dict[str, tuple[Floats, Floats]],
) -> float:
    truth, probability = [], []
    for fold, (weight, bias) in heads.items():
        test = parts[fold] == "TEST"
        truth.append(target[test])
        probability.append(_probabilities(features[test], (weight, bias))[:, 0])
    return round(calibration_error(np.concatenate(truth), np.concatenate(probability)), 4)


def _reference(
    data: Path, states: Callable[[Sequence[str]], NDArray[np.float32]], head: tuple[Floats, Floats], name: str
) -> dict[str, Any] | None:
    """Agreement with the reference's DeBERTa classifier (measured, never fitted); None where the file is absent."""
    path = data / "reference" / f"{name}.scored.jsonl"
    if not path.exists():
        return None
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    label, ours, theirs = DIMENSIONS[0], [], []
    for text, scores in (("argument", "before"), ("argument_after_all_edits", "after_all")):
        features = states([text_of(row["issue"], row[text]) for row in rows]).astype(np.float64)
        ours.append(_probabilities(features, head)[:, 0])
        theirs.append(np.array([row[f"predicted_scores_{scores}"][label] for row in rows]))
    changed = (theirs[0] >= 0.5) != (theirs[1] >= 0.5)
    same_way = np.sign(ours[1] - ours[0]) == np.sign(theirs[1] - theirs[0])
    return {
        "n": len(rows),
        "kappa_before": round(float(cohen_kappa_score(theirs[0] >= 0.5, ours[0] >= 0.5)), 3),
        "kappa_after_all_edits": round(float(cohen_kappa_score(theirs[1] >= 0.5, ours[1] >= 0.5)), 3),
        "roc_auc_before": round(float(roc_auc_score(theirs[0] >= 0.5, ours[0])), 3),
        "decision_changed_there": int(changed.sum()),
        "same_direction_here": round(float(same_way[changed].mean()), 3),
        "appropriate_after_all_edits": [round(float((scores < 0.5).mean()), 3) for scores in (ours[1], theirs[1])],
    }


def _macro_f1(target: NDArray[np.int64], decided: NDArray[np.int64]) -> float:
    return round(float(f1_score(target, decided, average="macro", zero_division=0.0)), 3)  # pyright: ignore[reportArgumentType]  # its type is guessed from a default


def _card(data: Path, part: NDArray[np.str_], results: dict[str, Any]) -> dict[str, Any]:
    counts = {name: int((part == name).sum()) for name in ("TRAIN", "VALID", "TEST")}
    return {
        "measures": "P(label) of an argument for the 14 dimensions of inappropriateness (Ziegenbein et al., ACL 2023).",
        "labels": list(DIMENSIONS),
        "model": f"logistic regression on the mean hidden state after {LAYER} blocks of SmolLM2-135M-Instruct of the "
        f"issue, an empty line and the argument, all tokens but the first {SKIP}; no start token; at most 1,024 tokens",
        "data": {
            "file": SOURCE,
            "sha256": hashlib.sha256((data / SOURCE).read_bytes()).hexdigest(),
            "licence": "The repository of the corpus (timonziegenbein/appropriateness-corpus) states no licence. These "
            "fitted parameters are statistics of it and hold no text; ask its authors before you redistribute the corpus.",
            "rows": counts,
        },
        "split": f"{FOLD}: fitted on TRAIN, calibrated on VALID and on cross-validated TRAIN; TEST unseen",
        "hyper_parameters": {"C": PENALTY, "class_weight": "balanced", "standardised": True, "calibration": "Platt"},
        "threshold": 0.5,
        "calibration": f"P({DIMENSIONS[0]}) to the corpus; the other labels, which are rare, with odds shifted so that .5 is the "
        "threshold of the best macro-F1 on left-out data",
        "macro_f1_mean_of_folds": {
            label: round(float(np.mean([results[fold][label]["macro_f1"] for fold in FOLDS])), 3) for label in MAIN
        },
        "test": results,
        "limitations": [
            "English web debates of about 100 words; trained on whole arguments under their issue, not on sentences: a single "
            "short sentence is judged inappropriate nearly always, as such posts mostly are in the corpus.",
            "Agreement is far from the human upper bound for the subdimensions; those below 5 % are hardly learned.",
            "A head on a small model can be fooled: optimise against it only together with gates on the edits.",
        ],
        "date": DATE,
        "seed": SEED,
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "scikit-learn": sklearn.__version__},
    }
