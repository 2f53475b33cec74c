"""What the audit reads from scored files and training logs, and what it says of them."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from rewards.cli import build
from rewards.errors import ConfigError
from rewards_audit.compare import compare
from rewards_audit.observations import BEHAVIOUR, Observations, observe
from rewards_audit.trends import FileReport, examine
from tests.conftest import command, read_lines, write_lines

SUITE = {
    "main": {"weight": 0.9, "gate": False, "higher_is_better": True},
    "small": {"weight": 0.1, "gate": False, "higher_is_better": True},
    "judge": {"weight": 0.0, "gate": False, "higher_is_better": True},
    "oddity": {"weight": 0.0, "gate": False, "higher_is_better": False},
    "meaning": {"weight": 0.0, "gate": True, "higher_is_better": True},
}


def row(step: int, prompt: int, sample: int, **more: Any) -> dict[str, Any]:
    """One row of a log in which the main reward and the number of edits grow, and the judge likes it less and less."""
    main = step / 10 + sample / 100
    rewards_ = {"main": main, "small": 0.5, "judge": 1 - step / 10 + (prompt % 2) / 10, "oddity": None, "meaning": 0.9}
    return {
        "step": step, "id": f"p{prompt}", "sample": sample, "issue": "", "argument": "a b", "completion": "x",
        "reward": 0.9 * main + 0.05, "rewards": rewards_, "failure": None, "edits": 1 + step, "valid": 1, "accepted": 1,
        "words_before": 10, "words_after": 10 + step, **more,
    }  # fmt: skip


ROWS = [row(step, prompt, sample) for step in range(9) for prompt in (2 * step, 2 * step + 1) for sample in range(4)]


def log(path: Path, rows: list[dict[str, Any]], kind: str = "struct", suite: Any = SUITE) -> Path:
    numbers = pa.struct([(name, pa.float64()) for name in SUITE])
    if kind == "map":
        numbers = pa.map_(pa.string(), pa.float64())
        rows = [{**each, "rewards": list(each["rewards"].items())} for each in rows]
    columns = {
        **dict.fromkeys(("step", "sample", "edits", "valid", "accepted", "words_before", "words_after"), pa.int64()),
        **dict.fromkeys(("id", "issue", "argument", "completion", "failure"), pa.string()),
        "reward": pa.float64(), "rewards": numbers,
    }  # fmt: skip
    metadata = {"rewards.suite": json.dumps({"suite": "toys", "rewards": suite})} if suite else None
    parquet.write_table(pa.Table.from_pylist(rows, pa.schema(list(columns.items()), metadata)), path)
    return path


def columns(report: FileReport) -> dict[str, Any]:
    return {column.name: column for column in report.columns}


def test_a_training_log_that_somebody_changed_is_named(tmp_path: Path) -> None:
    path = log(tmp_path / "rewards.parquet", ROWS)
    table = parquet.read_table(path)
    place = table.schema.get_field_index("step")
    parquet.write_table(table.set_column(place, "step", table["step"].cast(pa.float64())), path)
    with pytest.raises(ConfigError, match=r"rewards\.parquet, row 1: a column is of another type"):
        observe(path)
    for suite, named in (({"main": {"weight": "1"}}, ": weight of main"), ({"main": 1}, "$")):
        with pytest.raises(ConfigError, match=f"what it says of its rewards cannot be read{named}"):
            observe(log(path, ROWS, suite=suite))


@pytest.mark.parametrize("kind", ["struct", "map"])
def test_a_training_log(tmp_path: Path, kind: str) -> None:
    report = examine(observe(log(tmp_path / "rewards.parquet", ROWS, kind)))
    assert (report.records, report.steps, report.groups, report.stale, report.failed) == (72, 9, 18, 0, 0)
    found = columns(report)
    assert list(found) == [
        "total", "main", "small", "judge", "oddity", "meaning",
        "edits", "accepted edits", "length after / before", "left as it was",
    ]  # fmt: skip
    assert found["main"].share == pytest.approx(1.0)
    assert found["main"].share_within == pytest.approx(1.0)
    assert found["small"].share == pytest.approx(0.0)
    assert found["total"].first == pytest.approx(0.9 * (0.1 + 0.015) + 0.05)  # steps 0, 1, 2
    assert found["total"].change == pytest.approx(0.9 * 0.6)
    assert found["total"].interval == pytest.approx((0.45, 0.63), abs=0.03)
    assert found["oddity"].n == 0
    assert found["oddity"].mean is None
    assert [(each.name, each.n) for each in report.held_out] == [("judge", 72), ("oddity", 0)]
    assert report.held_out[0].spearman == pytest.approx(-0.97, abs=0.03)
    assert report.held_out[0].within is None  # the judge says the same of all completions of a prompt
    assert report.warnings == (
        "main alone is 100% of the total's variance: the others hardly matter",
        "small is paid and has the same value everywhere: nothing can be learned from it",
        "the length after / before drifts from 1.10 to 1.70",
        "the number of edits drifts from 2.00 to 8.00",
        "the total rises while the held-out judge gets worse: the reward is being gamed",
    )


def test_a_sound_log_has_no_warnings(tmp_path: Path) -> None:
    rows = [
        row(step, prompt, sample, edits=3, words_after=10, reward=0.5 + value, rewards=
            {"main": 0.5 + value, "small": 0.5 - value, "judge": 0.4 + value, "oddity": 2 - value, "meaning": 0.9})
        for step in range(6) for prompt in range(2) for sample in range(4)
        for value in ((step + sample + prompt) % 5 / 10,)
    ]  # fmt: skip
    suite = {**SUITE, "main": {"weight": 0.7}, "small": {"weight": -0.3}}
    report = examine(observe(log(tmp_path / "rewards.parquet", rows, suite=suite)))
    assert report.warnings == ()
    assert {each.name: each.spearman for each in report.held_out} == pytest.approx({"judge": 1.0, "oddity": 1.0})


def test_a_mean_that_is_rounded_differently_has_not_changed(tmp_path: Path) -> None:
    """The mean of three times 0.1 is not that of two."""
    rows = [
        row(step, prompt, sample, rewards={"main": step / 10 + sample / 100, "small": 0.5, "judge": 0.1})
        for step in range(6) for prompt in range(4) for sample in range(3 if step < 2 else 2)
    ]  # fmt: skip
    report = examine(observe(log(tmp_path / "rewards.parquet", rows)))
    judge = columns(report)["judge"]
    assert (judge.change, judge.interval) == (0.0, (0.0, 0.0))
    assert not any("judge" in one for one in report.warnings)


def test_groups_without_spread_copies_and_failures(tmp_path: Path) -> None:
    same = [row(step, 1, sample, reward=0.3, accepted=0) for step in range(3) for sample in range(4)]
    lost = [row(1, 1, 9, reward=None, rewards=dict.fromkeys(SUITE), failure="no text: an empty prompt")] * 2
    report = examine(observe(log(tmp_path / "rewards.parquet", [*same, *lost])))
    assert (report.groups, report.stale, report.failed) == (3, 3, 2)
    assert report.failures == {"no text: an empty prompt": 2}
    assert "3 of 3 groups (100%) have no spread of the total: GRPO learns nothing from them" in report.warnings
    assert "100% of the arguments are left as they were in the last third" in report.warnings
    assert "2 of 14 records failed (14.3%)" in report.warnings
    assert columns(report)["left as it was"].n == 12


RECORD: dict[str, Any] = {
    "issue": "Tea?", "sentences": ["Only fools drink tea.", "It is hot."],
    "edits": [{"sentence_id": 1, "inappropriate_part": "Only fools", "rewritten_part": "Few people", "reason": "r"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that `rewards score` wrote: four arguments, one left as it was."""
    folder = tmp_path_factory.mktemp("audit")
    given = write_lines(
        folder / "in.jsonl", *({"id": n % 3, **RECORD, **({"edits": []} if n == 3 else {})} for n in range(4))
    )
    out = folder / "scored.jsonl"
    suite = folder / "toys.yaml"
    suite.write_text(
        "description: toys\nrewards:\n  pattern_conformity: {gate: true, threshold: 90}\n"
        "  edit_quality: {weight: 0.8}\n  format: {}\n",
        encoding="utf-8",
    )
    assert command("score", given, "-o", out, "--suite", suite, "-q").returncode == 0
    return out


def test_a_scored_file(scored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = examine(observe(scored))
    assert (report.records, report.steps, report.groups, report.stale, report.unread) == (4, None, 1, 0, 0)
    found = columns(report)
    assert found["edit_quality"].weight == 0.8
    assert found["pattern_conformity"].gate
    assert found["left as it was"].mean == 0.25
    assert [each.name for each in report.held_out] == ["format"]
    build()(["audit", str(scored)], standalone_mode=False)
    shown = capsys.readouterr().out
    assert shown.splitlines()[0] == f"{scored}: 4 records"
    last = [
        "groups of two or more: 1, without spread of the total: 0",
        "no warnings; what no column measures is not seen here, so read some of the texts too",
    ]
    assert shown.splitlines()[-2:] == last


def test_a_held_out_reward_that_goes_against_the_total_of_single_records(scored: Path, tmp_path: Path) -> None:
    first, path = read_lines(scored)[0], tmp_path / "single.jsonl"
    records = [
        {**first, "id": n, "group": n, "reward": n / 40, "rewards": {**first["rewards"], "format": 1 - n / 40}}
        for n in range(40)
    ]
    write_lines(path, *records)
    header = scored.with_name(f"{scored.name}.meta.json").read_bytes()
    (tmp_path / "single.jsonl.meta.json").write_bytes(header)
    report = examine(observe(path))
    assert report.groups == 0
    assert "the held-out format goes against the total (Spearman -1.00)" in report.warnings


def test_a_scored_file_without_its_header_says_so(scored: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.jsonl"
    alone.write_bytes(scored.read_bytes())
    report = examine(observe(alone))
    assert not report.known_suite
    assert report.held_out == ()
    assert all(column.weight is None and column.share is None for column in report.columns)


def test_lines_that_cannot_be_read_are_counted_and_fail(scored: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(scored.read_bytes() + b'{"id": 1\n{"id": 2}\n')
    seen = observe(broken)
    assert (len(seen.inputs), seen.unread) == (4, 2)
    code = build()(["audit", str(broken)], standalone_mode=False)
    assert code == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no records"),
        (b"Dear reader\n", "line 1: not JSON"),
        (b'{"id": 1, "argument": "a", "completion": "b"}\n', "line 1: status: is missing or of the wrong type"),
        (b"[1, 2]\n", "line 1: expected an object as `rewards score` writes it"),
        (b"PAR1 cut off", "cannot be read as Parquet"),
    ],
)
def test_files_of_unknown_kind(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        observe(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_parquet_that_is_no_log(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    parquet.write_table(pa.table({"step": [1], "prompt": ["x"]}), path)
    with pytest.raises(ConfigError, match="lacks the columns id, reward, rewards, failure, edits"):
        observe(path)
    with pytest.raises(ConfigError, match=r"does not name its suite \(rewards.suite\), so it is no training log"):
        observe(log(path, ROWS, suite=None))
    with pytest.raises(ConfigError, match="what it says of its rewards cannot be read"):
        observe(log(path, ROWS, suite={"main": 1}))
    with pytest.raises(ConfigError, match="no such file"):
        observe(tmp_path / "none.parquet")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ConfigError, match="pipe: is read more than once, so it cannot be a pipe"):
            observe(tmp_path / "pipe")


def test_parquet_that_is_damaged_is_named(tmp_path: Path) -> None:
    path = log(tmp_path / "log.parquet", ROWS)
    whole = path.read_bytes()
    for damaged in (whole[:4] + b"\xff" * 60 + whole[64:], whole.replace(b"words_before", b"words_\xffefore")):
        path.write_bytes(damaged)
        with pytest.raises(ConfigError, match=r"log\.parquet"):
            observe(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"group": []}, "group: is neither a number nor a text"),
        ({"group": {}}, "group: is neither a number nor a text"),
        ({"status": "failed", "error": 5}, "error: is missing or of the wrong type"),
        ({"edits": [3]}, "edits.0.: is missing or of the wrong type"),
    ],
)
def test_a_record_that_somebody_changed_is_one_that_cannot_be_read(
    scored: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    first, *others = read_lines(scored)
    path = write_lines(tmp_path / "changed.jsonl", {**first, **changes}, *others)
    seen = observe(path)
    assert (len(seen.inputs), seen.unread) == (3, 1)
    with pytest.raises(ConfigError, match=f"line 1: {message}"):
        observe(write_lines(path, {**first, **changes}))


def test_after_against_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def rows(main: float, judge: float) -> list[dict[str, Any]]:
        numbers = {"main": main, "small": 0.5, "judge": judge, "oddity": 2.0 + main, "meaning": 0.9}
        return [row(1, prompt, sample, reward=main, rewards=numbers) for prompt in range(12) for sample in range(2)]

    before, after = log(tmp_path / "a.parquet", rows(0.4, 0.6)), log(tmp_path / "b.parquet", rows(0.7, 0.5)[:22])
    comparison = compare(observe(after), observe(before))
    assert (comparison.inputs, comparison.only_after, comparison.only_before) == (11, 0, 1)
    changes = {change.name: change for change in comparison.changes}
    assert changes["total"].change == pytest.approx(0.3)
    assert changes["total"].interval == pytest.approx((0.3, 0.3))
    assert changes["total"].rose == 1.0
    assert [name for name, change in changes.items() if change.worse] == ["judge", "oddity"]  # lower oddity is better
    assert not comparison.passed
    assert comparison.warnings == (
        "the held-out judge got worse, 0.600 to 0.500 while the total rose: the reward is being gamed",
        "the held-out oddity got worse, 2.400 to 2.700 while the total rose: the reward is being gamed",
    )
    assert compare(observe(before), observe(after)).passed  # turned round, the held-out rewards get better
    out = tmp_path / "report.json"
    assert build()(["audit", str(after), "--against", str(before), "-o", str(out)], standalone_mode=False) == 1
    assert json.loads(out.read_bytes())["kind"] == "comparison"
    assert "warning: the held-out judge got worse" in capsys.readouterr().out


def test_inputs_are_compared_by_their_id_whatever_their_order_and_only_where_both_have_a_value() -> None:
    def seen(ids: str, *judged: float, failed: int = 0, unread: int = 0) -> Observations:
        columns = {"total": np.ones(len(ids)), "judge": np.array(judged)}
        columns |= {name: np.ones(len(ids)) for name in BEHAVIOUR}
        groups = np.arange(len(ids), dtype=np.int64)
        return Observations("x", None, groups, tuple(ids), columns, SUITE, failed, Counter(), unread)

    nothing = float("nan")
    before = seen("abcde", 0.1, 0.2, 0.3, 0.4, nothing)
    after = seen("edcbaa", 0.9, nothing, 0.1 + 0.2, 0.2, nothing, 0.0)
    judge = next(change for change in compare(after, before).changes if change.name == "judge")
    # c is 0.3 in other words, b the same, and a has one value of two.
    assert (judge.n, judge.rose, judge.worse) == (3, 0.0, False)
    assert judge.before == pytest.approx(0.2)
    assert judge.after == pytest.approx(0.5 / 3)
    assert judge.interval is not None
    assert judge.interval[0] < 0 < judge.interval[1]
    assert compare(after, before).passed
    for one in ({"failed": 1}, {"unread": 1}):
        bad = seen("abcde", 0.1, 0.2, 0.3, 0.4, nothing, **one)
        assert not compare(bad, before).passed
        assert not compare(before, bad).passed
    lacking = compare(before, seen("abcde", 0.1, 0.2, 0.3, 0.4, nothing, failed=2))
    assert (lacking.failed_after, lacking.failed_before) == (0, 2)
    assert "records failed, 0 after and 2 before: what they lack is not compared" in lacking.warnings


def test_files_that_cannot_be_compared_well(tmp_path: Path) -> None:
    seen = observe(log(tmp_path / "a.parquet", ROWS[:4]))
    other = observe(log(tmp_path / "b.parquet", ROWS[4:8]))
    with pytest.raises(ConfigError, match="share no id"):
        compare(seen, other)
    paid = {name: {**settings, "weight": 1.0} for name, settings in SUITE.items()}
    same = compare(observe(log(tmp_path / "c.parquet", ROWS[:4], suite=paid)), seen)
    assert same.warnings == (
        "no reward is held out (weight 0 and no gate): nothing independent of the reward was measured",
        "the files share 1 inputs only: the intervals say little",
        "the two files were scored with different suites (main.weight, small.weight, judge.weight, oddity.weight,"
        " meaning.weight): their totals cannot be compared",
    )
    assert same.passed
    more = observe(log(tmp_path / "e.parquet", ROWS[:4], suite={**SUITE, "added": {"weight": 1.0, "gate": False}}))
    assert any("different suites (added in one of them only): their" in told for told in compare(more, seen).warnings)
    fewer = replace(seen, columns={name: column for name, column in seen.columns.items() if name != "judge"})
    for one, another in ((seen, fewer), (fewer, seen)):
        told = f"the held-out judge is not in {fewer.source}: it is not compared"
        assert told in compare(one, another).warnings
    unknown = replace(observe(log(tmp_path / "d.parquet", ROWS[8:12])), settings=None)
    blind = compare(replace(seen, settings=None, columns={**seen.columns, "judge": seen.columns["judge"] - 1}), seen)
    assert not blind.passed
    assert not any(change.worse for change in blind.changes)  # nobody knows which way a reward gets worse
    assert blind.warnings[0] == (
        f"no header beside {seen.source}: its weights, gates and held-out rewards are not known, nor which way they get worse"
    )
    assert "no header beside" in compare(observe(tmp_path / "d.parquet"), unknown).warnings[0]


def test_one_report_on_a_file_and_a_suite(scored: Path, tmp_path: Path) -> None:
    suite = scored.with_name("toys.yaml")
    done = ["audit", str(scored), "--suite", str(suite), "--only", "empty-completion", "-o", str(tmp_path), "-q"]
    build()(done, standalone_mode=False)
    record = json.loads((tmp_path / "audit.json").read_bytes())
    assert record["kind"] == "several"
    assert [report["kind"] for report in record["reports"]] == ["file", "attacks"]


def test_records_that_failed_are_no_pass(scored: Path, tmp_path: Path) -> None:
    first, *rest = [json.loads(line) for line in scored.read_text(encoding="utf-8").splitlines()]
    failed = {**first, "status": "failed", "error": "out of memory", "rewards": {**first["rewards"], "format": None}}
    path = write_lines(tmp_path / "failed.jsonl", failed, *rest)
    header = scored.with_name(f"{scored.name}.meta.json").read_bytes()
    path.with_name(f"{path.name}.meta.json").write_bytes(header)
    out = tmp_path / "report.json"
    assert build()(["audit", str(path), "-o", str(out)], standalone_mode=False) == 1
    assert json.loads(out.read_bytes())["passed"] is False
    assert build()(["audit", str(scored)], standalone_mode=False) in (0, None)
    alone = write_lines(tmp_path / "alone.jsonl", {**failed, "id": 9}, *rest)
    alone.with_name(f"{alone.name}.meta.json").write_bytes(header)
    comparison = compare(observe(alone), observe(write_lines(tmp_path / "b.jsonl", {**first, "id": 9}, *rest)))
    assert not comparison.passed
    assert "records failed, 1 after and 0 before: what they lack is not compared" in comparison.warnings
    assert "only 3 of 4 inputs have a value of format in both files" in comparison.warnings
    assert {change.name: change.gate for change in comparison.changes}["pattern_conformity"]


def test_a_bad_first_line_is_a_bad_line(scored: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(b'{"id": 1\n' + scored.read_bytes())
    assert observe(broken).unread == 1
    assert build()(["audit", str(broken)], standalone_mode=False) == 1


def test_a_held_out_reward_that_reads_a_paid_ones_model_is_named() -> None:
    settings: dict[str, Any] = {
        "appropriateness": {"weight": 0, "gate": False},
        "bertscore": {"weight": 0, "gate": False},
        "appropriateness_gain": {"weight": 0.6, "gate": False},
        "fluency": {"weight": 0, "gate": True},
    }
    columns = {name: np.zeros(1) for name in settings}
    seen = Observations("x", None, np.zeros(1, np.int64), ("1",), columns, settings, 0, Counter(), 0)
    assert seen.dependence() == [
        "the held-out appropriateness reads the same model as appropriateness_gain: that it agrees with the total says little"
    ]
