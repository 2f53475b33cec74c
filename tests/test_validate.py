"""`bench.validate`: every stated number is compared, and none goes unnoticed."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from bench.validate.__main__ import compare
from bench.validate.data import Bench
from bench.validate.figures import figures, measured, merged, without_folds
from rewards.engine.engine import Engine
from rewards.fitting.run import run
from tests.conftest import write_lines

STATED: dict[str, Any] = {
    "n": 40,
    "roc_auc": 0.8,
    "roc_auc_95": [0.7, 0.9],
    "passes": 0.5,
    "curve": [{"share": 0.1, "n": 15}, {"share": 0.9, "n": 25}],
    "threshold": {"value": 0.5, "source": "94.3% of 1,686 people's revisions pass (all-MiniLM-L6-v2)"},
}


def bad(found: dict[str, Any], stated: dict[str, Any] = STATED) -> list[str]:
    return [figure.name for figure in figures(found, stated) if figure.bad]


def test_what_is_stated_is_found_again() -> None:
    assert bad(STATED) == []
    assert bad({**STATED, "roc_auc": 0.72, "passes": 0.504, "more": 7}) == []  # in its interval; rounding; not stated
    assert bad({**STATED, "roc_auc": 0.68, "passes": 0.506}) == ["roc_auc", "passes"]
    assert bad({**STATED, "passes": float("nan")}) == ["passes"]


def test_a_figure_that_nothing_produces_any_more_is_noticed() -> None:
    found = {key: value for key, value in STATED.items() if key != "passes"}
    assert bad(found) == ["passes"]
    (gone,) = (figure for figure in figures(found, STATED) if figure.bad)
    assert "✗ passes" in str(gone)
    assert "not found  stated [0.5, 0.5]" in str(gone)


def test_numbers_in_lists_intervals_and_texts_are_compared() -> None:
    found = json.loads(json.dumps(STATED).replace('"share": 0.9, "n": 25', '"share": 0.8, "n": 26'))
    assert bad(found) == ["curve.1.share", "curve.1.n"]
    assert bad({**STATED, "curve": STATED["curve"][:1]}) == ["curve.1.share", "curve.1.n"]
    assert bad({**STATED, "roc_auc_95": [0.7, 0.8]}) == ["roc_auc_95.1"]
    source = "94.9% of 1,687 people's revisions pass (all-MiniLM-L6-v2)"
    assert bad({**STATED, "threshold": {"value": 0.5, "source": source}}) == [
        "threshold.source.0",
        "threshold.source.1",
    ]


def test_what_hangs_on_folds_that_are_not_given_stays_as_it_is() -> None:
    stated = {"fold0.0": {"f1": 0.8}, "fold0.1": {"f1": 0.7}, "fold1.0": {"f1": 0.6}, "f1_mean_of_folds": 0.7, "n": 9}
    alone, two = (
        {"fold0.0": {"f1": 0.9}, "n": 9},
        {"fold0.0": {"f1": 0.9}, "fold0.1": {"f1": 0.9}, "f1_mean_of_folds": 0.9},
    )
    assert without_folds(alone, stated) == ["fold0.1", "fold1.0", "f1_mean_of_folds"]
    assert merged(alone, stated) == {**stated, "fold0.0": {"f1": 0.9}}
    assert without_folds(two, stated) == ["fold1.0", "f1_mean_of_folds"]  # the mean is over more folds than were given
    assert merged({**two, "n": 9}, stated) == {**stated, "fold0.0": {"f1": 0.9}, "fold0.1": {"f1": 0.9}}
    assert without_folds({**stated, "f1_mean_of_folds": 0.8}, stated) == []


def test_a_file_is_compared_or_stated_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "validation.json"
    file.write_text(json.dumps({"fold0.0": {"f1": 0.8}, "fold0.1": {"f1": 0.7}, "gone": 1}))
    found = {"fold0.0": {"f1": 0.7}}
    assert compare("some", file, lambda: found) == 2
    printed = capsys.readouterr().out
    assert "fold0.1: not recomputed: give --fold" in printed
    assert printed.count("✗") == 2
    assert compare("some", file, lambda: found, write=True) == 0
    assert json.loads(file.read_text()) == {"fold0.0": {"f1": 0.7}, "fold0.1": {"f1": 0.7}}
    assert compare("some", file, lambda: found) == 0
    with pytest.raises(SystemExit, match="state the figures with --write"):
        compare("some", tmp_path / "none.json", lambda: found)


def test_of_a_card_only_what_was_measured_is_compared() -> None:
    card = {"model": "4-gram", "seed": 1, "options": {"rank": 8}, "rows": {"train": 9}, "test": {"n": 2}}
    assert measured(card) == {"rows": {"train": 9}, "test": {"n": 2}}


def test_a_card_is_measured_on_the_very_files_it_names(tmp_path: Path) -> None:
    data, params = tmp_path / "data", tmp_path / "params"
    data.mkdir()
    params.mkdir()
    write_lines(data / "rows.jsonl", {"text": "Lunch."})
    described = {"file": "rows.jsonl", "sha256": "0" * 64}
    (params / "card.json").write_text(json.dumps({"data": [described], "options": {}, "seed": 1}))
    with pytest.raises(SystemExit, match=r"has no rows\.jsonl with the SHA-256 that the card states"):
        Bench(data, Engine()).job(params, params)


def labelled(number: int, split: str) -> dict[str, Any]:
    good = number % 2
    return {"text": f"{'Please eat' if good else 'Idiots eat'} {number}.", "issue": "Lunch", "split": split,
            "labels": {"Inappropriateness": 1 - good}}  # fmt: skip


def judged(number: int, split: str) -> dict[str, Any]:
    good = number % 2
    after = f"We eat at {number}." if good else f"We at eats {number}."
    return {"before": f"We dine at {number}.", "after": after, "fluent": good, "split": split}


@pytest.mark.models
@pytest.mark.usefixtures("embedded_models")
@pytest.mark.parametrize(
    ("family", "row", "options"),
    [
        pytest.param("appropriateness", labelled, {"depth": 9, "epochs": 1, "share": 0}, marks=pytest.mark.slow),
        ("fluency", judged, {"depth": 5}),
    ],
)
def test_the_card_of_a_fit_is_found_again_without_fitting(
    tmp_path: Path, family: str, row: Callable[[int, str], dict[str, Any]], options: dict[str, Any]
) -> None:
    sizes = {"train": 100, "valid": 60, "test": 60}
    data = write_lines(tmp_path / "rows.jsonl", *(row(n, split) for split, size in sizes.items() for n in range(size)))
    out = tmp_path / "fit"
    card = run(family, [data], out, {**options, "rank": 1}, 1, Engine(dtype="float32"), lambda _: None)
    job, chosen = Bench(tmp_path, Engine(dtype="float32")).job(out, out)  # an engine has one model for a role
    fitting = import_module(f"rewards_{family}.fit")
    found = fitting.card_of(job, fitting.Options(**chosen))
    assert len(measured(found)) >= 4
    assert bad(measured(found), measured(card)) == []
