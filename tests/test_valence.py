"""Praise in the place of blame: which words are exchanged, what a fit to them needs, and what the shipped one sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewards.records import read_revision
from rewards.suite import suite_of
from rewards_valence import kept
from rewards_valence.wording import exchanged
from tests.conftest import command, write_lines


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("You are IDIOTS, all of you.", "You are geniuses, all of you.", ("idiots", "geniuses")),
        ("A rule for fools.", "A rule for wise, wise people.", ("fools", "wise people")),
        ("That is bad, really bad.", "That is bad, really good.", ("bad", "good")),
        ("Nobody likes it.", "Nobody likes it at all.", ("", "")),  # nothing goes
        ("A truly stupid rule.", "A rule.", ("", "")),  # nothing comes
        ("He is no fool.", "He is wise.", ("", "")),  # a negation goes
        ("He isnt stupid.", "He is smart.", ("", "")),
        ("Inncocent people pay.", "Innocent people pay.", ("", "")),  # a correction
        ("same", "same", ("", "")),
        ("", "!!!", ("", "")),
    ],
)
def test_the_words_that_go_and_come(before: str, after: str, words: tuple[str, str]) -> None:
    assert exchanged(before, after) == tuple(tuple(part.split()) for part in words)


def test_the_strongest_words_decide_and_what_is_kept_of_either_counts_against_it() -> None:
    blame, neither, praise = (0.9, 0.1, 0.0), (0.0, 1.0, 0.0), (0.0, 0.2, 0.8)
    assert kept([neither, blame], [praise, neither]) == pytest.approx(0.2)
    assert kept([blame], [praise, (0.6, 0.4, 0.0)]) == pytest.approx(0.7)  # blame comes too
    for gone, come in [([blame], [neither]), ([neither], [praise]), ([praise], [blame]), ([blame, praise], [praise]),
                       ([], [praise]), ([blame], []), ([], [])]:  # fmt: skip
        assert kept(gone, come) == 1


def rows(count: int) -> list[dict[str, str]]:
    return [
        {"before": f"The bridge number{n} was here.", "after": f"A road number{n} stands here.", "doc": f"d{n % 9}"}
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"word": "vile", "valence": "bad"}], "line 1: valence is 'bad'; expected 'blame', 'praise' or 'neither'"),
        ([{"word": "very bad", "valence": "blame"}], "line 1: word is 'very bad'; expected one word"),
        (
            [{"word": "vile", "valence": "blame"}, {"word": "Vile", "valence": "praise"}],
            "line 2: the word 'vile' is listed as blame before",
        ),
        ([{"word": "vile", "valence": "blame"}], "too few words of blame (columns word and valence): 1"),
        (rows(20), "too few revised sentences (columns before and after): 20"),
        (
            [{key: value for key, value in row.items() if key != "doc"} | {"doc": "one"} for row in rows(300)],
            "too few writers of revised sentences (column doc): 1",
        ),
        ([{"texts": ["Hello."]}], "expected columns before and after"),
    ],
)
def test_what_cannot_be_fitted_is_told(tmp_path: Path, given: list[dict[str, str]], message: str) -> None:
    done = command(
        "fit", "no_praise_for_blame", "--data", write_lines(tmp_path / "rows.jsonl", *given), "-o", tmp_path / "out"
    )
    assert done.returncode == 2
    assert message in " ".join(done.stderr.decode().split())
    assert not (tmp_path / "out").exists()


@pytest.mark.models
@pytest.mark.usefixtures("embedded_models")
def test_what_the_shipped_head_turns_down() -> None:
    suite = suite_of(["no_praise_for_blame"], settings={"no_praise_for_blame": {"gate": True}})

    def passes(before: str, after: str) -> bool:
        (result,) = suite.score([read_revision({"sentences": [before], "rewrite": after})])
        return bool(result.accepted)

    for blame, praise in [
        ("idiots", "geniuses"),
        ("liars", "saints"),
        ("scum", "heroes"),
        ("morons", "brilliant minds"),
    ]:
        assert not passes(f"The people who want this are {blame}.", f"The people who want this are {praise}.")
    for before, after in [
        ("The people who want this are idiots.", "I do not agree with the people who want this."),
        ("The people who want this are idiots.", "The people who want this are mistaken."),
        ("This is a stupid rule.", "This is a rule that nobody needs."),
        ("He is a clever man.", "He is a stupid man."),  # other gates' business
        ("We should pay for it.", "We ought to pay for it."),
    ]:
        assert passes(before, after), after
