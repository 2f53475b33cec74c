"""`rewards eval` as a user runs it: what is printed, written, refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import rewards
from rewards.errors import ConfigError, RewardsError
from rewards.plan import SuitePlan
from rewards.suite import load_suite
from rewards_eval import outputs, values
from rewards_eval.agreement import scores_of
from rewards_eval.html.compact import compact_record
from rewards_eval.run import Options, run
from rewards_eval.statistics import Draws
from rewards_eval.systems import read_system
from tests import pages
from tests.conftest import ROOT, command, read_lines, record, registry_of, write_lines
from tests.scored import edit, keeps, polite, scored, told, two_systems

FEW = Draws(0, 200)


def options(folder: Path, *files: Path | str, **more: Any) -> Options:
    return Options([str(file) for file in files], folder / "out", **{"draws": FEW, **more})


def table(report: dict[str, Any], name: str) -> dict[tuple[str, str | None], dict[str, Any]]:
    """A table's cells by row and group."""
    rows = next(one for one in report["tables"] if one["id"] == name)["rows"]
    return {(row["label"], row["group"]): row["cells"] for row in rows}


def value(cell: dict[str, Any]) -> tuple[float | str | None, int | None]:
    return (round(cell["value"], 4) if isinstance(cell["value"], float) else cell["value"]), cell["n"]


def test_the_command_prints_and_writes_everything(tmp_path: Path) -> None:
    files = two_systems(tmp_path)
    done = command("eval", *files, "-o", tmp_path / "out", "--resamples", "200")
    out = done.stdout.decode()
    assert done.returncode == 1, done.stderr.decode()  # a record failed
    assert out.splitlines()[:4] == [
        "Evaluation of one, other",
        "system  records  failed  rejected  missing  dialect  file",
        f"one     3        1       0         1        scored   {files[0]}",
        f"other   4        0       0         0        scored   {files[1]}",
    ]
    assert "note: Only the 3 arguments that every system has are compared; left out: 1 of other." in out
    assert "note: one: 1 records failed; what is known of them counts, and n shows the rest." in out
    assert (
        "note: App after all valid edits, Sim and PPL: not in the files; --measure computes what models can say." in out
    )
    written = {path.name for path in (tmp_path / "out").iterdir()}
    names = ("arguments", "edits", "rewards", "comparisons", "dimensions", "reasons")
    assert written == {
        "report.json", "report.html", *(f"{name}.{kind}" for name in names for kind in ("csv", "tex")),
        *(f"{name}.{kind}" for name in ("trade-off", "rates", "wins", "dimensions") for kind in ("svg", "png")),
    }  # fmt: skip
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["common"] == {
        "ids": 3,
        "arguments": 1,
        "left_out": {"one": 0, "other": 1},
        "lacking": {"one": [4], "other": []},
    }
    assert "note: one lacks 1: 4. If it fails on what is hard, it gains by what is left out." in out
    assert [(s["scored"], s["failed"], s["missing"]) for s in report["systems"]] == [(2, 1, 1), (4, 0, 0)]


@pytest.mark.usefixtures("undrawn")
def test_every_value_has_its_n(tmp_path: Path) -> None:
    report = run(options(tmp_path, *two_systems(tmp_path)))
    arguments = table(report, "arguments")
    one, other = arguments["one", "accepted edits"], arguments["other", "accepted edits"]
    # Of system one, argument 1 is polite after its replacement, 2 keeps everything; 3 failed: nobody knows.
    assert {key: value(cell) for key, cell in one.items()} == {
        "app": (0.5, 2), "p": (0.45, 2), "nes": (0.9444, 2), "nes_2024": (0.96, 2), "flips": (1.0, 2),
    }  # fmt: skip
    assert {key: value(cell) for key, cell in other.items() if key in ("app", "flips")} == {
        "app": (1.0, 3),
        "flips": (3.0, 3),
    }
    # Nobody has judged the text after all edits, not even where it is that after the accepted ones.
    assert value(arguments["other", "all valid edits"]["app"]) == (None, 0)
    edits = table(report, "edits")["one", None]
    assert {key: value(cell) for key, cell in edits.items()} == {
        "edits": (4.0, 3), "per_argument": (1.3333, 3), "valid": (1.0, 4), "pass:keeps": (0.3333, 3), "accepted": (0.3333, 3),
    }  # fmt: skip
    compared = table(report, "comparisons")["App: other − one", "accepted edits"]
    assert {key: compared[key]["value"] for key in ("difference", "p", "wins", "ties", "losses")} == {
        "difference": 0.5, "p": 1.0, "wins": 1, "ties": 0, "losses": 0,
    }  # fmt: skip
    assert compared["difference"]["n"] == 1  # the two ids have one text: what is compared is that argument


@pytest.mark.usefixtures("undrawn")
def test_wins_are_better_only_where_a_direction_is(tmp_path: Path) -> None:
    report = run(options(tmp_path, *two_systems(tmp_path)))
    assert table(report, "comparisons")["NES: other − one", "accepted edits"]["losses"]["value"] == 1
    note = table(report, "comparisons")["per arg.: other − one", "edits"]["difference"]["note"]
    assert note == "neither is better: wins are higher values"
    (wins,) = [one for one in report["figures"] if one["id"] == "wins"]
    assert "is better, equal or worse; where neither direction is better, as with NES: higher" in wins["caption"]


@pytest.mark.usefixtures("undrawn")
def test_columns_say_which_of_their_values_are_better(tmp_path: Path) -> None:
    file = scored(tmp_path, "one.jsonl", *(record(n, issue=f"Issue {min(n, 4)}") for n in range(1, 9)), record(9))
    lines = [line | {"rewards": {"cost": 0.5, "paid": 0.5, "fined": 0.5, "odd": 0.5}} for line in read_lines(file)]
    write_lines(file, *lines)
    stated = {
        "cost": {"gate": True, "threshold": 3, "higher_is_better": False},
        "paid": {"weight": 1, "higher_is_better": True},
        "fined": {"weight": -1, "higher_is_better": True},
    }
    file.with_name("one.jsonl.meta.json").write_text(json.dumps({"rewards": stated}), encoding="utf-8")
    report = run(options(tmp_path, file))
    found = {one["id"]: {c["label"]: c["better"] for c in one["columns"]} for one in report["tables"]}
    assert found["rewards"] == {"total": "higher", "cost": "lower", "paid": "higher", "fined": "lower", "odd": None}
    assert found["edits"]["passes cost"] == "higher"
    helps = [c["help"] for one in report["tables"] for c in one["columns"] if c["label"] == "cost"]
    assert helps == ["mean of cost over arguments, as scored; what is scored passes at ≤ 3"]
    assert [name for name, _ in table(report, "issues")] == ["Issue 4", "4 other issues"]


@pytest.mark.usefixtures("undrawn")
def test_one_issue_beside_the_frequent_ones_is_told_in_the_singular(tmp_path: Path) -> None:
    file = scored(tmp_path, "one.jsonl", *(record(n, issue="Lunch" if n else "Tea") for n in range(4)))
    assert [name for name, _ in table(run(options(tmp_path, file)), "issues")] == ["Lunch", "1 other issue"]


def test_strict_refuses_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(RewardsError, match=r"--strict: one: 1 failed, 0 rejected, 1 missing; score these again"):
        run(options(tmp_path, *two_systems(tmp_path), strict=True))


@pytest.mark.usefixtures("undrawn")
def test_what_scoring_rejected_counts(tmp_path: Path) -> None:
    one = scored(tmp_path, "one.jsonl", record(1, edits=[]))
    one.with_name("one.jsonl.meta.json").write_text('{"counts": {"rejected": 3}}', encoding="utf-8")
    report = run(options(tmp_path / "out", one))
    assert report["systems"][0]["rejected"] == 3
    assert "one: 3 lines could not be scored; they are missing here." in report["notes"]
    with pytest.raises(RewardsError, match=r"--strict: one: 0 failed, 3 rejected, 0 missing"):
        run(options(tmp_path / "out", one, strict=True))


def test_the_same_input_gives_the_same_files(tmp_path: Path) -> None:
    files = two_systems(tmp_path)
    kept = []
    for name in ("a", "b"):
        run(Options([str(file) for file in files], tmp_path / name, draws=FEW))
        kept.append(
            {
                p.name: p.read_bytes()
                for p in (tmp_path / name).iterdir()
                if p.suffix in (".csv", ".tex", ".svg", ".png")
            }
        )
    assert kept[0] == kept[1]


@pytest.mark.filterwarnings("error::UserWarning")
def test_names_in_any_script_are_drawn_without_a_warning(tmp_path: Path) -> None:
    names = ("系统甲", "시스템")
    run(options(tmp_path, *two_systems(tmp_path), names=names))
    svg = (tmp_path / "out" / "trade-off.svg").read_text(encoding="utf-8")
    assert all(name in svg for name in names)


def test_hostile_names_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    files = two_systems(tmp_path)
    names = ("<script>alert(1)</script>\x1b[31m", "=cmd $x^2_{1}$ & 50 % \\input{x}")
    run(options(tmp_path, *files, names=names))
    out = tmp_path / "out"
    svg = (out / "trade-off.svg").read_text(encoding="utf-8")
    assert "<script" not in svg
    assert "\x1b" not in svg
    assert "$x^2_{1}$" in svg  # no mathematics of it
    tex = (out / "edits.tex").read_text(encoding="utf-8")
    assert r"=cmd \$x\textasciicircum{}2\_\{1\}\$ \& 50 \% \textbackslash{}input\{x\}" in tex
    assert "\n'=cmd" in (out / "edits.csv").read_text(encoding="utf-8")
    done = command(
        "eval", *files, "--name", names[0], "--name", names[1], "-o", tmp_path / "more", "--resamples", "200"
    )
    assert b"\x1b" not in done.stdout


def test_latex_of_a_table() -> None:
    one = {
        "id": "t", "title": "T", "caption": "What it\nholds.",
        "columns": [
            {"key": "a", "label": "A_1", "digits": 2, "better": "higher", "help": ""},
            {"key": "b", "label": "B", "digits": 0, "better": "lower", "help": ""},
        ],
        "rows": [
            {"label": "x", "group": "g", "cells": {
                "a": {"value": -0.5, "n": 1200, "low": -1.0, "high": 0.001, "note": None},
                "b": {"value": 7, "n": 3, "low": None, "high": None, "note": None},
            }},
            {"label": "[y", "group": "h", "cells": {"b": {"value": 1234, "n": 3, "low": None, "high": None, "note": None}}},
        ],
    }  # fmt: skip
    assert outputs.to_latex(one) == (
        "% What it holds.\n"
        "% Column n is what most of a row's values are means of; the others say theirs.\n"
        "% needs \\usepackage{booktabs}\n"
        "\\begin{tabular}{lrrr}\n"
        "\\toprule\n"
        " & A\\_1\\,$\\uparrow$ & B\\,$\\downarrow$ & n \\\\\n"
        "\\midrule\n"
        "\\multicolumn{4}{l}{\\emph{g}} \\\\\n"
        "x & $-$0.50 {\\scriptsize [$-$1.00, 0.00]} & 7 {\\scriptsize ($n$ 3)} & 1,200 \\\\\n"
        "\\midrule\n"
        "\\multicolumn{4}{l}{\\emph{h}} \\\\\n"
        "{}[y & -- & 1,234 & 3 \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
    )
    assert outputs.to_csv(one) == (
        "label,group,a.value,a.n,a.low,a.high,b.value,b.n,b.low,b.high\nx,g,-0.5,1200,-1.0,0.001,7,3,,\n[y,h,,,,,1234,3,,\n"
    )


def test_against_human_rewrites(tmp_path: Path) -> None:
    files = two_systems(tmp_path)
    people = write_lines(
        tmp_path / "people.jsonl", {"id": 1, "rewrite": "Lunch is too short. Everybody knows it."},
        {"id": 2, "references": ["Lunch is too short, duh. Everybody knows it.", "Lunch is short."]}, {"id": 99, "rewrite": "x"},
    )  # fmt: skip
    report = run(options(tmp_path, *files, reference=str(people)))
    found = table(report, "references")["one", "all valid edits"]
    assert {key: value(cell) for key, cell in found.items() if key in ("ref_nes", "ref_rougeL")} == {
        "ref_nes": (0.8125, 2), "ref_rougeL": (0.9375, 2),
    }  # fmt: skip
    assert found["ref_sari"]["n"] == 2
    assert f"2 of 3 arguments have a human rewrite in {people}." in report["notes"]
    told = "BERTScore against people's rewrites: not in the files; --measure computes what models can say."
    assert any(note.endswith(told) for note in report["notes"])


def test_rounds_are_followed(tmp_path: Path) -> None:
    first, second = (scored(tmp_path, "tmp.jsonl", *[record(i, edits=[one]) for i in (1, 2)]) and [
        json.loads(line) | {"round": number} for line in (tmp_path / "tmp.jsonl").read_text(encoding="utf-8").splitlines()
    ] for number, one in ((1, edit(", duh", "!")), (2, edit("way too", "too"))))  # fmt: skip
    both = write_lines(tmp_path / "rounds.jsonl", *first, second[0])  # argument 2 is done after its first round
    report = run(options(tmp_path, both))
    rounds = table(report, "rounds")
    assert [value(rounds[f"round {number}", "rounds"]["app"]) for number in (1, 2)] == [(0.0, 2), (0.5, 2)]
    assert value(table(report, "arguments")["rounds", "accepted edits"]["app"]) == (0.5, 2)


def test_labels_of_people(tmp_path: Path) -> None:
    one, _ = two_systems(tmp_path)
    labels = write_lines(
        tmp_path / "labels.jsonl", {"id": 1, "edit": 0, "label": True}, {"id": 1, "edit": 1, "decision": "reject"},
        {"id": 2, "edit": 0, "label": 1}, {"id": 2, "edit": 0, "label": 0}, {"id": 2, "edit": 0, "label": 0},
        {"id": 7, "label": 1},
    )  # fmt: skip
    report = run(options(tmp_path, one, labels=str(labels)))
    found = table(report, "agreement")
    assert {key: value(cell) for key, cell in found["keeps ~ label", "one"].items()} == {
        "auc": (1.0, 3), "kappa": (1.0, 3), "tau": (0.8165, 3), "ece": (None, 3), "positive": (0.4444, 3),
    }  # fmt: skip
    assert f"one: 3 of the 4 things labelled in {labels} are scored." in report["notes"]


@pytest.mark.usefixtures("undrawn")
def test_a_label_on_an_invalid_edit_is_met_by_no_score(tmp_path: Path) -> None:
    file = scored(tmp_path, "one.jsonl", record(1, edits=[edit("way too", "too"), edit("nowhere", "x")]))
    places = ({"id": 1, "edit": place, "label": 1} for place in (0, 1))
    labels = write_lines(tmp_path / "labels.jsonl", *places)
    report = run(options(tmp_path, file, labels=str(labels)))
    told = f"one: 1 of the 2 things labelled in {labels} are scored; 1 are invalid edits, which have no scores."
    assert told in report["notes"]


@pytest.mark.usefixtures("undrawn")
def test_lower_is_better_agrees_with_labels_the_other_way_round(tmp_path: Path) -> None:
    file = scored(tmp_path, "one.jsonl", record(1, edits=[]), record(2, edits=[]), record(3, edits=[]))
    lines = [line | {"rewards": {"cost": cost}} for line, cost in zip(read_lines(file), (0.1, 0.5, 0.9), strict=True)]
    write_lines(file, *lines)
    file.with_name("one.jsonl.meta.json").write_text(
        '{"rewards": {"cost": {"higher_is_better": false}}}', encoding="utf-8"
    )
    labels = write_lines(tmp_path / "labels.jsonl", *({"id": n, "label": n == 1} for n in (1, 2, 3)))
    found = table(run(options(tmp_path / "out", file, labels=str(labels))), "agreement")[
        "argument: cost ~ label", "one"
    ]
    assert (value(found["auc"]), value(found["ece"])) == ((1.0, 3), (None, 3))  # a cost is no probability of the label


@pytest.mark.usefixtures("undrawn")
def test_another_scored_file_as_labels(tmp_path: Path) -> None:
    edits = [edit("way too", "too"), edit(", duh", "")]
    one = scored(tmp_path, "one.jsonl", record(1, edits=edits), record(2, edits=edits[::-1]))
    other = json.loads(one.read_text(encoding="utf-8").splitlines()[1])
    other["edits"].reverse()  # told by their content, not by their place
    other["edits"][1]["accepted"] = True
    labels = write_lines(tmp_path / "other.jsonl", json.loads(one.read_text(encoding="utf-8").splitlines()[0]), other)
    report = run(options(tmp_path, one, labels=str(labels)))
    found = table(report, "agreement")
    assert {name: value(cells["kappa"]) for (name, _), cells in found.items() if name.endswith(" accepted")} == {
        "accepted ~ accepted": (0.5, 4), "keeps ~ accepted": (0.5, 4),
    }  # fmt: skip
    assert value(found["keeps ~ keeps", "one"]["auc"]) == (1.0, 4)
    assert value(found["argument: 1 − P(inapp.) ~ appropriate", "one"]["tau"]) == (None, 2)  # both became appropriate
    assert f"one: 6 of the 6 things labelled in {labels} are scored." in report["notes"]


def form(folder: Path) -> SuitePlan:
    """A suite that needs no model."""
    suite = folder / "form.yaml"
    suite.write_text('description: "Only the form"\nrewards:\n  format: {weight: 1}\n', encoding="utf-8")
    return SuitePlan(str(suite))


@pytest.mark.usefixtures("undrawn")
def test_the_program_on_the_page_gives_back_what_the_command_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = record(1, sentences=["Lunch is way too short, duh."], edits=[edit("way too", "too")])
    for name in ("base", "mine"):
        scored(tmp_path, f"{name}.scored.jsonl", one)
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8"), re.DOTALL
    )
    exec(program, names := {})  # noqa: S102  (our own page)
    written = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in names["report"]["systems"]] == [one["name"] for one in written["systems"]]


@pytest.mark.usefixtures("undrawn")
def test_several_completions_of_one_argument_are_not_independent(tmp_path: Path) -> None:
    texts = [["Lunch is way too short, duh.", f"Number {n} knows."] for n in range(6)]
    ones = [record(n, sentences=text, edits=[edit("way too", "too")] * (n % 2)) for n, text in enumerate(texts)]
    others = [record(n, sentences=text, edits=[edit("way too", "too")] * (n % 3)) for n, text in enumerate(texts)]
    found = []
    for copies in (1, 8):
        files = [
            scored(tmp_path, f"{name}.jsonl", *({**one, "id": f"{one['id']}#{k}"} for one in all_ for k in range(copies)))
            for name, all_ in (("one", ones), ("other", others))
        ]  # fmt: skip
        report = run(options(tmp_path / f"{copies}", *files))
        assert report["common"] == {
            "ids": 6 * copies,
            "arguments": 6,
            "left_out": {"one": 0, "other": 0},
            "lacking": {"one": (), "other": ()},
        }
        means = table(report, "arguments")["one", "accepted edits"]["app"]
        cells = table(report, "comparisons")["App: other − one", "accepted edits"]
        areas = table(run(options(tmp_path / f"{copies}l", files[0], labels=str(files[1]))), "agreement")
        auc = areas["argument: polite ~ appropriate", "one"]["auc"]
        found.append(
            [means["value"], means["low"], means["high"], {key: one["value"] for key, one in cells.items()},
             auc["low"], auc["high"]]
        )  # fmt: skip
    assert rounded(found[0]) == rounded(found[1])
    said = "48 completions of 6 arguments (ids with the same text): intervals and tests draw and swap whole arguments."
    assert said in report["notes"]
    assert "Means over the 48 completions of the 6 arguments that all" in report["tables"][0]["caption"]


def rounded(found: list[Any]) -> Any:
    return json.loads(json.dumps(found), parse_float=lambda text: round(float(text), 9))


@pytest.mark.usefixtures("undrawn")
def test_tables_of_an_earlier_run_do_not_stay(tmp_path: Path) -> None:
    files = two_systems(tmp_path)
    run(options(tmp_path, *files))
    out = tmp_path / "out"
    (out / "mine.csv").write_text("x", encoding="utf-8")
    last = json.loads((out / "report.json").read_text(encoding="utf-8"))
    last["tables"].append({"id": []})  # by somebody else
    (out / "report.json").write_text(json.dumps(last), encoding="utf-8")
    assert (out / "comparisons.csv").exists()
    assert (out / "wins.svg").exists()
    report = run(options(tmp_path, files[0]))
    assert {path.stem for path in out.glob("*.csv")} == {*(one["id"] for one in report["tables"]), "mine"}
    assert not (out / "wins.svg").exists()
    assert (out / "dimensions.png").exists()


@pytest.mark.usefixtures("undrawn")
def test_dimensions_of_a_classifier_of_ones_own_stand_in_its_order(tmp_path: Path) -> None:
    names = ["Inappropriateness", *(f"own {letter}" for letter in "zyxwvutsrq")]
    files = two_systems(tmp_path)
    lines = read_lines(files[0])
    for line in lines:
        line["details"]["polite"] = {when: dict.fromkeys(names, 0.5) for when in ("before", "after")}
    report = run(options(tmp_path, write_lines(files[0], *lines), files[1]))
    shown = [label for label, group in table(report, "dimensions") if group == "accepted edits"]
    assert shown == ["Inappropriateness", "Toxic Emotions", *names[1:]]


@pytest.mark.usefixtures("undrawn")
def test_columns_of_systems_bear_their_names(tmp_path: Path) -> None:
    run(options(tmp_path, *two_systems(tmp_path)))
    head = (tmp_path / "out" / "dimensions.csv").read_text(encoding="utf-8").splitlines()[0]
    assert head == "label,group," + ",".join(
        f"{name}.{part}" for name in ("one", "other") for part in ("value", "n", "low", "high")
    )


@pytest.mark.usefixtures("undrawn")
def test_captions_speak_of_the_intervals_that_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = run(options(tmp_path, *two_systems(tmp_path)))
    for one in report["tables"]:
        outputs.print_one(one)
        shown = capsys.readouterr().out.splitlines()[-1]
        assert ("Intervals: " in shown) == (one["id"] == "comparisons"), shown
    assert "Intervals: 95 %" in report["tables"][0]["caption"]


def test_ids_are_checked_before_anything_is_scored(tmp_path: Path) -> None:
    one = write_lines(tmp_path / "one.jsonl", record(1), record(2), record(1))
    other = write_lines(tmp_path / "other.jsonl", record(3))
    plan = form(tmp_path)
    for files, message in (((one,), "id 1 stands on line 1 and on line 3"), ((other, one), "id 1 stands on")):
        with pytest.raises(RewardsError, match=message):
            run(options(tmp_path, *files, plan=plan, quiet=True, measure=False))
    write_lines(one, record(1), record(2))
    with pytest.raises(RewardsError, match=r"no id in common: .*other\.jsonl: 3; .*one\.jsonl: 1, 2"):
        run(options(tmp_path, other, one, plan=plan, quiet=True, measure=False))
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_bad_first_line_is_rejected_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    good = [json.dumps(record(n)) for n in (1, 2)]
    for number, bad in enumerate(('{"id": 1', '{"what": 1}')):
        path.write_text("\n".join([bad, *good]) + "\n", encoding="utf-8")
        report = run(options(tmp_path / f"{number}", path, plan=form(tmp_path), quiet=True, measure=False))
        assert [(one["records"], one["rejected"]) for one in report["systems"]] == [(2, 1)]


@pytest.mark.parametrize(
    ("rejected", "message"),
    [
        (b"x\n", "line 1: names no `line` that was rejected"),
        (b"{}\n", "line 1: names no `line` that was rejected"),
        (b"[]\n", "line 1: names no `line` that was rejected"),
        (b'{"line":1}\n[1]\n', "line 2: names no `line` that was rejected"),
        (b"", " names 0 of 1 rejected lines"),
        (None, " names 0 of 1 rejected lines"),
        (b'{"line":2}\n', "was rejected when the file was scored, and is not among the rejected lines"),
    ],
)
def test_rejected_lines_that_somebody_changed(tmp_path: Path, rejected: bytes | None, message: str) -> None:
    path = tmp_path / "one.jsonl"
    path.write_bytes(b"bad\n" + json.dumps(record(1)).encode() + b"\n")
    given = options(tmp_path, path, plan=form(tmp_path), quiet=True, measure=False)
    run(given)
    beside = tmp_path / "out" / "one.scored.jsonl.rejected.jsonl"
    if rejected is None:
        beside.unlink()
    else:
        beside.write_bytes(rejected)
    with pytest.raises(RewardsError, match=message):
        run(given)


@pytest.mark.usefixtures("undrawn")
def test_labels_of_several_systems(tmp_path: Path) -> None:
    files = two_systems(tmp_path)

    def agreed(*lines: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
        labels = write_lines(tmp_path / "labels.jsonl", *lines)
        found = table(run(options(tmp_path, *files, labels=str(labels))), "agreement")
        return {str(system): value(cells["positive"]) for (name, system), cells in found.items() if "keeps" in name}

    first, second = {"id": 1, "edit": 0, "label": 1}, {"id": 2, "edit": 0, "label": 0}
    with pytest.raises(ConfigError, match="identifies edits by their place only, and there are 2 FILEs"):
        agreed(first, second)
    with pytest.raises(ConfigError, match=r"no system is called 'onr' \(did you mean 'one'\?\); see --name"):
        agreed(first | {"system": "onr"}, second)
    named = [line | {"system": system} for line, system in ((first, "one"), (second, "one"), (second, "other"))]
    assert agreed(*named) == {"one": (0.5, 2)}  # of the other one label is too few
    words = {"before": "way too", "after": "too"}
    assert agreed(first | words, second | words) == {"other": (0.5, 2)}  # the first system has other words in 2


@pytest.mark.usefixtures("undrawn")
def test_labels_of_arguments_that_not_every_system_has_are_left_out(tmp_path: Path) -> None:
    files = two_systems(tmp_path)  # the second alone has argument 4
    labels = write_lines(tmp_path / "labels.jsonl", *({"id": n, "label": n != 1} for n in (1, 2, 4)))
    report = run(options(tmp_path, *files, labels=str(labels)))
    found = table(report, "agreement")
    assert [value(found["argument: reward ~ label", name]["positive"]) for name in ("one", "other")] == [(0.5, 2)] * 2
    assert f"other: 2 of the 3 things labelled in {labels} are scored." in report["notes"]


@pytest.mark.parametrize("out", ["/proc/x", "labels.jsonl/x"])
def test_a_folder_that_cannot_be_made(tmp_path: Path, out: str) -> None:
    file = two_systems(tmp_path)[0]
    write_lines(tmp_path / "labels.jsonl", {})
    with pytest.raises(ConfigError, match=r"^-o .* cannot be written: .*; give another folder$"):
        run(Options([str(file)], tmp_path / out, draws=FEW))


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^the name 'x{40}'… is too long .* at most 200 bytes with --name$"):
        run(options(tmp_path, two_systems(tmp_path)[0], names=("x" * 300,)))


SENTENCES = """description: a gate for sentences, and a threshold that only measures
rewards:
  short: {gate: true}
  keeps:
  polite: {weight: 1}
"""


@rewards.reward(level="sentence", range=(0, 1), threshold=0.5)
def short(sentences: Sequence[rewards.Sentence]) -> list[float]:
    """1 where the sentence gets no longer; fails where it says so."""
    if any("STOP" in sentence.after for sentence in sentences):
        raise ValueError("told to stop")
    return [float(len(sentence.after) <= len(sentence.before)) for sentence in sentences]


def by_sentence(folder: Path, name: str, *records: dict[str, Any]) -> Path:
    """A scored file whose only gate is at sentence level."""
    suite_file = folder / "sentences.yaml"
    suite_file.write_text(SENTENCES, encoding="utf-8")
    suite = load_suite(suite_file, plugins=registry_of(keeps, polite, short))
    results = suite.score([rewards.read_revision(one) for one in records])
    path = write_lines(folder / name, *(result.to_record() for result in results))
    header = {**suite.describe(), "counts": {"rejected": 0}}
    path.with_name(f"{name}.meta.json").write_text(json.dumps(header), encoding="utf-8")
    return path


@pytest.mark.usefixtures("undrawn")
def test_what_is_accepted_is_known_unless_a_gate_failed(tmp_path: Path) -> None:
    unknown, known = edit("way too", "STOP"), edit("way too", "FAIL")  # the gate fails; what only measures does
    path = by_sentence(tmp_path, "one.jsonl", record(1, edits=[unknown]), record(2, edits=[known]))
    report = run(options(tmp_path, path))
    cells = table(report, "edits")["one", None]
    assert value(cells["accepted"]) == (1.0, 1)
    assert value(cells["valid"]) == (1.0, 2)
    assert value(table(report, "arguments")["one", "accepted edits"]["nes"])[1] == 1
    assert value(table(report, "reasons")["Toxic Emotions", "one"]["accepted"]) == (1.0, 1)
    found = scores_of(read_system(str(path), "one", "scored"), "place")
    assert {name: len(found[name].values) for name in ("valid", "accepted")} == {"valid": 2, "accepted": 1}


def test_gates_of_sentences_have_a_column_and_systems_without_a_valid_edit_pass_none(tmp_path: Path) -> None:
    longer = edit("way too", "much, much too")
    one = by_sentence(tmp_path, "one.jsonl", record(1, edits=[longer]), record(2, edits=[edit("way too", "too")]))
    other = by_sentence(tmp_path, "other.jsonl", *(record(n, edits=[edit("not there", "x")]) for n in (1, 2)))
    report = run(options(tmp_path, one, other))
    cells = table(report, "edits")
    assert value(cells["one", None]["pass:short"]) == value(cells["one", None]["accepted"]) == (0.5, 2)
    assert [value(cells["other", None][key]) for key in ("valid", "pass:short", "pass:keeps")] == [(0.0, 2)] * 3
    (edits,) = [one for one in report["tables"] if one["id"] == "edits"]
    assert "Accepted is what passes short. Intervals" in edits["caption"]


@pytest.mark.usefixtures("undrawn")
def test_what_gates_accept_together_is_told_apart_from_what_passes_alone(tmp_path: Path) -> None:
    (record_,) = pages.score(tmp_path, pages.clashing("Lunch"), joint=True)
    header = {**pages.suite(tmp_path, joint=True).describe(), "counts": {"rejected": 0}}
    now, before = write_lines(tmp_path / "now.jsonl", record_), write_lines(tmp_path / "before.jsonl", record_)
    now.with_name("now.jsonl.meta.json").write_text(json.dumps(header), encoding="utf-8")
    report = run(options(tmp_path, now))
    cells = table(report, "edits")["now", None]
    assert value(cells["accepted"]) == (0.0, 3)
    assert value(cells["pass:reach"]) == (0.6667, 3)  # by themselves
    (edits,) = [one for one in report["tables"] if one["id"] == "edits"]
    assert "Accepted is what passes reach; several of one sentence pass all as one edit too. " in edits["caption"]
    del header["rewards"]["reach"]["together"]  # no file had it before 2026-11-30
    before.with_name("before.jsonl.meta.json").write_text(json.dumps(header), encoding="utf-8")
    told = "The files were scored with different suites (reach.together): accepted edits and totals are not comparable."
    report = run(options(tmp_path, now, before))
    assert told in report["notes"]
    (edits,) = [one for one in report["tables"] if one["id"] == "edits"]
    assert "Accepted is" not in edits["caption"]


@pytest.mark.usefixtures("undrawn")
def test_another_judge_is_not_asked_where_the_measuring_one_failed(tmp_path: Path) -> None:
    path = by_sentence(tmp_path, "one.jsonl", record(1, edits=[edit("way too", "too")]))
    (kept,) = read_lines(path)
    assert values.probabilities_after(kept, "accepted") == told("Lunch is too short, duh. Everybody knows it.")
    kept["details"]["evaluation"] = {"before": None, "accepted": {"dimensions": None}}
    assert values.probabilities_before(kept) is values.probabilities_after(kept, "accepted") is None
    assert "dimensions" not in compact_record(kept, (), kept["argument"])
    kept["details"]["evaluation"] = {"before": {"Inappropriateness": 0.75}, "accepted": {"dimensions": told("")}}
    assert compact_record(kept, (), kept["argument"])["dimensions"]["Inappropriateness"] == [0.75, 0.1]


def test_one_argument_or_one_value_has_no_interval(tmp_path: Path) -> None:
    path = by_sentence(tmp_path, "one.jsonl", record(1, edits=[edit("way too", "too")]))
    report = run(options(tmp_path, path))
    cell = table(report, "arguments")["one", "accepted edits"]["nes"]
    assert cell["value"] is not None
    assert (cell["low"], cell["high"]) == (None, None)
    (arguments,) = [one for one in report["tables"] if one["id"] == "arguments"]
    assert arguments["caption"].startswith("Means over the 1 argument that all systems have")


def test_names_that_begin_with_an_underscore_are_in_the_legend(tmp_path: Path) -> None:
    report = run(options(tmp_path, *two_systems(tmp_path), names=("_one", "other")))
    (rates,) = [one for one in report["figures"] if one["id"] == "rates"]
    assert "> _one<" in rates["svg"]
    with pytest.raises(ConfigError, match="a system is called ''; give each a name that can be seen"):
        run(options(tmp_path, *two_systems(tmp_path), names=("", "other")))


def test_long_names_are_whole_in_the_plots_and_systems_differ_without_colour(tmp_path: Path) -> None:
    long = "a system whose name goes on and on and on and on and on and on and on"
    report = run(options(tmp_path, *two_systems(tmp_path), names=(long, "other")))
    for figure in report["figures"]:
        svg = figure["svg"]
        assert f"<title>{figure['title']}</title>" in svg
        width = float(re.findall(r'viewBox="0 0 ([\d.]+)', svg)[0])
        placed = re.findall(r'<text style="([^"]*)"(?: x="| transform="translate\()([-\d.]+)[^>]*>([^<]*)', svg)
        assert any(long in text for _, _, text in placed)
        for style, x, text in placed:
            if "middle" not in style:
                ends = float(x), float(x) + 4 * len(text) * (-1 if "end" in style else 1)  # a letter takes more than 4
                assert all(0 <= end <= width for end in ends), (figure["id"], text)
    (rates,) = [one for one in report["figures"] if one["id"] == "rates"]
    assert "<pattern" in rates["svg"]


@pytest.mark.usefixtures("undrawn")
def test_ids_that_differ_in_their_type_alone_are_told(tmp_path: Path) -> None:
    one = scored(tmp_path, "one.jsonl", *(record(n, edits=[]) for n in (1, 2, 3)))
    other = scored(tmp_path, "other.jsonl", *(record(n, edits=[]) for n in (1, "2", "3")))
    report = run(options(tmp_path, one, other))
    assert "2 of the ids left out differ in their type alone: as text they would be the same" in " ".join(
        report["notes"]
    )
    both = [scored(tmp_path, f"{name}.jsonl", *(record(n, edits=[]) for n in (1, "1", 2))) for name in ("c", "d")]
    assert "type alone" not in " ".join(run(options(tmp_path, *both))["notes"])  # the files have both in common


@pytest.mark.parametrize(
    ("part", "header"),
    [
        ("counts", {"counts": None}),
        ("counts.rejected", {"counts": {"rejected": "x"}}),
        ("counts.rejected", {"counts": {"rejected": None}}),
        ("counts.rejections", {"counts": {"rejections": {"why": "x"}}}),
        ("rewards", {"rewards": []}),
        ("rewards.format", {"rewards": {"format": 1}}),
        ("rewards.format.weight", {"rewards": {"format": {"weight": "1"}}}),
        ("rewards.format.threshold", {"rewards": {"format": {"threshold": [1]}}}),
        ("models.m", {"models": {"m": "x"}}),
        ("models.m.truncated_texts", {"models": {"m": {"truncated_texts": None}}}),
        ("roles", {"roles": "x"}),
        ("threads", {"threads": ["x"]}),
        ("seconds", {"seconds": "x"}),
        ("features.computed", {"features": {"computed": "x"}}),
        ("appended", {"appended": {}}),
    ],
)
def test_a_header_that_somebody_changed_is_named(tmp_path: Path, part: str, header: dict[str, Any]) -> None:
    path = scored(tmp_path, "one.jsonl", record(1, edits=[]))
    path.with_name("one.jsonl.meta.json").write_text(json.dumps(header), encoding="utf-8")
    with pytest.raises(RewardsError, match=rf"one\.jsonl\.meta\.json: {part} is not as `rewards score` writes it"):
        run(options(tmp_path, path))


def test_a_terminal_that_cannot_be_written_is_no_bug(tmp_path: Path) -> None:
    path = scored(tmp_path, "one.jsonl", record(1, edits=[]))
    program = [sys.executable, "-m", "rewards", "eval", str(path), "-o", str(tmp_path / "out"), "--resamples", "100"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr.decode().endswith("error: standard output cannot be written: No space left on device\n")
    assert (tmp_path / "out/report.html").exists()


@pytest.mark.usefixtures("undrawn")
def test_file_names_that_are_no_text_are_written_out(tmp_path: Path) -> None:
    path = scored(tmp_path, "one.jsonl", record(1, edits=[]))
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xffname.jsonl"))
    path.rename(strange)
    report = run(options(tmp_path, strange))
    assert report["systems"][0]["name"] == "bad\\xffname"
    assert (tmp_path / "out/report.json").exists()
    assert run(options(tmp_path, strange, names=["a\udcff"]))["systems"][0]["name"] == "a\\xff"
