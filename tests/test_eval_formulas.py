"""The metrics' formulas against examples by hand, slow definitions, and published values."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from rewards.dimensions import REASONS
from rewards_eval import formulas, references

WORDS = st.lists(st.sampled_from("abc"), max_size=7).map(" ".join)


def slow_alignments(was: list[str], now: list[str]) -> set[tuple[int, int]]:
    """(matches, other columns) of every alignment."""
    if not was and not now:
        return {(0, 0)}
    found: set[tuple[int, int]] = set()
    if was and now:
        match = was[0] == now[0]
        found |= {(m + match, d + (not match)) for m, d in slow_alignments(was[1:], now[1:])}
    if was:
        found |= {(m, d + 1) for m, d in slow_alignments(was[1:], now)}
    if now:
        found |= {(m, d + 1) for m, d in slow_alignments(was, now[1:])}
    return found


@given(WORDS, WORDS)
def test_nes_2024_is_that_of_the_best_alignment(before: str, after: str) -> None:
    alignments = slow_alignments(before.split(), after.split())
    best = max(2 * matches - 2 * others for matches, others in alignments)
    others, matches = min((d, m) for m, d in alignments if 2 * m - 2 * d == best)
    expected = 1.0 if others == 0 else 0.0 if matches == 0 else math.exp(-others / matches)
    assert formulas.nes_2024(before, after) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("before", "after", "nes", "nes_2024"),
    [
        ("", "", 1.0, 1.0),
        ("a b", "", 0.0, 0.0),
        ("a b c d", "a b c d", 1.0, 1.0),
        ("a b c d", "a x c d", 0.75, math.exp(-1 / 3)),
        ("a b c d", "a b c", 0.75, math.exp(-1 / 3)),
        ("a  b\n", "a b", 1.0, 1.0),
        ("a b", "x y", 0.0, 0.0),
    ],
)
def test_edit_similarities_by_hand(before: str, after: str, nes: float, nes_2024: float) -> None:
    assert formulas.nes(before, after) == nes
    assert formulas.nes_2024(before, after) == pytest.approx(nes_2024)


def test_gm_is_that_of_the_published_table() -> None:
    assert round(formulas.gm(0.516, 0.634, 35.1), 3) == 0.210
    assert round(formulas.gm(0.827, 0.471, 29.2), 3) == 0.237
    assert round(formulas.gm(0.773, 0.390, 56.2), 3) == 0.175
    assert formulas.gm(0.5, -0.1, 20.0) == 0.0
    assert formulas.gm(0.5, 0.5, 0.0) == 0.0


def test_perplexity() -> None:
    assert formulas.perplexity([math.log(0.5), math.log(0.125)]) == pytest.approx(4.0)
    assert formulas.perplexity([]) is None
    assert formulas.perplexity([-1000.0]) == math.exp(700)  # no float holds more


def test_true_flips_need_an_inappropriate_original() -> None:
    assert [formulas.true_flip(*pair) for pair in ((0.5, 0.49), (0.5, 0.5), (0.49, 0.1), (0.49, 0.9))] == [
        True, False, None, None,
    ]  # fmt: skip


def test_an_argument_at_the_cut_is_not_appropriate() -> None:
    assert [formulas.is_appropriate(p) for p in (0.0, 0.499, 0.5, 1.0)] == [True, True, False, False]


def test_reasons() -> None:
    gains = {"Toxic Emotions": 0.3, "Missing Commitment": 0.1, "Missing Intelligibility": 0.0, "Other Reasons": -0.2}
    assert [formulas.reason_strict(name, gains) for name in REASONS] == [True, False, False, False]
    assert [formulas.reason_relaxed(name, gains) for name in REASONS] == [True, True, False, False]
    assert not formulas.reason_strict("Toxic Emotions", {"Toxic Emotions": -0.1})
    assert not any(formulas.reason_strict(name, {}) for name in REASONS)
    assert not formulas.reason_strict(None, gains)
    assert not formulas.reason_relaxed("Punctuation", {"Punctuation": 1.0})


SOURCE = "About 95 species are currently accepted ."
PEOPLE = (
    "About 95 species are currently known .",
    "About 95 species are now accepted .",
    "95 species are now accepted .",
)


@pytest.mark.parametrize(
    ("prediction", "people", "published"),
    [  # of the three examples of the paper, as tensor2tensor's tests and evaluate's cards have them
        ("About 95 you now get in .", PEOPLE, 26.953601953601954),
        ("About 95 species are now agreed .", PEOPLE, 61.70966),
        ("About 95 species are currently agreed .", PEOPLE, 50.88682),
        ("About 95 you now get in .", PEOPLE[:1], 21.805555555555557),
        (PEOPLE[0], PEOPLE[:1], 100.0),
    ],
)
def test_sari_is_as_published(prediction: str, people: tuple[str, ...], published: float) -> None:
    assert references.sari(SOURCE, prediction, people) == pytest.approx(published, rel=1e-7)


def test_rouge_is_the_librarys() -> None:
    scorer, draw = RougeScorer(["rouge1", "rouge2", "rougeL"]), random.Random(0)
    for _ in range(30):
        texts = [" ".join(draw.choices(["cats", "dogs", "sleep", "a", "B!"], k=draw.randint(0, 12))) for _ in range(3)]
        library = scorer.score_multi(texts[:2], texts[2])
        assert references.rouge(texts[2], texts[:2]) == pytest.approx({k: v.fmeasure for k, v in library.items()})


def test_tokens_are_those_of_mteval_13a() -> None:
    told = references.tokens('It\'s 3.5, e.g. U.S.-based -- "no" (5-6) &amp; so... on/off 10,000.')
    wanted = 'it\'s 3.5 , e . g . u . s . -based -- " no " ( 5 - 6 ) & so . . . on / off 10,000 .'
    assert " ".join(told) == wanted
