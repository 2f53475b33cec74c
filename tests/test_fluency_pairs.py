"""The edits that the fluency classifier is fitted to: broken ones are broken, and nothing crosses the splits."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from rewards.fitting.rows import read_rows
from rewards_fluency.faults import corrupt, left_over, spaced_out
from rewards_fluency.pairs import pairs
from tests.conftest import write_lines

SENTENCES = (
    "Nobody has to like the new bridge, but it's there, and it isn't ugly.",
    "The importance of good shops was seen by the whole town in an hour.",
    "They go home.",
    "Yes, no.",
    "No",
    "a",
    "",
)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_broken_sentence_is_another_one_whatever_is_left_of_it(sentence: str) -> None:
    for seed in range(500):
        broken = corrupt(sentence, Random(seed))
        assert broken == corrupt(sentence, Random(seed))
        assert broken != sentence or not sentence


def test_a_number_in_the_place_of_a_word_is_among_the_faults() -> None:
    broken = [corrupt(SENTENCES[0], Random(seed)) for seed in range(500)]
    assert 20 < sum(any(letter.isdigit() for letter in text) for text in broken) < 100
    assert len(set(broken)) > 300


def test_what_an_edit_leaves_over_that_misses_its_borders() -> None:
    made = {left_over(SENTENCES[1], Random(seed)) for seed in range(500)}
    assert f" {SENTENCES[1]}" in made
    assert f"{SENTENCES[1]} " in made
    assert SENTENCES[1].replace("The", "the", 1) in made
    assert f"{SENTENCES[1]}." in made
    assert f"{SENTENCES[1][:-1]}. ." in made
    assert " of good shops was seen by the whole town in an hour." in made
    assert "The importance of good shops was seen by the whole town " in made
    assert "The importance. of good shops was seen by the whole town in an hour." in made
    for sentence in SENTENCES:
        assert all(left_over(sentence, Random(seed)) == left_over(sentence, Random(seed)) for seed in range(50))


def test_a_space_that_was_there_before_is_no_fault_of_the_edit(tmp_path: Path) -> None:
    rows = [
        {"before": f"The {n} old shops were here.", "after": f"The {n} shops were here.", "doc": f"e_{n}_d"}
        for n in range(300)
    ]
    found = pairs(list(read_rows([write_lines(tmp_path / "rows.jsonl", *rows)])))
    kept = [pair for pair in found if pair.fluent and pair.before != pair.before.strip()]
    assert kept
    assert all(
        len(pair.before) - len(pair.before.strip()) == len(pair.after) - len(pair.after.strip()) for pair in kept
    )
    assert any(pair.kind == "left over" and not pair.fluent for pair in found)


def test_marks_set_apart() -> None:
    assert spaced_out("Don't stop, please, it's $3.50!") == "Do n't stop , please , it 's $3.50 !"


def test_a_judgement_that_is_null_is_none_and_judged_edits_fall_as_their_writers_do(tmp_path: Path) -> None:
    edit = {"before": "They walked to the old shop.", "after": "They walked to the shop.", "doc": "argrewrite_3_a"}
    rows = [{**edit, "fluent": None}, {**edit, "fluent": 0}, {**edit, "doc": "argrewrite_3_b"}]
    rows.append({"text": "This has nothing to judge in a table of all.", "fluent": None})
    said: list[str] = []
    found = pairs(list(read_rows([write_lines(tmp_path / "rows.jsonl", *rows)])), say=said.append)
    assert sum(pair.kind in ("human", "judged") for pair in found) == 2
    assert len({pair.split for pair in found if pair.owner == "3"}) == 1
    assert any("judge" in pair.before for pair in found)
    assert said[-1] == "rows left out: 1 whose judgement is null"


def test_edits_are_made_of_every_kind_of_row_and_no_writer_is_on_two_sides(tmp_path: Path) -> None:
    rows = [
        {
            "doc": f"essay_{n % 40}_draft",
            "before": f"The {n} old shops were close to the river, they said.",
            "after": f"The {n} shops were close to the wide river, they said.",
        }
        for n in range(400)
    ]
    toxic = [
        {"toxic": f"those {n} damn shops are just stupid", "neutral": [f"those {n} shops are not good"]}
        for n in range(60)
    ]
    found = pairs(list(read_rows([write_lines(tmp_path / "rows.jsonl", *rows, *toxic)])))
    assert {pair.kind for pair in found} >= {"human", "corrupted", "seam", "detoxified"}
    assert all(pair.before != pair.after for pair in found)
    assert not any(pair.fluent for pair in found if pair.kind in ("corrupted", "seam", "splice"))
    sides: dict[int, set[str]] = {}
    for pair in found:
        if pair.kind == "human":
            number = int(pair.before.split()[1])
            sides.setdefault(number % 40, set()).add(pair.split)
    assert len(sides) == 40
    assert all(len(splits) == 1 for splits in sides.values())
    assert {split for splits in sides.values() for split in splits} == {"train", "valid", "test"}
