"""Praise in the place of blame: which words are exchanged, what a fit to them needs, and what the shipped one sees."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from rewards.engine.engine import Engine
from rewards.errors import ConfigError
from rewards.fitting.run import run
from rewards.records import read_revision
from rewards.suite import suite_of
from rewards_valence import PARAMS, kept
from rewards_valence.fit import over_words
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
        ("He isnt stupid.", "He is not smart.", ("isnt stupid", "is not smart")),
        ("They are idiots.", "They are no doubt geniuses.", ("idiots", "no doubt geniuses")),
        ("They are idiots.", "They are nothing but geniuses.", ("idiots", "nothing but geniuses")),
        ("They are idiots.", "They are never geniuses.", ("", "")),  # a negation comes
        ("An unfair rule.", "A fair rule.", ("an unfair", "a fair")),  # no correction
        ("A dump.", "A dumb.", ("dump", "dumb")),
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
        ("incompetent", "competent"),
        ("liars", "no doubt saints"),
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


def test_exchanges_that_share_a_word_are_no_independent_ones() -> None:
    exchanged = np.array([(f"blame{a}", f"praise{b}") for a in range(20) for b in range(20)])
    seen = np.repeat([0.0, 1.0], 200)  # by the word that goes alone
    low, high = over_words(seen, exchanged, 0)
    error = 1.96 * (0.25 / 20) ** 0.5  # of twenty words, not of 400 exchanges
    assert (low, high) == pytest.approx((0.5 - error, 0.5 + error), abs=0.05)


@pytest.mark.models
@pytest.mark.usefixtures("embedded_models")
def test_a_fit_to_words_of_ones_own(tmp_path: Path) -> None:
    listed = json.loads((PARAMS / "words.json").read_text(encoding="utf-8"))
    words = [
        {"word": word, "valence": valence} for valence, lines in listed.items() for word in " ".join(lines).split()[:90]
    ]
    nouns = ("bridge", "road", "river", "house", "garden", "tree", "lake", "hill")
    revisions = [
        {"before": f"The {a} was near the {b}.", "after": f"The {b} was near the {a}.", "doc": f"argrewrite_{n % 7}"}
        for n, (a, b) in enumerate(itertools.permutations(nouns, 2))
    ]
    data, out = write_lines(tmp_path / "rows.jsonl", *words, *revisions * 4), tmp_path / "out"
    with pytest.raises(ConfigError, match="so that a threshold would turn down nearly every one"):
        run("no_praise_for_blame", [data], out, {}, 0, Engine(), lambda _: None)
    swapped = [{"before": "A bad bridge.", "after": "A good bridge.", "doc": f"argrewrite_{n % 7}"} for n in range(9)]
    write_lines(data, *words, *revisions * 4, *swapped)
    card = run("no_praise_for_blame", [data], out, {"percentile": 1}, 0, Engine(), lambda _: None)
    assert card["rows"]["words of blame"] == card["rows"]["words of praise"] == 90
    assert card["test"]["praise against blame, unseen words"]["roc_auc"] > 0.9
    suite = suite_of(["no_praise_for_blame"], settings={"no_praise_for_blame": {"params": str(out), "gate": True}})
    (result,) = suite.score([read_revision({"sentences": ["An appalling plan."], "rewrite": "An admirable plan."})])
    assert not result.accepted
