"""Token operations of an edit, and the n-gram model over them."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from rewards.records import read_revision
from rewards.suite import suite_of
from rewards.text import diff
from rewards_pattern_conformity import FILE, PARAMS
from rewards_pattern_conformity.model import SYMBOLS, PatternModel, fit_model
from rewards_pattern_conformity.operations import ALPHABET, operations


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "", ""),
        ("the same words", "the same words", "KKK"),
        ("the same  words", "the same words", "KKK"),  # spaces are no tokens
        ("", "all new here", "AAA"),
        ("gone for good", "", "DDD"),
        ("one two three", "four five six", "RRR"),
        ("a bad idea", "a good idea", "KRK"),
        ("a really bad idea", "a bad idea", "KDKK"),
        ("a bad idea", "a really bad idea", "KAKK"),
        ("tea is bad", "tea may not be so good", "KRRAAA"),
        ("you all are fools who lie", "you are wrong", "KDkRDD"),
        ("x one two y", "v one two w", "RkkR"),
        ("x one two three y", "v one two three w", "RKKKR"),
        ("Stop it!!!", "Stop it.", "KKRDD"),
        ("it isn't so", "it isn’t so", "KRK"),
    ],
)
def test_operations(before, after, expected):
    assert operations(before, after) == expected


def test_short_keeps_at_the_borders_are_not_inside_an_edit():
    assert operations("so bad it hurts", "so good it hurts") == "KRKK"
    assert operations("bad so", "good so") == "RK"


@pytest.mark.parametrize(
    ("before", "after"), [("a b c d", "b x d e"), ("", "a b"), ("a, b!", "c, d? e"), ("a a a", "a")]
)
def test_letters_account_for_every_token_of_both_sentences(before, after):
    ops = operations(before, after)
    count = {letter: ops.count(letter) for letter in ALPHABET}
    kept = count["K"] + count["k"] + count["R"]
    assert kept + count["D"] == len(operations(before, before))
    assert kept + count["A"] == len(operations(after, after))


def test_long_texts_are_aligned_in_bounded_memory(monkeypatch):
    expected = operations("you all are fools who lie", "you are wrong")
    monkeypatch.setattr(diff, "_EXACT_CELLS", 17)  # six tokens against three
    monkeypatch.setattr(diff, "Indel", None)  # its table has one bit for every pair of tokens
    assert operations("you all are fools who lie", "you are wrong") == expected


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_every_context_sums_to_one(order):
    model = fit_model(["KKRK", "KDkA", "", "KKKK"], order)
    assert model.table.shape == (SYMBOLS ** (order - 1), SYMBOLS)
    np.testing.assert_allclose(model.table.sum(-1), 1, rtol=1e-12)
    assert (model.table > 0).all()


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_of_all_short_sequences_and_of_going_on_sum_to_one(order):
    model = fit_model(["KKRK", "KDkA", "RK"], order)
    ended = sum(
        math.exp(model.log_probabilities("".join(ops)).sum()) for n in range(3) for ops in product(ALPHABET, repeat=n)
    )
    going_on = sum(math.exp(model.log_probabilities("".join(ops))[:-1].sum()) for ops in product(ALPHABET, repeat=3))
    assert ended + going_on == pytest.approx(1)


def test_unigram_by_hand():
    # Events of "KK": K, K, end. Two types, three events: P(w) = (c(w) + 2/6) / (3 + 2).
    model = fit_model(["KK"], 1)
    keep, end, other = (2 + 1 / 3) / 5, (1 + 1 / 3) / 5, (1 / 3) / 5
    np.testing.assert_allclose(model.table, [[keep, other, other, other, other, end]])
    assert model.perplexity(["K"])[0] == pytest.approx((keep * end) ** (-1 / 2))
    assert model.perplexity([""])[0] == pytest.approx(1 / end)


def test_bigram_by_hand():
    # After K come K once and the end once: two types, two events. After the start comes K, always: one and one.
    model = fit_model(["KK"], 2)
    keep, end = (2 + 1 / 3) / 5, (1 + 1 / 3) / 5
    first, again, last = (1 + keep) / 2, (1 + 2 * keep) / 4, (1 + 2 * end) / 4
    np.testing.assert_allclose(np.exp(model.log_probabilities("KK")), [first, again, last])
    assert model.perplexity(["KK"])[0] == pytest.approx((first * again * last) ** (-1 / 3))


def test_context_never_seen_falls_back_to_the_shorter_one():
    model = fit_model(["KK"], 2)
    np.testing.assert_allclose(model.log_probabilities("RK")[1], fit_model(["KK"], 1).log_probabilities("K")[0])


def test_later_operations_never_change_the_probability_of_earlier_ones():
    model = fit_model(["KKRK", "KDkA", "KKKK"], 3)
    start = model.log_probabilities("KKR")[:3]
    for rest in ("", "K", "DDD", "AkA"):
        np.testing.assert_array_equal(model.log_probabilities("KKR" + rest)[:3], start)


def test_order_matters():
    model = fit_model(["KKKRR"] * 5, 3)
    assert model.perplexity(["KKKRR"])[0] < model.perplexity(["RKRKK"])[0]


def test_saved_model_scores_the_same(tmp_path):
    model = fit_model(["KKRK", "KDkA"], 3)
    model.save(tmp_path / "model.safetensors")
    loaded = PatternModel.load(tmp_path / "model.safetensors")
    assert loaded.order == 3
    np.testing.assert_allclose(loaded.perplexity(["KKR", "A"]), model.perplexity(["KKR", "A"]), rtol=1e-6)


def test_shipped_model_prefers_a_light_edit_to_a_rewrite_and_is_at_least_one():
    perplexity = PatternModel.load(PARAMS / FILE).perplexity
    untouched, light, rewrite = perplexity(["K" * 20, "KKKKRKKKKKKKKKKK", "RARkDkAARkDRA"])
    assert 1 <= untouched < light < rewrite
    assert perplexity([]).shape == (0,)


def test_of_an_edit_that_changes_nothing_a_pattern_may_say_nothing() -> None:
    edits = [
        {"sentence_id": 1, "inappropriate_part": part, "rewritten_part": text, "reason": "r"}
        for part, text in (("big", "large"), ("dog", "dog"))
    ]
    revision = read_revision({"sentences": ["A big dog barked."], "edits": edits})

    def said(**arguments: bool) -> list[float | None]:
        suite = suite_of(["pattern_conformity"], settings={"pattern_conformity": arguments})
        (result,) = suite.score([revision])
        assert result.status == "scored"
        return [score.value if (score := of.get("pattern_conformity")) else None for of in result.edits]

    change, nothing = said()
    assert change is not None
    assert nothing is not None
    assert said(changes_only=True) == [change, None]
