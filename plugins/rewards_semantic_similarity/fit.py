"""Chooses the similarity threshold from human revisions; the same data and embeddings give the same card."""

from __future__ import annotations

import hashlib
import json
import platform
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Embed = Callable[[Sequence[str]], NDArray[np.float32]]

DATE = "2026-11-22"
SEED = 20261122
PERCENTILE = 5
PERCENTILES = (1, 2, 5, 10, 25, 50)
HUMAN = "human_edits/argrewrite.jsonl"
UNRELATED = "arguments/ukpconvarg1.jsonl"
REFERENCE = ("base", "v11")


def fit(data: Path, embed: Embed, out: Path) -> dict[str, Any]:
    """Writes `card.json` to `out`, and returns it. `embed` gives the unit-length embedding of each text: (N, D)."""
    rows = [row for row in _rows(data / HUMAN) if row["before"] and row["after"] and row["before"] != row["after"]]
    before = embed([row["before"] for row in rows])
    human = (before * embed([row["after"] for row in rows])).sum(-1)
    rng = Random(SEED)  # noqa: S311 - a seeded sample, nothing secret
    others = embed([rng.choice(rows)["after"] for _ in rows])
    strangers = embed([row["text"] for row in rng.choices(_rows(data / UNRELATED), k=len(rows))])
    card = _card(data, human, (before * others).sum(-1), (before * strangers).sum(-1))
    measured = {name: _reference(data, embed, name, card["threshold"]["value"]) for name in REFERENCE}
    card["against_the_reference_labels"] = {name: result for name, result in measured.items() if result}
    out.mkdir(parents=True, exist_ok=True)
    (out / "card.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return card


def _card(
    data: Path, human: NDArray[np.float32], same: NDArray[np.float32], other: NDArray[np.float32]
) -> dict[str, Any]:
    cuts = {each: round(float(np.percentile(human, each)), 4) for each in PERCENTILES}
    rng = np.random.default_rng(SEED)
    spread = [np.percentile(rng.choice(human, len(human)), PERCENTILE) for _ in range(500)]
    return {
        "measures": "Cosine of the embeddings of a sentence before and after an edit (all-MiniLM-L6-v2).",
        "threshold": {
            "value": cuts[PERCENTILE],
            "source": f"{PERCENTILE}th percentile of {len(human):,} human revisions (ArgRewrite V2)",
            "percentile": PERCENTILE,
            "n": len(human),
            "interval_95": [round(float(np.quantile(spread, q)), 4) for q in (0.025, 0.975)],
        },
        "percentiles": {
            f"p{each}": {
                "cosine": cut,
                "kept_human": round(float((human >= cut).mean()), 4),
                "rejected_other_topic": round(float((other < cut).mean()), 4),
                "rejected_same_topic": round(float((same < cut).mean()), 4),
            }
            for each, cut in cuts.items()
        },
        "controls": "other topic: the sentence replaced by a web-debate argument on another issue; same topic: by a random "
        "sentence of another revision of essays on the one topic of the data",
        "data": {
            HUMAN: {"licence": "CC BY 4.0, ArgRewrite V2", "rows": len(human), "sha256": _digest(data / HUMAN)},
            UNRELATED: {"licence": "CC BY 4.0, UKPConvArg1", "sha256": _digest(data / UNRELATED)},
        },
        "limitations": [
            "The people revised student essays; most of their changes are small, so the percentile is mild.",
            "A cosine hardly sees negation: an edit that turns the claim around may pass.",
        ],
        "date": DATE,
        "seed": SEED,
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }


def _reference(data: Path, embed: Embed, name: str, threshold: float) -> dict[str, Any] | None:
    """ROC-AUC against the reference's own gate (measured, never fitted); None where the file is absent."""
    path = data / "reference" / f"{name}.scored.jsonl"
    if not path.exists():
        return None
    triples = [
        (sentence, sentence.replace(edit["inappropriate_part"], edit["rewritten_part"], 1), edit["rewards"])
        for row in _rows(path)
        for edit in row["edits"]
        if edit["valid"] and edit["inappropriate_part"] in (sentence := edit["original_sentence"] or "")
    ]
    triples = [triple for triple in triples if triple[0] != triple[1]]
    cosine = (embed([before for before, _, _ in triples]) * embed([after for _, after, _ in triples])).sum(-1)
    label = np.array([rewards["semantic_similarity"] == 1.0 for _, _, rewards in triples])
    greater = (cosine[label][:, None] > cosine[~label]).mean() + 0.5 * (cosine[label][:, None] == cosine[~label]).mean()
    return {
        "n": len(label),
        "roc_auc": round(float(greater), 4),
        "passes_here": round(float((cosine >= threshold).mean()), 4),
        "passes_there": round(float(label.mean()), 4),
        "agreement": round(float(((cosine >= threshold) == label).mean()), 4),
    }


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
