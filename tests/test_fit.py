"""`rewards fit`: from a user's file to parameters that score with, and clear errors where a file does not do."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

import rewards
from rewards import fitting
from rewards.engine.engine import Engine
from rewards.errors import ConfigError
from rewards.features import Embedding
from rewards.fitting import Fitter, Job
from rewards.fitting.calibrate import calibrate, threshold_of
from rewards.fitting.measures import (
    calibration_error,
    calibration_report,
    check_classes,
    interval,
    macro_f1,
    percentiles,
    platt,
    roc_auc,
)
from rewards.fitting.params import digest_of, load_params, read_card
from rewards.fitting.rows import Row, read_rows, split_of
from rewards.fitting.run import run
from rewards.models.catalog import ENCODER
from rewards.plugins import registry
from rewards.records import read_revision
from rewards.suite import suite_of
from rewards.text.segment import split
from rewards_appropriateness.fit import Options, _given, _read
from rewards_appropriateness.teaching import calibration, mixtures
from rewards_appropriateness.variants import Labelled
from tests import tiny
from tests.conftest import command, installed, read_lines, record, write_lines


def revisions(count: int) -> list[dict[str, Any]]:
    """Sentences that somebody changed: every third grows by two words."""
    return [
        {
            "doc": f"essay_{number // 4}",
            "before": f"This is sentence number {number} and it says a thing or two about lunch.",
            "after": f"This is sentence number {number} and it {'clearly also ' if number % 3 else ''}says a thing about lunch.",
        }
        for number in range(count)
    ]


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def test_a_pattern_model_is_fitted_and_scores_with_its_own_threshold(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "revisions.jsonl", *revisions(120))
    out = tmp_path / "mine"
    done = command("fit", "pattern_conformity", "--data", data, "-o", out, "--percentile", "10")
    assert done.returncode == 0, done.stderr.decode()
    card = read_card(out)
    assert card["threshold_edit"]["percentile"] == 90.0
    for key in ("threshold_edit", "threshold_sentence"):  # as it ends it says what it found
        assert f"s  {key} {card[key]['value']:g}: {card[key]['source']}\n" in done.stderr.decode()
    assert card["data"][0]["file"] == "revisions.jsonl"
    assert card["rows"] == {"sentences": 120, "single edits": card["threshold_edit"]["n"]}
    again = tmp_path / "again"
    assert command("fit", "pattern_conformity", "--data", data, "-o", again, "--percentile", "10", "-q").stderr == b""
    assert (again / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes()
    for changed, same in (({"date": "1999-12-31"}, True), ({"seed": 7}, False)):
        (again / "card.json").write_text(json.dumps({**card, **changed}), encoding="utf-8")
        assert (digest_of(again) == digest_of(out)) == same

    scored, plain = tmp_path / "scored.jsonl", tmp_path / "plain.jsonl"
    source = write_lines(tmp_path / "in.jsonl", record())
    assert command("score", source, "-o", scored, "--reward", f"pattern_conformity.params={out}").returncode == 0
    assert command("score", source, "-o", plain, "--reward", "pattern_conformity").returncode == 0
    mine, shipped = (read_lines(path)[0]["edits"][0]["scores"]["pattern_conformity"] for path in (scored, plain))
    assert mine["threshold"] == card["threshold_edit"]["value"] != shipped["threshold"]
    assert mine["value"] != shipped["value"]
    header = json.loads((tmp_path / "scored.jsonl.meta.json").read_text())
    assert len(header["rewards"]["pattern_conformity"]["params"]["digest"]) == 64


def test_a_suite_names_parameters_beside_its_file(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "revisions.jsonl", *revisions(120))
    assert command("fit", "pattern_conformity", "--data", data, "-o", tmp_path / "mine", "-q").returncode == 0
    suite = tmp_path / "mine.yaml"
    suite.write_text("description: mine\nrewards:\n  sentence_pattern_conformity: {gate: true, params: mine}\n")
    out = tmp_path / "scored.jsonl"
    done = command("score", write_lines(tmp_path / "in.jsonl", record()), "-o", out, "--suite", suite)
    assert done.returncode == 0, done.stderr.decode()
    stated = read_card(tmp_path / "mine")["threshold_sentence"]["value"]
    assert read_lines(out)[0]["sentences"][0]["scores"]["sentence_pattern_conformity"]["threshold"] == stated


def test_what_one_writer_changes_is_drawn_together(tmp_path: Path) -> None:
    rows = [{"before": f"One two three {n}.", "after": f"One {'big ' * (n % 7)}two three {n}."} for n in range(1, 61)]
    alone = write_lines(tmp_path / "alone.jsonl", *rows)
    owned = write_lines(tmp_path / "owned.jsonl", *({**row, "doc": f"by {n // 20}"} for n, row in enumerate(rows)))
    found = [calibrate("sentence_pattern_conformity", Job((f,), tmp_path, Engine(), 1), 20) for f in (alone, owned)]
    assert found[0]["value"] == found[1]["value"]
    assert found[0]["interval_95"] != found[1]["interval_95"]


def test_a_threshold_is_calibrated_on_a_scored_file_whose_scores_are_null(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "data.jsonl", *revisions(30), record())
    scored = tmp_path / "scored.jsonl"
    assert command("score", data, "--reward", "useless_edits", "-o", scored).returncode == 0
    assert read_lines(scored)[0]["reward"] is None
    found = [calibrate("sentence_pattern_conformity", Job((f,), tmp_path, Engine(), 1), 20) for f in (data, scored)]
    assert found[0]["value"] == found[1]["value"]


def test_a_global_reward_has_no_threshold_to_calibrate(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "in.jsonl", record())
    done = command("fit", "format", "--data", data, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert b"reward 'format' is global: it is never a gate" in done.stderr


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"before": "a b", "after": "a c"}], "too few changed sentences: 1; at least 100 are needed"),
        ([{"before": "a b"}], "too few changed sentences: 0; at least 100 are needed"),
        ([{"old": "a b"}], "data.jsonl, line 1: expected columns before and after; it has old"),
        ([{"before": 3, "after": "b"}], "data.jsonl, line 1: before is int; expected a text"),
        ([b"{not json\n"], "data.jsonl, line 1: not JSON"),
        ([], "holds no rows"),
    ],
)
def test_bad_data_is_named(tmp_path: Path, rows: list[Any], message: str) -> None:
    data = write_lines(tmp_path / "data.jsonl", *rows)
    done = command("fit", "pattern_conformity", "--data", data, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert message in done.stderr.decode()
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.jsonl"]


def labelled(inappropriate: int, count: int = 300) -> list[dict[str, Any]]:
    parts = ("TRAIN", "VALID", "TEST")
    return [
        {
            "text": f"Text {n}.",
            "issue": "Lunch?",
            "labels": {"Inappropriateness": int(n < inappropriate)},
            "split": parts[n % 3],
        }
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (labelled(0), "all 100 training arguments have Inappropriateness = 0; both classes are needed"),
        (labelled(9), "too few training arguments with Inappropriateness = 1: 3; at least 50 are needed"),
        ([{"text": "A."}], "line 1: it has no labels: leave the file out, or name a teacher (--set teacher=MODEL)"),
        ([{"text": "A.", "labels": {}}], "line 1: labels: expected an object with 'Inappropriateness'"),
        (
            [{"text": "A.", "labels": {"Inappropriateness": 2}, "split": "train"}],
            "labels.Inappropriateness is 2; expected 0, 1 or a share between them",
        ),
        (
            [{"text": "A.", "labels": {"Inappropriateness": 0.4}, "split": "test"}],
            "labels.Inappropriateness is 0.4; expected 0 or 1, for this row is of split test",
        ),
        ([{"text": "A.", "labels": {"Inappropriateness": 1, "Rude": 1}}], "labels has no dimension 'Rude'"),
        ([{"labels": {"Inappropriateness": 1}}], "it has no column text or argument; it has labels"),
        ([labelled(1)[0], {**labelled(1)[1], "text": " \n"}], "line 2: its text is blank; there is nothing to judge"),
        ([{**labelled(1)[0], "split": "dev"}], "split is 'dev'; expected train, valid or test"),
    ],
)
def test_bad_labels_are_named(tmp_path: Path, rows: list[Any], message: str) -> None:
    data = write_lines(tmp_path / "data.jsonl", *rows)
    with pytest.raises(ConfigError, match=re.escape(message)):
        run("appropriateness", [data], tmp_path / "out", {"teacher": ""}, 1, Engine(), lambda _: None)
    assert not (tmp_path / "out").exists()


def test_texts_without_labels_are_a_teachers_unless_they_share_words_with_labelled_ones(tmp_path: Path) -> None:
    long = "Nobody in this town has ever asked what the school lunch really costs."
    rows = labelled(150)
    rows[0]["text"] = long
    others = [f"They say: {long}", "A cat sat here.", "A cat sat here.", "Nobody in this town asked.", " "]
    data = write_lines(tmp_path / "data.jsonl", *rows, *({"text": text, "issue": None} for text in others[:-1]))
    options = Options("fold0.0", 9, 1, 1, 1e-3, 0.0, 0, "some encoder", 1, 0.5)
    said: list[str] = []
    given = _given(Job((data,), tmp_path, Engine(), 1, said.append), options)
    assert [one.text for one in given.unlabelled] == ["A cat sat here.", "Nobody in this town asked."]
    assert said == ["2 texts without labels share words with labelled ones, or repeat others"]
    assert {value for one in (*given.unlabelled, *given.mixed) for value in one.labels.values()} == {-1}
    with pytest.raises(ConfigError, match="line 301: it has no labels: leave the file out"):
        _given(Job((data,), tmp_path, Engine(), 1), replace(options, teacher=""))
    for wrong, message in (
        ({"text": others[-1]}, "its text is blank"),
        (
            {"text": "A.", "split": "test"},
            "it has no labels, and is of split test: only training rows can do without",
        ),
        (
            {"text": "A.", "folds": {"fold0.0": "VALID"}, "label": {"Inappropriateness": 1}},
            "no labels, and is of split valid",
        ),
        ({"text": "A.", "folds": "TEST"}, "folds is 'TEST'; expected an object such as {'fold0.0': 'TRAIN'}"),
    ):
        write_lines(data, *rows, wrong)
        with pytest.raises(ConfigError, match=re.escape(message)):
            _given(Job((data,), tmp_path, Engine(), 1), options)
    write_lines(data, *rows, {"text": "A.", "split": "train"})
    assert [one.text for one in _given(Job((data,), tmp_path, Engine(), 1), options).unlabelled] == ["A."]


def test_shares_of_one_half_and_dimensions_that_nothing_to_fit_on_knows(tmp_path: Path) -> None:
    rows = labelled(150)
    for row in rows:
        if row["split"] == "TRAIN" and row["labels"]["Inappropriateness"]:
            row["labels"] = {"Inappropriateness": 0.5}  # half of the annotators: as inappropriate
        elif row["split"] == "TEST":
            row["labels"]["Missing Openness"] = 1
    data = write_lines(tmp_path / "data.jsonl", *rows)
    options = Options("fold0.0", 9, 1, 1, 1e-3, 1.0, 0, "", 1, 0.5)
    said: list[str] = []
    given = _given(Job((data,), tmp_path, Engine(), 1, said.append), options)
    assert given.names == ("Inappropriateness",)
    assert said == ["left out, because no training argument has a label for it: Missing Openness"]
    assert len(given.changed) > 50
    for row in rows:
        if row["split"] == "TRAIN":
            row["labels"] = {"Inappropriateness": 0.5}
    write_lines(data, *rows)
    with pytest.raises(ConfigError, match="all 100 training arguments have Inappropriateness = 1"):
        _given(Job((data,), tmp_path, Engine(), 1), options)


def test_mixtures_are_sentences_of_two_arguments_on_one_issue() -> None:
    texts = {"Lunch?": ("It is cold. It is dear.", "We like it. They do not."), "Dogs?": ("Dogs bark. Dogs bite.",)}
    known = [Labelled(issue, text, {"Inappropriateness": 1}) for issue, both in texts.items() for text in both]
    found = mixtures(known, Random(1), 4.5)
    assert 9 <= len(found) <= 15  # now and then no sentence is left
    assert [one.issue for one in mixtures(known, Random(1), 4.5)] == [one.issue for one in found]
    for one in found:
        own = {sentence for text in texts[one.issue] for sentence in split(text)[0]}
        assert set(sentences := split(one.text)[0]) <= own
        assert len(set(sentences)) == len(sentences)
        assert one.labels == {"Inappropriateness": -1}
    both = [one for one in found if "cold" in one.text or "dear" in one.text]
    assert any("We" in one.text or "They" in one.text for one in both)
    assert mixtures(known, Random(1), 0) == []
    strangers = [replace(one, issue="") for one in known]
    for one in mixtures(strangers, Random(1), 4.5):  # what names no issue has none in common
        assert any({*split(one.text)[0]} <= {*split(text)[0]} for both in texts.values() for text in both)


def test_a_teachers_logits_become_probabilities_of_what_is_known() -> None:
    rng = np.random.default_rng(1)
    labels = (rng.random((400, 3)) < (0.5, 0.2, 0.0)).astype(float)
    labels[:50, 1] = -1
    logits = 3 * (labels - 0.5) + rng.normal(0, 1, labels.shape) + 1
    scale, bias = calibration(logits, labels, [0.6, 0.2, 0.0])
    said = 1 / (1 + np.exp(-(logits * scale + bias)))
    assert said[:, 0].mean() == pytest.approx(0.57, abs=0.05)  # more than half: there are more elsewhere
    assert said[50:, 1].mean() == pytest.approx(0.2, abs=0.03)
    assert (scale[2], bias[2]) == (1, 0)  # nothing to calibrate by


def test_a_column_that_is_null_is_absent_in_jsonl_as_in_parquet(tmp_path: Path) -> None:
    rows = [{**row, "doc": row["doc"] if n % 3 else None, "after": row["after"] if n % 9 else None}
            for n, row in enumerate(revisions(150))]  # fmt: skip
    absent = [{name: value for name, value in row.items() if value is not None} for row in rows]
    files = [write_lines(tmp_path / "null.jsonl", *rows), write_lines(tmp_path / "absent.jsonl", *absent)]
    files.append(write_parquet(tmp_path / "data.parquet", rows))
    found, said = [], list[str]()
    for file in files:
        run("pattern_conformity", [file], tmp_path / "out", {}, 1, Engine(), said.append)
        found.append((tmp_path / "out" / "model.safetensors").read_bytes())
    assert found[0] == found[1] == found[2]
    assert said.count("rows left out: 17 with nothing before or after") == 3


def test_a_label_that_is_null_is_not_known_in_jsonl_as_in_parquet(tmp_path: Path) -> None:
    labels = ({"Inappropriateness": 1, "Toxic Emotions": None}, {"Inappropriateness": 0, "Toxic Emotions": 0})
    rows = [{"text": f"Text {n}.", "issue": None, "labels": one, "split": "train"} for n, one in enumerate(labels)]
    for file in (write_lines(tmp_path / "data.jsonl", *rows), write_parquet(tmp_path / "data.parquet", rows)):
        read, _, _ = _read(Job((file,), tmp_path, Engine(), 1), "fold0.0", unlabelled=False)
        known = [dict(one.labels) for one in read["train"]]
        assert known == [{"Inappropriateness": 1}, {"Inappropriateness": 0, "Toxic Emotions": 0}]


def test_what_a_fit_leaves_out_is_said(tmp_path: Path) -> None:
    one = revisions(1)[0]
    others = [{**one, "after": one["before"]}, {**one, "before": " "}, {"before": "Yes it is", "after": "No"}]
    data = write_lines(tmp_path / "data.jsonl", one, *others, {"text": "Too short."})
    said: list[str] = []
    with pytest.raises(ConfigError, match="too few revised sentences"):
        run("token_similarity", [data], tmp_path / "out", {}, 1, Engine(), said.append)
    assert said == ["rows left out: 1 unchanged, 1 with nothing before or after"]
    said.clear()
    with pytest.raises(ConfigError, match="too few disfluent edits"):
        run("fluency", [data], tmp_path / "out", {}, 1, Engine(), said.append)
    assert said[1:] == [
        "rows left out: 1 unchanged, 1 with nothing before or after, 1 of fewer than 3 words,"
        " 1 without a sentence of 5 to 30 words"
    ]


def test_a_text_in_two_splits_is_said(tmp_path: Path) -> None:
    rows = labelled(150)
    rows[4]["text"] = rows[3]["text"] + " "
    data = write_lines(tmp_path / "data.jsonl", *rows, {"toxic": "You fool.", "neutral": []})
    said: list[str] = []
    read, _, _ = _read(Job((data,), tmp_path, Engine(), 1, said.append), "fold0.0", unlabelled=False)
    assert [len(part) for part in read.values()] == [100, 100, 100]
    assert said == [
        "rows left out: 1 without a neutral rewrite",
        "1 texts stand in more than one split (data.jsonl, line 4 and data.jsonl, line 5), so they are not unseen",
    ]


BREAKS = """
import rewards
from rewards import fitting
from rewards.fitting import Fitter

def fit(job):
    (job.out / "model.safetensors").write_bytes(b"half of it")
    raise {error}

@rewards.reward(level="edit", range=(0, 1), threshold=0.5, fitter=Fitter(fit, None))
def breaks(edits):
    return [1.0 for _ in edits]

@rewards.hookimpl
def register_rewards(register):
    register(breaks)
"""


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ("rewards.RewardsError('too few')", 2, "error: too few\n"),
        ("OSError(28, 'No space left on device')", 2, "mine: No space left on device\n"),
        ("KeyboardInterrupt", 130, "interrupted\n"),
        (
            "ValueError('x')",
            2,
            "the fit of 'breaks' of breaks 1.0 failed: ValueError: x; REWARDS_DEBUG=1 shows where\n",
        ),
        ("SystemExit(0)", 2, "the fit of 'breaks' of breaks 1.0 failed: SystemExit: 0; "),
        ("__import__('asyncio').CancelledError()", 2, "the fit of 'breaks' of breaks 1.0 failed: CancelledError: ; "),
    ],
)
def test_what_a_broken_fit_left_is_told_also_without_progress(
    tmp_path: Path, error: str, code: int, message: str
) -> None:
    path = installed(tmp_path, "breaks", BREAKS.format(error=error))
    data = write_lines(tmp_path / "data.jsonl", {"text": "x"})
    done = command("fit", "breaks", "--data", data, "-o", tmp_path / "mine", "-q", PYTHONPATH=str(path))
    assert done.returncode == code
    assert message in done.stderr.decode()
    (kept,) = tmp_path.glob(".mine-*")
    assert f"what was fitted before this stopped is kept in {kept}\n" in done.stderr.decode()
    assert [file.name for file in kept.iterdir()] == ["model.safetensors"]


def test_a_threshold_is_calibrated_with_the_models_of_a_profile(tmp_path: Path) -> None:
    """It holds for that profile alone; fits of a model, which is the embedded one, take no other."""
    data = write_lines(tmp_path / "data.jsonl", *revisions(60))
    engine = Engine("full", dtype="float32", models={"encoder": str(tiny.gemma(tmp_path / "gemma"))})
    for name in ("semantic_similarity", "token_similarity"):
        card = run(name, [data], tmp_path / name, {}, 1, engine, lambda _: None)
        assert card["profile"] == "full"
        assert card["models"] == [str(tmp_path / "gemma")]
        shipped = registry().reward(name)[0]
        fitted = load_params(shipped, tmp_path / name)[0]
        assert fitted.thresholds["full"].value == card["threshold"]["value"]
        assert fitted.thresholds["embedded"] == shipped.thresholds["embedded"]
    # One model is asked in two ways: only the full profile has prompts.
    asked = (engine, replace(engine, profile="embedded"))
    found = [calibrate("semantic_similarity", Job((data,), tmp_path, one, 1), 5)["value"] for one in asked]
    assert found[0] != found[1]
    own = replace(shipped, fitter=None)  # a reward without a fit of its own takes the threshold of the card
    assert load_params(own, tmp_path / name)[0].thresholds == fitted.thresholds
    for name in ("fluency", "appropriateness", "pattern_conformity"):
        with pytest.raises(ConfigError, match=f"the fit of '{name}' reads no models but its own: leave out --profile"):
            run(name, [data], tmp_path / "out", {}, 1, engine, lambda _: None)
    done = command("fit", "fluency", "--data", data, "-o", tmp_path / "out", "--model", "encoder=x")
    assert done.returncode == 2
    assert b"leave out --profile and --model" in done.stderr
    named = Engine(models={"encodr": "x"})
    with pytest.raises(ConfigError, match="a model is named for role 'encodr'"):
        run("token_similarity", [data], tmp_path / "out", {}, 1, named, lambda _: None)


def test_reading_many_texts_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "REPORT_EVERY", -1)
    engine = Engine("full", dtype="float32", token_budget=16, models={"encoder": str(tiny.gemma(tmp_path / "gemma"))})
    lines = list[str]()
    job = Job((), tmp_path, engine, 1, lines.append)
    texts = ["one two", "one two three", "a b c d e f g", "one two"]
    assert len(job.features([Embedding(text, ENCODER, "query") for text in texts])) == 4
    assert lines[-1] == "3 of 3 texts read"
    assert len(lines) > 1


def test_an_unknown_option_names_the_nearest(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "data.jsonl", *revisions(3))
    done = command("fit", "pattern_conformity", "--data", data, "-o", tmp_path / "out", "--set", "percentil=3")
    assert done.returncode == 2
    assert b"has no option 'percentil' (did you mean 'percentile'?)" in done.stderr


def test_a_fit_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    """Also where the folder is named by a dot or a link, and in one process, which must not keep the earlier model."""
    first, second = revisions(120), [{**row, "after": row["after"].upper()} for row in revisions(120)]
    out = tmp_path / "mine"
    found = []
    for rows in (first, second):
        data = write_lines(tmp_path / "data.jsonl", *rows)
        run("pattern_conformity", [data], out, {}, 1, Engine(), lambda _: None)
        suite = suite_of(["pattern_conformity"], settings={"pattern_conformity": {"params": str(out)}})
        found.append(suite.score([read_revision(record())])[0].rewards["pattern_conformity"])
    assert found[0] != found[1]
    assert sorted(path.name for path in out.iterdir()) == ["card.json", "model.safetensors"]
    assert (out / "model.safetensors").stat().st_mode & 0o777 == 0o644
    (tmp_path / "link").symlink_to(out)
    run("pattern_conformity", [data], tmp_path / "link", {}, 1, Engine(), lambda _: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.jsonl", "link", "mine"]


def test_a_folder_without_its_model_is_an_error_before_anything_is_scored(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text(
        '{"rewards": ["pattern_conformity"], "threshold_edit": {"value": 2, "source": ""}}'
    )
    with pytest.raises(ConfigError, match="its parameters do not fit reward 'pattern_conformity'"):
        suite_of(["pattern_conformity"], settings={"pattern_conformity": {"params": str(tmp_path)}})


@pytest.mark.parametrize(
    ("option", "value"),
    [("epochs", 0), ("share", float("nan")), ("pairs", -1), ("rank", 0), ("learning_rate", 0), ("teacher_epochs", 0)],
)
def test_options_have_bounds(tmp_path: Path, option: str, value: Any) -> None:
    data = write_lines(tmp_path / "data.jsonl", *labelled(150))
    with pytest.raises(ConfigError, match=f"option '{option}'"):
        run("appropriateness", [data], tmp_path / "out", {option: value}, 1, Engine(), lambda _: None)


def test_nothing_is_written_over_what_is_no_fit(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "data.jsonl", *revisions(120))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    done = command("fit", "pattern_conformity", "--data", data, "-o", tmp_path / "notes")
    assert done.returncode == 2
    assert (tmp_path / "notes" / "mine.txt").read_text() == "keep"
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_text("somebody's")  # weights without the card of a fit
    with pytest.raises(ConfigError, match="holds 'model.safetensors', which no fit wrote"):
        run("pattern_conformity", [data], tmp_path / "model", {}, 1, Engine(), lambda _: None)
    assert (tmp_path / "model" / "model.safetensors").read_text() == "somebody's"


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ('{"reward": "fluency"}', "holds a fit of 'fluency', which one of 'pattern_conformity' would replace; give"),
        (
            '{"reward": "pattern_conformity", "rewards": ["appropriateness", "appropriateness_gain"]}',
            "holds a fit of 'appropriateness', 'appropriateness_gain', which one of 'pattern_conformity' would replace",
        ),
        ('{"reward": "pattern_', "may hold a fit of another reward: "),
        ("[1]", "card.json cannot be read: expected an object, found list; give another -o"),
        ('{"data": []}', "holds a card.json that states no reward, which no fit wrote; give another -o"),
    ],
)
def test_a_fit_does_not_take_the_place_of_another_rewards(tmp_path: Path, card: str, message: str) -> None:
    data = write_lines(tmp_path / "data.jsonl", *revisions(120))
    out = tmp_path / "fluency"
    out.mkdir()
    (out / "card.json").write_text(card)
    (out / "model.safetensors").write_text("an hour's work")
    done = command("fit", "pattern_conformity", "--data", data, "-o", out)
    assert done.returncode == 2
    assert f"-o {out} " in done.stderr.decode()
    assert message in done.stderr.decode()
    assert ((out / "card.json").read_text(), (out / "model.safetensors").read_text()) == (card, "an hour's work")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.jsonl", "fluency"]


def test_rewards_that_are_fitted_together_take_each_others_place(tmp_path: Path) -> None:
    data, out = write_lines(tmp_path / "data.jsonl", *revisions(120)), tmp_path / "mine"
    for name in ("pattern_conformity", "sentence_pattern_conformity", "pattern_conformity"):
        run(name, [data], out, {}, 1, Engine(), lambda _: None)
        assert name in read_card(out)["rewards"]


def test_what_came_to_lie_there_while_a_fit_ran_stays_and_so_does_the_fit(tmp_path: Path) -> None:
    data, out = write_lines(tmp_path / "data.jsonl", *revisions(120)), tmp_path / "mine"

    def say(_: str) -> None:
        out.mkdir(exist_ok=True)
        (out / "notes.txt").write_text("keep")

    with pytest.raises(ConfigError, match=r"holds 'notes\.txt', which no fit wrote") as caught:
        run(
            "pattern_conformity",
            [data, write_lines(tmp_path / "b.jsonl", *revisions(9)[3:])],
            out,
            {},
            1,
            Engine(),
            say,
        )
    assert (out / "notes.txt").read_text() == "keep"
    (note,) = caught.value.__notes__
    kept = Path(note.removeprefix("what was fitted is kept in "))
    assert sorted(path.name for path in kept.iterdir()) == ["card.json", "model.safetensors"]


def test_one_file_counts_once_and_can_be_read_twice(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "data.jsonl", *revisions(120))
    copy = write_lines(tmp_path / "copy.jsonl", *revisions(120))
    for files, unseen, message in (
        ([data, copy], None, f"--data {copy} holds the same as {data}: every row would count twice"),
        ([tmp_path / "absent.jsonl"], None, "absent.jsonl: no such file"),
        ([data], Path("-"), "--unseen -: a fit reads its files more than once, so none can be standard input"),
        ([data], tmp_path, f"--unseen {tmp_path}: a fit reads its files more than once, so they must be regular files"),
    ):
        with pytest.raises(ConfigError, match=re.escape(message)):
            run("pattern_conformity", files, tmp_path / "out", {}, 1, Engine(), lambda _: None, unseen)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--set", "percentile=3", "--set", "percentile=4"], b"--set percentile is given twice"),
        (["--set", "percentile=3", "--percentile", "4"], b"are one option: give it once"),
        (
            ["--set", "percentile=yes"],
            b"option 'percentile': Input should be a number; on, yes and true are truth values",
        ),
        (["--set", "percentile=much"], b"unable to parse string as a number (given: 'much')"),
        (["--seed", str(2**63)], b"less than or equal to 9223372036854775807"),
    ],
)
def test_an_option_is_given_once_and_a_seed_is_one_of_torchs(tmp_path: Path, given: list[str], message: bytes) -> None:
    data = write_lines(tmp_path / "data.jsonl", *revisions(3))
    done = command("fit", "pattern_conformity", "--data", data, "-o", tmp_path / "out", *given)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize("profile", ["embeded", [], None])
def test_a_card_of_no_profile_is_refused_and_not_taken_for_another(tmp_path: Path, profile: Any) -> None:
    card = {"reward": "bertscore", "profile": profile, "threshold": {"value": 0.5, "source": "x"}}
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(ConfigError, match=re.escape(f"card.json: no profile is called {profile!r}")):
        load_params(registry().reward("bertscore")[0], tmp_path)
    done = command("show", "bertscore.params=")
    told = b"error: bertscore.params= names no folder; give one of `rewards fit`\n"
    assert (done.returncode, done.stderr, done.stdout) == (2, told, b"")


def test_parameters_of_another_reward_are_refused(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text('{"reward": "brevity", "threshold": {"value": 1, "source": "x"}}')
    with pytest.raises(ConfigError, match="holds parameters of 'brevity', not of reward 'fluency'"):
        load_params(registry().reward("fluency")[0], tmp_path)
    with pytest.raises(ConfigError, match=r"is not a folder of `rewards fit`: it has no card\.json"):
        suite_of(["fluency"], settings={"fluency": {"params": str(tmp_path / "absent")}})


def test_equal_values_and_small_ones_do_not_fail_together() -> None:
    shares = np.array([2 / 3] * 900 + [1.0] * 100)
    assert (shares < threshold_of(shares, 5, True, 1)["value"]).mean() == 0
    assert (shares / 2 > threshold_of(shares / 2, 15, False, 1)["value"]).mean() == pytest.approx(0.1)  # not all
    small = np.linspace(1e-6, 4e-5, 1000)
    assert (small < threshold_of(small, 5, True, 1)["value"]).mean() == pytest.approx(0.05, abs=0.002)


def test_a_threshold_lets_the_stated_share_fail() -> None:
    values = np.arange(1000)
    low = threshold_of(values, 5, True, 0)
    assert (low["value"], low["n"]) == (49.95, 1000)
    assert low["interval_95"][0] < 49.95 < low["interval_95"][1]
    assert threshold_of(values, 5, False, 0)["value"] == 949.05
    assert low["interval_95"] != threshold_of(values, 5, True, 1)["interval_95"]
    for percentile in (0, 100):
        with pytest.raises(ConfigError, match="between 0 and 100"):
            threshold_of(values, percentile, True, 0)


def test_a_threshold_needs_twenty_values_and_may_be_of_many(tmp_path: Path) -> None:
    def calibrated(count: int) -> dict[str, Any]:
        rows = [{"sentences": [f"It is bad {n}."], "completion": "1 | bad | poor", "doc": f"{n}"} for n in range(count)]
        data = write_lines(tmp_path / f"{count}.jsonl", *rows)
        return calibrate("plain_text", Job((data,), tmp_path, Engine(), 1), 5)

    assert [calibrated(count)["n"] for count in (20, 300)] == [20, 300]
    with pytest.raises(ConfigError, match="too few edits of which plain_text says anything: 19; at least 20"):
        calibrated(19)


def test_rows_fall_into_the_parts_they_state() -> None:
    def part(**record: Any) -> str:
        return split_of(Row(Path("f"), 1, record), "key", "fold1")

    assert part(split="TEST") == "test"
    assert part(split="validation") == "valid"
    assert part(folds={"fold1": "VALID"}, split="test") == "valid"
    assert part() == part()
    drawn = Counter(split_of(Row(Path("f"), 1, {}), f"key {n}", "fold1") for n in range(2000))
    assert [drawn[name] / 2000 for name in ("train", "valid", "test")] == pytest.approx([0.7, 0.1, 0.2], abs=0.03)
    with pytest.raises(ConfigError, match="folds is 'TEST'; expected an object"):
        part(folds="TEST")
    with pytest.raises(ConfigError, match="folds has no 'fold1'; it has fold2"):
        part(folds={"fold2": "TEST"})


def test_measures_are_what_they_are_called() -> None:
    label, score = [1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1]
    assert roc_auc(label, score) == 0.75
    assert macro_f1([1, 1, 0, 0], [1, 0, 0, 0]) == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert calibration_error([1, 0], [0.75, 0.25]) == 0.25
    assert calibration_error([1, 0], [1.0, 0.0]) == 0
    assert calibration_error([0, 0, 0, 0], [0.75, 0.25, 0.25, 0.25]) == 0.375  # a bin counts by what it holds
    turned = np.array([4.0, 5, 6, 7] * 25), np.array([1, 1, 0, 1] * 25)  # the higher, the rarer
    assert platt(*turned) == pytest.approx((0, np.log(3)))
    assert platt(*turned, balanced=True) == (0, 0)
    rare = np.linspace(-3, 3, 200), np.array([int(n > 60 and n % 4 == 0) for n in range(200)])
    assert platt(*rare, balanced=True)[1] > platt(*rare)[1] + 1


@pytest.mark.parametrize("label", [[0, 0, 0], [1, 1, 1]])
def test_one_class_alone_has_no_area_and_nothing_to_fit(label: list[int]) -> None:
    assert np.isnan(roc_auc(label, [0.1, 0.2, 0.3]))
    with pytest.raises(ConfigError, match="the rows: all 3 rows are of one class; both are needed"):
        check_classes(label, "the rows")


def test_the_error_of_a_perfect_model_stands_beside_that_of_a_model() -> None:
    probability = np.random.default_rng(3).random(200)
    report = calibration_report(np.random.default_rng(4).random(200) < probability, probability, 0)
    low, high = report["ece_10_bins_if_perfect_95"]
    assert low < report["ece_10_bins_if_perfect"] < high
    assert low <= report["ece_10_bins"] <= high
    assert (report["n"], sum(one["n"] for one in report["calibration"])) == (200, 200)


def test_an_interval_is_of_the_middle_95_percent_of_what_resamples_give() -> None:
    assert percentiles([float(n) for n in range(1001)]) == [25.0, 975.0]
    assert percentiles([]) == []
    values = np.array([0.0, 1.0, 2.0, 3.0])
    low, high = interval(lambda some: np.nan if some.max() < 3 else float(some.min()), values, seed=0)
    assert (low, high) == (0.0, 2.0)
    assert interval(lambda some: np.nan, values, seed=0) == []


def test_the_document_says_who_wrote_a_row_and_zero_is_a_name() -> None:
    owners = [Row(Path("f"), 1, {"doc": doc}).owner("own") for doc in (0, "", "essay_argrewrite_7_a", "x")]
    assert owners == ["0", "own", "7", "x"]
    assert Row(Path("f"), 1, {}).owner("own") == "own"


def test_every_bad_line_stops_a_fit(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "data.jsonl", {"a": 1}, [1, 2])
    with pytest.raises(ConfigError, match="line 2: expected an object, found list"):
        list(read_rows([file]))


FITS = """
import numpy as np
import rewards
from rewards import fitting
from rewards.fitting import Fitter

def fit(job{option}):
    {body}

def load(folder):
    {load}

@rewards.reward(level="edit", range=(0, 1), threshold=0.5, fitter=Fitter(fit, load))
def fits(edits):
    return [1.0 for _ in edits]

other = rewards.reward(level="global", range=(0, 1), name="fits")(lambda arguments: [])

@rewards.hookimpl
def register_rewards(register):
    register(fits)
"""


@pytest.mark.parametrize(
    ("option", "body", "message"),
    [
        ("", "return None", "failed: TypeError: it returned NoneType; expected the card, a mapping"),
        ("", "return {'threshold': float('nan')}", "failed: ValueError: Out of range float values"),
        ("", "(job.out / 'sub').mkdir(); return {}", "wrote 'sub'; parameters are safetensors files without folders"),
        ("", "(job.out / 'a.pkl').touch(); return {}", "wrote 'a.pkl'; parameters are safetensors files"),
        (", *, share", "return {}", "its option 'share' has no type annotation; add one"),
        (", *, share: 'Any'", "return {}", "its options cannot be read (NameError: name 'Any' is not defined)"),
        (", *, rng: np.random.Generator = None", "return {}", "an option has a type that no card can hold"),
    ],
)
def test_a_fit_that_breaks_its_contract_is_named(tmp_path: Path, option: str, body: str, message: str) -> None:
    path = installed(tmp_path, "fits", FITS.format(option=option, body=body, load="return fits"))
    data = write_lines(tmp_path / "data.jsonl", {"text": "x"})
    done = command("fit", "fits", "--data", data, "-o", tmp_path / "mine", "-q", PYTHONPATH=str(path))
    assert done.returncode == 2
    assert "the fit of 'fits'" in done.stderr.decode()
    assert message in done.stderr.decode()
    assert not (tmp_path / "mine").exists()


def test_a_card_holds_options_and_numbers_of_any_type_that_json_has_a_word_for(tmp_path: Path) -> None:
    option, body = ", *, where: __import__('pathlib').Path", "return {'read': where.name, 'mean': np.float32(0.5)}"
    path = installed(tmp_path, "fits", FITS.format(option=option, body=body, load="return fits"))
    data = write_lines(tmp_path / "data.jsonl", {"text": "x"})
    run = ("fit", "fits", "--data", data, "-o", tmp_path / "mine", "-q", "--set", "where=a/b")
    done = command(*run, PYTHONPATH=str(path))
    assert done.returncode == 0, done.stderr.decode()
    card = read_card(tmp_path / "mine")
    assert (card["read"], card["mean"], card["options"]) == ("b", 0.5, {"where": "a/b"})


def test_a_fit_that_reads_its_data_past_the_job_takes_no_unseen(tmp_path: Path) -> None:
    path = installed(tmp_path, "fits", FITS.format(option="", body="return {}", load="return fits"))
    data = write_lines(tmp_path / "data.jsonl", {"text": "x"})
    unseen = write_lines(tmp_path / "unseen.jsonl", {"text": "one two three four five six seven eight"})
    run = ("fit", "fits", "--data", data, "-o", tmp_path / "mine", "-q", "--unseen", unseen)
    done = command(*run, PYTHONPATH=str(path))
    assert done.returncode == 2
    assert "does not read its data with `job.rows()`: --unseen has no effect on it" in done.stderr.decode()


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ("return other", "gave reward 'fits' at global level"),
        ("return None", "gave None"),
        ("raise KeyError('threshold')", "its parameters do not fit reward 'fits': KeyError: 'threshold'"),
        ("raise SystemExit(0)", "its parameters do not fit reward 'fits': SystemExit: 0"),
        ("rewards.Threshold.from_card(folder / 'card.json')", 'card.json: expected "threshold": {"value": …'),
    ],
)
def test_what_is_fitted_must_load_as_the_same_reward(tmp_path: Path, load: str, message: str) -> None:
    body = "return {'n': np.int64(3), 'threshold': 0.7}"
    path = installed(tmp_path, "fits", FITS.format(option="", body=body, load=load))
    data = write_lines(tmp_path / "data.jsonl", {"text": "x"})
    mine = tmp_path / "mine"
    done = command("fit", "fits", "--data", data, "-o", mine, "-q", PYTHONPATH=str(path))
    assert done.returncode == 2, done.stderr.decode()
    assert "the fit of 'fits' of fits 1.0 wrote what cannot be used: " in done.stderr.decode()
    assert message in done.stderr.decode()
    assert not mine.exists()
    (kept,) = tmp_path.glob(".mine-*")
    assert read_card(kept)["n"] == 3
    source = write_lines(tmp_path / "in.jsonl", record())
    done = command("score", source, "--reward", f"fits.params={kept}", "-q", PYTHONPATH=str(path))
    assert done.returncode == 2
    assert message in done.stderr.decode()


def test_a_threshold_of_one_profile_leaves_those_of_others(tmp_path: Path) -> None:
    def load(folder: Path) -> rewards.Reward:
        threshold = rewards.Threshold.from_card(folder / "card.json")
        return rewards.reward(level="edit", range=(0, 1), name="kept", threshold=threshold)(lambda edits: [])

    declared: Any = {"threshold": 0.5, "models": (ENCODER,), "fitter": Fitter(lambda job: {}, load, any_models=True)}
    kept = rewards.reward(level="edit", range=(0, 1), name="kept", **declared)(lambda edits: [])
    card = {"reward": "kept", "profile": "full", "threshold": {"value": 0.7, "source": "fitted"}}
    (tmp_path / "card.json").write_text(json.dumps(card))
    loaded, _ = load_params(kept, tmp_path)
    assert loaded.thresholds == {"embedded": rewards.Threshold(0.5), "full": rewards.Threshold(0.7, "fitted")}


def test_a_threshold_of_a_reward_without_models_holds_in_every_profile(tmp_path: Path) -> None:
    counted = rewards.reward(level="edit", range=(0, 1), name="counted", threshold=0.5)(lambda edits: [])
    card = {"reward": "counted", "profile": "embedded", "threshold": {"value": 0.7, "source": "fitted"}}
    (tmp_path / "card.json").write_text(json.dumps(card))
    loaded, _ = load_params(counted, tmp_path)
    assert loaded.thresholds == dict.fromkeys(("embedded", "full"), rewards.Threshold(0.7, "fitted"))


def test_intervals_depend_on_the_seed_and_on_what_hangs_together() -> None:
    values = np.repeat(np.linspace(0, 1, 30), 20)
    first, second = (interval(lambda some: float(some.mean()), values, seed=seed) for seed in (0, 1))
    assert first != second
    assert first == interval(lambda some: float(some.mean()), values, seed=0)
    owners = np.repeat(np.arange(30), 20)
    narrow, wide = (threshold_of(values, 50, True, 0, owners=one)["interval_95"] for one in (None, owners))
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_the_loss_of_every_class_counts_alike() -> None:
    from rewards.fitting.adapters import AdapterRecipe, Example, _class_weights

    rows = [Example("a", "", int(n == 0)) for n in range(10)]
    recipe = AdapterRecipe(depth=2, first=1, rank=2, learning_rate=1e-2)
    assert _class_weights(rows, 2, recipe).tolist() == pytest.approx([10 / 18, 5.0])
    assert _class_weights(rows, 2, replace(recipe, balanced=False)).tolist() == [1.0, 1.0]
