"""Unscored files are scored and measured, resumably; by tiny models in the places of the real ones."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

from rewards.dimensions import REASONS
from rewards.errors import ConfigError, RewardsError
from rewards.features import TokenEmbeddings, TokenLogProbs
from rewards.models.specs import PROFILES, Checkpoint, Hub, Model
from rewards.plan import SuitePlan
from rewards_eval import formulas, roles
from rewards_eval.measure import evaluate_records, measure
from rewards_eval.run import Options, run
from rewards_eval.statistics import Draws
from rewards_eval.systems import read_system
from tests import tiny
from tests.conftest import another_torch, command, read_lines, record, write_lines
from tests.scored import edit, scored, two_systems

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Tiny models for the roles of an evaluation."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "appropriateness": str(tiny.deberta(folder / "classifier")),
        "perplexity": str(tiny.causal(folder / "causal")),
        "bertscore": str(tiny.gemma(folder / "encoder")),
    }


def options(folder: Path, models: dict[str, str], *files: Path, **more: Any) -> Options:
    return Options(
        [str(f) for f in files], folder, draws=Draws(0, 100), plan=SuitePlan(models=models), quiet=True, **more
    )


def test_everything_is_measured_and_kept(
    tmp_path: Path, models: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = two_systems(tmp_path)
    people = write_lines(tmp_path / "people.jsonl", {"id": 1, "rewrite": "Lunch is short."})
    out = tmp_path / "out"
    report = run(options(out, models, *files, measure=True, reference=str(people)))
    cells = {(r["label"], r["group"]): r["cells"] for r in report["tables"][0]["rows"]}
    # The tiny classifier calls everything appropriate, so that nothing could flip.
    assert set(cells["one", "all valid edits"]) == {"app", "p", "sim", "nes", "nes_2024", "ppl", "gm"}
    assert [cells["one", "all valid edits"][key]["n"] for key in ("app", "sim", "ppl", "gm")] == [3, 3, 3, 3]
    assert [cells["one", "accepted edits"][key]["n"] for key in ("app", "sim", "ppl", "gm")] == [2, 2, 2, 2]
    measured = read_lines(out / "measured.jsonl")
    assert [(one["system"], one["id"]) for one in measured] == [
        ("one", 1), ("other", 1), ("one", 2), ("other", 2), ("one", 3), ("other", 3), ("other", 4),
    ]  # fmt: skip
    assert len(measured[0]["evaluation"]["before"]) == 14
    assert len(measured[0]["evaluation"]["edits"]) == 2
    assert measured[0]["evaluation"]["all"]["ref_sim"] is not None
    assert measured[4]["evaluation"]["accepted"] is None  # its gate failed
    again = run(options(out, models, *files, measure=True, reference=str(people)))
    assert again["tables"] == report["tables"]
    assert again["suite"]["measured_with"] == report["suite"]["measured_with"]
    assert again["notes"] == report["notes"]
    assert len(report["suite"]["measured_with"]["models"]) == 3
    assert report["suite"]["measured_with"]["roles"].keys() == models.keys()
    assert "torch" in report["suite"]["measured_with"]["versions"]
    assert json.loads((out / "measured.jsonl.meta.json").read_text())["threads"] == [torch.get_num_threads()]
    another_torch(monkeypatch)
    with pytest.raises(RewardsError, match=r"measured\.jsonl was made with other settings or another input"):
        run(options(out, models, *files, measure=True, reference=str(people)))


def test_a_run_that_died_goes_on_where_it_stopped(
    tmp_path: Path, models: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rewards_eval.measure.CHUNK", 2)
    read = [read_system(str(file), file.name, "scored") for file in two_systems(tmp_path)]
    engine, known, path = SuitePlan(models=models).engine(), roles.find(), tmp_path / "measured.jsonl"
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 4 and len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(read, engine, known, {}, path, {}, stop)
    assert not path.exists()
    first = path.with_name("measured.jsonl.partial").read_bytes()
    found = measure(read, SuitePlan(models=models).engine(), known, {}, path, {}, stop)
    assert seen == [(2, 7), (4, 7), (6, 7), (7, 7)]
    assert path.read_bytes().startswith(first)
    assert [set(one.records[1]["details"]["evaluation"]) for one in found] == [
        {"before", "accepted", "all", "edits", "failures"}
    ] * 2
    whole = tmp_path / "whole.jsonl"
    measure(read, SuitePlan(models=models).engine(), known, {}, whole, {}, lambda *_: None)
    assert whole.read_bytes() == path.read_bytes()
    headers = [json.loads(one.with_name(f"{one.name}.meta.json").read_text()) for one in (path, whole)]
    for key in ("counts", "models", "roles"):
        assert headers[0][key] == headers[1][key]
    assert headers[0]["features"]["requested"] == headers[1]["features"]["requested"]


def test_an_unscored_file_is_scored_by_the_ordinary_pipeline(tmp_path: Path, models: dict[str, str]) -> None:
    suite = tmp_path / "one.yaml"
    suite.write_text("description: one\nrewards:\n  format: {weight: 1}\n", encoding="utf-8")
    file = write_lines(
        tmp_path / "system.jsonl", record(1, edits=[edit("way too", "too")]), b"{broken\n", record(2, edits=[], round=0),
        record(2, edits=[edit("duh", "well")], round=1),
    )  # fmt: skip
    plan = SuitePlan(str(suite), models=models)
    one = Options([str(file)], tmp_path / "out", draws=Draws(0, 100), plan=plan, quiet=True)
    report = run(one)
    assert report["systems"][0] | {"file": "", "digest": ""} == {
        "name": "system", "file": "", "digest": "", "dialect": "unscored", "records": 2, "scored": 2, "failed": 0,
        "missing": 0, "rejected": 1,
    }  # fmt: skip
    assert [line["id"] for line in read_lines(tmp_path / "out" / "system.scored.jsonl")] == [1, 2, 2]
    assert report["suite"]["name"] == "one"
    rounds = next(table for table in report["tables"] if table["id"] == "rounds")
    assert [(row["label"], row["cells"]["nes"]["n"]) for row in rounds["rows"]] == [("round 0", 2), ("round 1", 2)]
    stamp = (tmp_path / "out" / "system.scored.jsonl").stat().st_mtime_ns
    assert run(one)["tables"] == report["tables"]
    assert (tmp_path / "out" / "system.scored.jsonl").stat().st_mtime_ns == stamp  # not scored again


def test_the_rounds_of_rewards_edit_are_followed(tmp_path: Path, models: dict[str, str]) -> None:
    suite = tmp_path / "one.yaml"
    suite.write_text("description: one\nrewards:\n  format: {weight: 1}\n", encoding="utf-8")
    first, second = (
        {**edit(part, after), "start": start, "reason": None}
        for part, after, start in (("way too", "too", 9), (", duh", "", 22))
    )  # a compact line states no reason, and lacks none
    rounds = [{"standing": [first]}, {"standing": [first, second]}]
    file = write_lines(
        tmp_path / "edited.jsonl",
        record(1, edits=[first, second], completion=None, format="compact", round=2, rounds=rounds),
        record(2, edits=[], completion=None, round=0, rounds=[]),
    )
    plan = SuitePlan(str(suite), models=models)
    report = run(Options([str(file)], tmp_path / "out", draws=Draws(0, 100), plan=plan, quiet=True, measure=False))
    cells = next(table for table in report["tables"] if table["id"] == "rounds")["rows"]
    found = [(row["label"], round(row["cells"]["nes"]["value"], 4), row["cells"]["nes"]["n"]) for row in cells]
    assert found == [("round 1", 0.9444, 2), ("round 2", 0.8333, 2)]  # of nine words: one, then three


def test_rows_of_parquet_without_rounds_are_scored_beside_those_with_rounds(
    tmp_path: Path, models: dict[str, str]
) -> None:
    import pyarrow
    from pyarrow import parquet

    suite = tmp_path / "one.yaml"
    suite.write_text("description: one\nrewards:\n  format: {weight: 1}\n", encoding="utf-8")
    rounds = [{"standing": [edit("way too", "too")]}, {"standing": [edit("way too", "too"), edit("duh", "well")]}]
    rows = [
        record(1, edits=[], completion=None, rounds=rounds),
        record(2, edits=[edit("duh", "well")], completion=None),
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "edited.parquet")
    plan = SuitePlan(str(suite), models=models)
    file = str(tmp_path / "edited.parquet")
    report = run(Options([file], tmp_path / "out", draws=Draws(0, 100), plan=plan, quiet=True, measure=False))
    assert [line["id"] for line in read_lines(tmp_path / "out" / "edited.scored.jsonl")] == [1, 1, 2]
    assert (report["systems"][0]["scored"], report["systems"][0]["rejected"]) == (2, 0)


def test_arguments_for_which_generating_failed_are_failures(tmp_path: Path, models: dict[str, str]) -> None:
    suite = tmp_path / "one.yaml"
    suite.write_text("description: one\nrewards:\n  format: {weight: 1}\n", encoding="utf-8")
    good = record(1, edits=[edit("way too", "too")], completion=None, status="edited")
    failed = record(2, edits=[], completion=None, status="failed", reason="out of memory")
    rounds = {"rounds": [{"standing": []}, {"standing": []}]}
    plan = SuitePlan(str(suite), models=models)
    for name, lines in (("plain", [good, failed]), ("rounds", [good | rounds, failed | {"rounds": []}])):
        file = write_lines(tmp_path / f"{name}.jsonl", *lines)
        one = Options([str(file)], tmp_path / name, draws=Draws(0, 100), plan=plan, quiet=True, measure=False)
        report = run(one)
        assert (report["systems"][0]["scored"], report["systems"][0]["failed"]) == (1, 1)
        with pytest.raises(RewardsError, match=f"--strict: {name}: 1 failed"):
            run(replace(one, strict=True))


def test_a_role_that_nobody_has_is_refused(tmp_path: Path) -> None:
    file = scored(tmp_path, "x.jsonl", record(1, edits=[]))
    with pytest.raises(
        ConfigError, match=r"for role 'perplexty', which nothing here reads \(did you mean 'perplexity'\?\)"
    ):
        run(options(tmp_path / "out", {"perplexty": "x"}, file, measure=True))


def test_edits_of_a_format_without_reasons_have_no_wrong_ones(tmp_path: Path, models: dict[str, str]) -> None:
    plain = record(2, edits=None, rewrite="Lunch is too short, duh. Everybody knows it.")
    lines = record(3, edits=None, completion="1 | way too | too\n1 | nope | x")
    file = scored(tmp_path, "x.jsonl", record(1, edits=[edit("way too", "too"), edit("nope", "x")]), plain, lines)
    cells = run(options(tmp_path / "out", models, file, measure=True))["tables"][1]["rows"][0]["cells"]
    assert (cells["edit_app"]["n"], cells["reason_strict"]["n"], cells["reason_relaxed"]["n"]) == (5, 2, 2)


def test_single_edits_are_judged_alone(tmp_path: Path, models: dict[str, str]) -> None:
    edits = [edit("way too", "too", "Other Reasons"), edit(", duh", ""), edit("Lunch", "Lunch"), edit("nope", "x")]
    one = read_lines(scored(tmp_path, "x.jsonl", record(1, edits=edits)))[0]
    engine = SuitePlan(models=models).engine()
    found = evaluate_records([one], engine, roles.find(), {})[0]
    alone = scored(tmp_path, "y.jsonl", record(1, edits=edits[:1]))
    single = evaluate_records(read_lines(alone), engine, roles.find(), {})[0]
    gains = found["edits"][0]["improvements"]
    for name in ("Inappropriateness", *REASONS):
        assert gains[name] == pytest.approx(found["before"][name] - single["all"]["dimensions"][name], abs=1e-5)
    assert found["edits"][0]["app"] == (gains["Inappropriateness"] > 0)
    assert found["edits"][0]["relaxed"] == (gains["Other Reasons"] > 0)
    nothing = {"app": False, "strict": False, "relaxed": False, "improvements": None}
    assert found["edits"][2:] == [nothing, nothing]


def test_perplexity_is_the_models_own_and_fits_its_window(tmp_path: Path) -> None:
    """GPT-2's positions end where texts may still go on: a text is cut to them, and its tokens are all conditioned."""
    folder = tmp_path / "gpt2"
    size = tiny.tokenizer(folder, pair=False, limit=64)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=size, n_embd=32, n_layer=2, n_head=4, n_positions=32, bos_token_id=1, eos_token_id=2)
    model = GPT2LMHeadModel(config).eval()
    model.save_pretrained(folder)
    role = Model("perplexity", {"embedded": Checkpoint(Hub(str(folder)), "causal-lm")})
    engine = SuitePlan(dtype="float32").engine()
    long, short = "abc " * 20, "a short text"
    found = engine.compute([TokenLogProbs(long, role), TokenLogProbs(short, role)])
    assert len(found[TokenLogProbs(long, role)]) == 31
    assert engine.truncated == 1
    ids = AutoTokenizer.from_pretrained(folder)(short, add_special_tokens=False, return_tensors="pt")["input_ids"]
    ids = torch.cat([torch.tensor([[1]]), ids], 1)
    with torch.no_grad():
        loss = float(model(ids, labels=ids).loss)
    assert formulas.perplexity(found[TokenLogProbs(short, role)]) == pytest.approx(math.exp(loss), rel=1e-4)


def test_sim_of_the_full_profile_reads_a_lower_layer_and_is_rescaled(tmp_path: Path) -> None:
    folder = tiny.deberta(tmp_path / "deberta")
    cut, whole = (
        Model(name, {"embedded": Checkpoint(Hub(str(folder)), "sentence-encoder", layers=layers)})
        for name, layers in (("cut", 1), ("whole", 0))
    )
    engine = SuitePlan(dtype="float32").engine()
    found = engine.compute([TokenEmbeddings("abc", model) for model in (cut, whole)])
    one, other = (found[TokenEmbeddings("abc", model)] for model in (cut, whole))
    assert one.shape == other.shape
    assert not np.allclose(one, other, atol=1e-3)


def test_sim_is_rescaled_by_the_baseline_of_its_own_model_alone(tmp_path: Path) -> None:
    known, named = roles.find(), {"bertscore": "microsoft/deberta-xlarge-mnli"}
    for plan in (SuitePlan(profile="full"), *(SuitePlan(profile=p, models=named) for p in PROFILES)):
        one = plan.engine()
        assert roles.rescale(1.0, known, one) == 1.0
        assert roles.rescale(roles.BASELINE, known, one) == 0.0
    other = SuitePlan(profile="full", models={"bertscore": str(tiny.deberta(tmp_path / "other"))}).engine()
    for one in (SuitePlan().engine(), other):  # another model, another layer
        assert roles.rescale(0.7, known, one) == 0.7


def test_the_suite_that_scored_a_file_is_known_wherever_it_was_scored(tmp_path: Path, models: dict[str, str]) -> None:
    file = write_lines(tmp_path / "system.jsonl", *(record(n, edits=[edit("way too", "too")]) for n in (1, 2)))
    before = tmp_path / "system.scored.jsonl"
    assert (
        command("score", file, "-o", before, "--reward", "useless_edits", "--set", "useless_edits.weight=-1").returncode
        == 0
    )
    suite = tmp_path / "one.yaml"
    suite.write_text("description: one\nrewards:\n  useless_edits: {weight: -1}\n", encoding="utf-8")
    labels = write_lines(tmp_path / "labels.jsonl", {"id": 1, "label": 1}, {"id": 2, "label": 0})
    found = []
    for path, plan in ((file, SuitePlan(str(suite), models=models)), (before, SuitePlan())):
        out = tmp_path / f"out{len(found)}"
        report = run(
            Options([str(path)], out, measure=False, labels=str(labels), draws=Draws(0, 100), plan=plan, quiet=True)
        )
        agreed = next(one for one in report["tables"] if one["id"] == "agreement")["rows"]
        found.append((agreed, report["suite"]["scored_with"]["system"]["rewards"]))
    assert found[0] == found[1]


def test_measurements_of_other_systems_are_refused_before_anything_is_scored(
    tmp_path: Path, models: dict[str, str]
) -> None:
    file = write_lines(tmp_path / "new.jsonl", record(1, edits=[edit("way too", "too")]))
    (tmp_path / "out").mkdir()
    write_lines(tmp_path / "out/measured.jsonl", {})
    (tmp_path / "out/measured.jsonl.meta.json").write_text('{"fingerprint": "another", "counts": {}}', encoding="utf-8")
    with pytest.raises(
        RewardsError, match="measured.jsonl was made with other settings or another input; give another -o"
    ):
        run(options(tmp_path / "out", models, file))
    assert not list((tmp_path / "out").glob("new.*"))


def test_what_another_suite_accepts_is_measured_anew(tmp_path: Path) -> None:
    """Whoever deletes the scored files alone gets no measurements of the edits that were accepted before."""
    file = write_lines(tmp_path / "new.jsonl", record(1, edits=[edit("way too", "too")]))
    given = Options([str(file)], tmp_path / "out", draws=Draws(0, 100), plan=SuitePlan("default"), quiet=True)
    first = run(given)
    assert run(given)["tables"] == first["tables"]  # everything is taken from the folder
    other = replace(given, plan=SuitePlan("grpo_global_v3_sentence"))
    for left in ("measured.jsonl", "new.scored.jsonl"):
        with pytest.raises(RewardsError, match=f"{left} was made with other settings or another input"):
            run(other)
        for path in (tmp_path / "out").glob(f"{left}*"):
            path.unlink()
