"""Fits that read the embedded models, to the end: few rows with a clear signal, the smallest options."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rewards
from rewards.engine.engine import Engine
from rewards.fitting.measures import roc_auc
from rewards.fitting.run import run
from rewards.suite import suite_of
from tests.conftest import write_lines

pytestmark = [pytest.mark.models, pytest.mark.usefixtures("embedded_models")]
PARTS = ("train", "train", "valid", "test")
TOPICS = ("lunch", "the bridge", "our school", "a dog", "the new bus", "her garden", "this song", "his old car")
VERBS = ("costs", "helps", "suits", "pleases", "surprises")


def scores(name: str, folder: Path, records: Iterable[dict[str, Any]]) -> list[float]:
    """What the reward with the parameters in a folder says of the records."""
    suite = suite_of([name], settings={name: {"params": str(folder)}}, engine=Engine(dtype="float32"))
    found = [result.rewards[name] for result in suite.score([rewards.read_revision(one) for one in records])]
    return [value for value in found if value is not None]


def arguments(count: int) -> list[dict[str, Any]]:
    """Every other one insults, and is labelled so."""
    return [
        {
            "text": f"{'You stupid idiots!' if n % 8 >= 4 else 'Dear readers,'} {TOPICS[n % 7]} {VERBS[n % 5]} {n} people.",
            "issue": "",
            "labels": {"Inappropriateness": int(n % 8 >= 4), "Toxic Emotions": int(n % 8 >= 4)},
            "split": PARTS[n % 4],
        }
        for n in range(count)
    ]


def told_by_another(row: dict[str, Any]) -> dict[str, Any]:
    """The row as another model labels it: not quite 0, not quite 1."""
    return {**row, "labels": {name: 0.9 if value else 0.2 for name, value in row["labels"].items()}}


def test_an_appropriateness_model_is_fitted(tmp_path: Path) -> None:
    rows = arguments(200)
    taught = [told_by_another(row) if row["split"] == "train" and n % 3 else row for n, row in enumerate(rows)]
    data = write_lines(tmp_path / "data.jsonl", *taught)
    small = {"teacher": None, "depth": 9, "epochs": 3, "rank": 1, "share": 0.2, "pairs": 0, "learning_rate": 1e-2}
    card = run("appropriateness", [data], tmp_path / "one", small, 1, Engine(dtype="float32"), lambda _: None)
    assert card["labels"] == ["Inappropriateness", "Toxic Emotions"]
    assert card["rows"] == {"train": 100, "valid": 50, "test": 50, "changed": card["rows"]["changed"]}
    test = [row for row in rows if row["split"] == "test"]
    label = [1 - row["labels"]["Inappropriateness"] for row in test]
    found = scores("appropriateness", tmp_path / "one", [{**row, "rewrite": row["text"]} for row in test])
    auc = roc_auc(label, found)
    assert auc == pytest.approx(card["test"]["Inappropriateness"]["roc_auc"], abs=1e-3)  # the order of the fit itself
    assert auc > 0.9


@pytest.mark.slow  # two fits with a teacher
def test_a_model_learns_the_same_twice_from_what_an_encoder_says_of_texts_without_labels(tmp_path: Path) -> None:
    rows = arguments(200)
    greetings = ["Dear readers,", "You stupid idiots!"]
    others = [{"text": f"{greetings[n % 2]} what of {TOPICS[n % 7]} in {n}?"} for n in range(40)]
    data = write_lines(tmp_path / "data.jsonl", *rows, *others)
    small: dict[str, Any] = {"depth": 9, "epochs": 1, "rank": 1, "share": 0.2, "pairs": 0, "learning_rate": 1e-2}
    small |= {"teacher": "all-minilm-l6-v2", "teacher_epochs": 2, "mixed": 0.5}
    said: list[str] = []
    card = run("appropriateness", [data], tmp_path / "one", small, 1, Engine(dtype="float32"), said.append)
    run("appropriateness_gain", [data], tmp_path / "two", small, 1, Engine(dtype="float32"), lambda _: None)
    assert (tmp_path / "one/adapter.safetensors").read_bytes() == (tmp_path / "two/adapter.safetensors").read_bytes()
    assert card["rows"]["others without labels"] == 40
    assert card["rows"]["mixtures without labels"] > 0
    assert card["teacher"].startswith("all-minilm-l6-v2 ")
    assert card["options"]["teacher"] == "all-minilm-l6-v2"
    assert card["test"]["Inappropriateness"]["roc_auc"] > 0.9
    assert any(line.startswith("ROC-AUC of the teacher on split valid, Inappropriateness: 1.0") for line in said)


def judged(count: int) -> list[dict[str, Any]]:
    """Edits by which a sentence stays whole, and every other time breaks off and starts again."""
    found = []
    for n in range(count):
        broken = n % 8 >= 4
        whole = f"I think that {TOPICS[n % 7]} {VERBS[n % 5]} {n} people in town."
        part = f"I think that {TOPICS[n % 7]} the the of {VERBS[n % 5]} of {n} people in in."
        before = f"Everybody knows that {TOPICS[n % 7]} {VERBS[n % 5]} {n} people in town."
        row = {"before": before, "after": part if broken else whole, "fluent": int(not broken), "split": PARTS[n % 4]}
        found.append(row)
    return found


def edit(row: dict[str, Any]) -> dict[str, Any]:
    """The row's edit as a record that is scored: the sentence replaced as a whole."""
    part = {"sentence_id": 1, "inappropriate_part": row["before"], "rewritten_part": row["after"], "reason": "Other"}
    return {"sentences": [row["before"]], "edits": [part]}


def test_a_fluency_model_is_fitted(tmp_path: Path) -> None:
    """On judged edits; the threshold is a percentile of human ones."""
    rows = judged(200)
    human = [{"before": row["before"], "after": row["after"], "split": "valid"} for row in judged(104) if row["fluent"]]
    data = write_lines(tmp_path / "data.jsonl", *rows, *human)
    options = {"depth": 5, "rank": 1, "examples": 120, "percentile": 5, "learning_rate": 1e-2}
    card = run("fluency", [data], tmp_path / "mine", options, 1, Engine(dtype="float32"), lambda _: None)
    assert card["threshold"]["n"] == len(human) == 52
    test = [row for row in rows if row["split"] == "test"]
    auc = roc_auc([row["fluent"] for row in test], scores("fluency", tmp_path / "mine", map(edit, test)))
    assert auc == pytest.approx(card["test"]["roc_auc"], abs=1e-3)  # the order of the fit itself
    assert auc > 0.8


@pytest.mark.parametrize("name", ["semantic_similarity", "token_similarity"])
def test_a_similarity_threshold_is_fitted(tmp_path: Path, name: str) -> None:
    pairs = [(f"{TOPICS[n % 7]} {VERBS[n % 5]} {n} people in our town.", n) for n in range(60)]
    rows = [{"before": text, "after": text.replace("people in our", "of us in this")} for text, _ in pairs]
    others = [{"text": f"Enzyme {n} splits a sugar at low temperature."} for n in range(20)]
    data = write_lines(tmp_path / "data.jsonl", *rows, *others)
    card = run(name, [data], tmp_path / "mine", {"percentile": 10}, 1, Engine(dtype="float32"), lambda _: None)
    assert (card["profile"], card["models"]) == ("embedded", ["all-minilm-l6-v2"])
    assert card["percentiles"]["p10"]["rejected_other_topic"] == 1.0
    found = np.array(scores(name, tmp_path / "mine", map(edit, rows)))
    suite = suite_of([name], settings={name: {"params": str(tmp_path / "mine")}})
    assert suite.components[0].threshold is not None
    assert (found < suite.components[0].threshold.value).sum() == 6  # of 60, a tenth
