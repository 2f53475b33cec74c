"""What a fit is measured on stays out of what it learns from, in whatever file it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import rewards_fluency
from rewards.engine.engine import Engine
from rewards.errors import ConfigError
from rewards.fitting.params import read_card
from rewards.fitting.rows import Row, read_rows
from rewards.fitting.run import run
from rewards.fitting.unseen import Unseen
from rewards.paths import file_digest
from rewards_fluency.pairs import pairs
from tests.conftest import command, write_lines
from tests.test_fit import revisions

KEPT = "The old harbour should stay open in winter, because the ferry has no other place to land."


def test_rows_that_share_eight_words_with_a_test_row_are_left_out(tmp_path: Path) -> None:
    kept = write_lines(
        tmp_path / "kept.jsonl",
        {"text": KEPT, "issue": "Should this be a sentence of eight words or more?", "folds": {"fold0.0": "TEST"}},
        {"text": "Here nothing is said that anybody would want to measure.", "folds": {"fold0.0": "TRAIN"}},
    )
    unseen = Unseen.of(kept, {"fold": "fold0.0"})

    def held(**record: Any) -> bool:
        return unseen.holds(Row(tmp_path / "other.jsonl", 1, record))

    assert held(text="They wrote: THE OLD HARBOUR - should stay open in winter!")
    assert held(neutral=["no", "because the ferry has no other place to land"])
    assert held(answers={"first": [{"text": KEPT}]})
    assert not held(text="The old harbour should stay open in summer.")  # seven words of it
    assert not held(text="Here nothing is said that anybody would want to measure.")
    assert not held(text="Should this be a sentence of eight words or more?")


def test_a_fit_counts_what_it_leaves_out_and_its_card_names_the_file(tmp_path: Path) -> None:
    own = {"before": KEPT, "after": KEPT.replace("old", "small")}
    data = write_lines(tmp_path / "revisions.jsonl", *revisions(120), own)
    kept = write_lines(tmp_path / "kept.jsonl", {"text": f"It says: {KEPT}"})
    done = command("fit", "pattern_conformity", "--data", data, "-o", tmp_path / "mine", "--unseen", kept)
    assert done.returncode == 0, done.stderr.decode()
    assert f"1 of 121 rows share words with {kept} and are left out" in done.stderr.decode()
    card = read_card(tmp_path / "mine")
    assert card["rows"]["sentences"] == 120
    assert card["unseen"]["file"] == "kept.jsonl"
    assert len(card["unseen"]["sha256"]) == 64


def test_a_file_is_kept_from_itself_only_by_a_fit_that_reads_no_splits(tmp_path: Path) -> None:
    short = {"before": "No.", "after": "Not so.", "split": "test"}
    texts = [" ".join(f"word{n}of{i}" for i in range(9)) for n in range(160)]
    parts = ("train", "train", "train", "test")
    rows = [{"before": text, "after": f"{text} too", "split": parts[n % 4]} for n, text in enumerate(texts)]
    data = write_lines(tmp_path / "revisions.jsonl", *rows, short)
    said: list[str] = []
    card = run("pattern_conformity", [data], tmp_path / "mine", {}, 1, Engine(), said.append, data)
    assert said[0].startswith("41 of 161 rows share words")
    assert card["rows"]["sentences"] == 120
    (own,) = (row for row in read_rows([data]) if row.record["before"] == "No.")
    assert not Unseen.of(data, {"fold": "fold0.0"}).holds(own)


def test_a_file_that_keeps_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--unseen .*short\.jsonl has no test row with a text of 8 words or more"):
        Unseen.of(write_lines(tmp_path / "short.jsonl", {"text": "Too short."}), {})


@pytest.mark.shared
def test_no_edit_that_fluency_was_fitted_on_is_of_a_sentence_that_it_is_measured_on(shared: Path) -> None:
    corpus = shared / "arguments" / "appropriateness_corpus.jsonl"
    card = read_card(rewards_fluency.PARAMS)
    assert card["unseen"]["sha256"] == file_digest(corpus)
    unseen = Unseen.of(corpus, {"fold": "fold0.0"})
    rows = list(read_rows([shared / "arguments" / "ukpconvarg1.jsonl"]))
    measured = {
        plain(sentence)
        for row in read_rows([shared / "reference" / "base.generated.jsonl"])
        for sentence in row.record["sentences"]
        if len(sentence.split()) >= 5
    }

    def common(some: list[Row]) -> int:
        return sum(plain(pair.before) in measured for pair in pairs(some))

    assert common(rows) > 100  # without it
    assert common([row for row in rows if not unseen.holds(row)]) == 0


def plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
