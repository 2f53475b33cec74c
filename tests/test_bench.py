"""The engine's fast paths give what plain code on the same models gives, and the benchmark's pages can be written."""

from __future__ import annotations

import importlib
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import page, starts, work
from rewards import Result, Revision
from rewards.records import read_revision
from tests.conftest import read_lines, write_lines

TOLERANCE = 1e-4  # float32; the stated tolerance is .001
CLASH = read_revision(
    {
        "id": "clash",
        "sentences": ["The teacher asked us to read the whole book by Monday."],
        "completion": "1 | asked us | said that we had\n1 | to read | that we should read",
        "format": "compact",
    }
)
"""Two edits that each read well, and together do not."""
NOTHING = read_revision(
    {
        "id": "nothing",
        "sentences": ["The teacher asked us to read the whole book by Monday."],
        "completion": "1 | the whole book | the whole book",
        "format": "compact",
    }
)
"""An edit that changes nothing, to which not every reward applies."""


@pytest.fixture(scope="module")
def everyone(embedded_models: None) -> dict[str, Any]:
    """The peers, with one set of models."""
    from bench.compare import peers
    from bench.models import Models

    return dict(peers(Models()))


@pytest.fixture(scope="module")
def scored(embedded_models: None) -> tuple[list[Revision], list[Result], dict[str, float]]:
    """Two revisions, edits that clash and one of nothing, what the engine says of them, and its thresholds."""
    from bench.compare import thresholds_of
    from rewards.engine.engine import Engine
    from rewards.suite import load_suite

    revisions = [*work.read(work.EXAMPLES)[:2], NOTHING, CLASH]
    suite = load_suite(engine=Engine(dtype="float32"))
    return revisions, suite.score(revisions), thresholds_of(suite)


@pytest.mark.parametrize("way", ["loop", "TRL", "careful", "careful, ONNX", "careful, OpenVINO"])
def test_the_engine_scores_as_plain_code_does(
    way: str, everyone: dict[str, Any], scored: tuple[list[Revision], list[Result], dict[str, float]]
) -> None:
    from bench.compare import differences
    from bench.peers import score

    if way not in everyone:
        pytest.skip(f"{way.rpartition(' ')[2]} is not installed")
    revisions, results, thresholds = scored
    off = {"largest_difference": 0.0, "decisions": 0}
    assert results[-1].failed_gates == (("fluency together",),) * 2
    differences(results, score(revisions, everyone[way], thresholds), off)
    assert sum(len(one.edits) for one in revisions) > 3
    assert 0.0 < off["largest_difference"] < TOLERANCE
    assert off["decisions"] == 0


def test_a_synthetic_file_has_the_stated_share_of_new_edits(tmp_path: Path) -> None:
    work.synthetic(tmp_path / "in.jsonl", 2000)
    records = read_lines(tmp_path / "in.jsonl")
    assert len(records) == 1000
    assert all(edit.valid for record in records for edit in read_revision(record).edits)
    assert len({record["argument"] for record in records}) == pytest.approx(400, abs=60)


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("# A\n<!-- one -->\nold\n<!-- end of one -->\nkept\n", encoding="utf-8")
    page.put(file, "one", ["new"])
    assert file.read_text(encoding="utf-8") == "# A\n<!-- one -->\n\nnew\n\n<!-- end of one -->\nkept\n"
    with pytest.raises(SystemExit, match="no marks for 'two'"):
        page.put(file, "two", [])


@pytest.mark.parametrize(
    ("module", "missing"),
    [
        ("evaluation", "reference/base.generated.jsonl, reference/v11.generated.jsonl"),
        ("suites", "reference/v11.generated.jsonl, reference/base.generated.jsonl"),
        (
            "learning",
            "arguments/appropriateness_corpus.jsonl, toxicity/paradetox.jsonl, toxicity/toxic_spans_train.jsonl",
        ),
        ("validate.__main__", "arguments/appropriateness_corpus.jsonl, "),
    ],
)
def test_what_the_data_lacks_is_told_in_one_line(
    module: str, missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "argv", [module, str(tmp_path), *([str(tmp_path / "out")] if module == "learning" else [])]
    )
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"bench.{module}").main()
    assert str(ended.value).startswith(f"{tmp_path} lacks {missing}")
    assert str(ended.value).endswith(": docs/fitting.md says what they hold and where they are from")
    assert list(tmp_path.iterdir()) == []


def test_insults_are_left_out_where_they_stand_before_what_they_insult(tmp_path: Path) -> None:
    comments = [
        ("Nobody wants that stupid rule any more, so drop it.", "stupid"),
        ("Whoever wrote that rule is a fool and should leave.", "fool"),
        ("Nobody wants a fool, stupid rules or long meetings.", "fool"),
    ]
    spans = [{"text": text, "spans": list(range(text.index(w), text.index(w) + len(w)))} for text, w in comments]
    write_lines(tmp_path / "spans.jsonl", *spans)
    found = list(starts.without_insults(tmp_path / "spans.jsonl", random.Random(0)))
    assert [pair["rewrite"] for pair in found] == ["Nobody wants that rule any more, so drop it."]


@pytest.mark.usefixtures("embedded_models")
def test_a_pair_states_the_edits_that_the_suite_accepts() -> None:
    sentences = ["This stupid rule makes everybody angry.", "Children should eat at noon."]
    rewrite = "This rule makes everybody angry. Children should eat at noon."
    from rewards.suite import load_suite

    good = {"id": "good", "issue": "Uniforms", "sentences": sentences, "rewrite": rewrite}
    worse = {"id": "worse", "issue": "Uniforms", "sentences": sentences, "rewrite": f"{sentences[0]} Idiots eat noon."}
    (pair,) = starts.chosen(iter([worse, good]), load_suite(), 5)
    assert pair["id"] == "good"
    assert set(pair) == {"id", "issue", "sentences", "completion"}
    revision = read_revision(pair, format="compact")
    assert revision.edits
    assert all(edit.valid and edit.changes for edit in revision.edits)
