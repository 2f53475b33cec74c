"""One pass over a batch: levels, gates, totals, and failures that stay with the records at fault."""

from __future__ import annotations

import asyncio
import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rewards
from rewards import drafts, scored, scoring
from rewards.errors import ConfigError, ModelError, PluginError, RewardFailed
from rewards.features import Embedding, Failure, TokenEmbeddings
from rewards.files.sink import dump
from rewards.models.catalog import ENCODER
from rewards.models.specs import Checkpoint, Hub, Model
from rewards.records import read_revision
from rewards.suite import Component, Suite, suite_of
from rewards.summary import Summary
from rewards.verdicts import to_requests
from tests import tiny
from tests.conftest import Untellable, record, registry_of


@rewards.reward(level="edit", range=(0, 10), threshold=4)
def part_length(edits: list[rewards.Edit]) -> list[float | None]:
    """Characters that are replaced; not applicable to insertions."""
    return [len(edit.before) or None for edit in edits]


@rewards.reward(level="sentence", range=(0, 9), threshold=2, higher_is_better=False)
def crowding(sentences: list[rewards.Sentence]) -> list[float]:
    """Valid edits in the sentence."""
    return [float(len(sentence.edits)) for sentence in sentences]


@rewards.reward(level="global", range=(0, 1000))
def length_after(arguments: list[rewards.Argument]) -> list[rewards.Score]:
    """Characters of the argument after its accepted edits."""
    return [rewards.Score(float(len(a.after)), details={"before": len(a.before)}) for a in arguments]


def suite(*declared: rewards.Reward, strict: bool = False, **settings: dict[str, Any]) -> Suite:
    names = [one.name for one in declared]
    return suite_of(names, settings=settings, strict=strict, plugins=registry_of(*declared))


def score(chosen: Suite, *records: dict[str, Any]) -> list[rewards.Result]:
    return chosen.score([read_revision(one) for one in records])


def test_gates_decide_what_the_global_reward_sees() -> None:
    chosen = suite(part_length, length_after, part_length={"gate": True, "threshold": 6}, length_after={"weight": 2.0})
    (result,) = score(chosen, record())
    assert result.accepted == (0,)
    assert result.after_accepted == "Lunch is too short, duh. Everybody knows it."
    assert result.after_all == "Lunch is too short. Everybody knows it."
    assert result.rewards == {"part_length": 6.0, "length_after": 44.0}
    assert result.reward == 88.0
    assert result.details == {"length_after": {"before": 48}}


def test_a_judgement_has_value_threshold_passed_and_margin() -> None:
    (result,) = score(suite(part_length, crowding), record())
    assert result.edits[1]["part_length"].to_record() == {
        "value": 5.0, "threshold": 4.0, "passed": True, "margin": 1.0, "failed": None, "details": {},
    }  # fmt: skip
    assert result.edits[2] == {}  # an invalid edit is not scored
    ((sentence, scores),) = result.sentences
    assert (sentence.sentence_id, len(sentence.edits)) == (1, 2)
    assert (scores["crowding"].value, scores["crowding"].passed, scores["crowding"].margin) == (2.0, True, 0.0)


def test_a_gate_at_sentence_level_takes_all_edits_of_the_sentence() -> None:
    (result,) = score(suite(crowding, crowding={"gate": True, "threshold": 1}), record())
    assert result.accepted == ()
    assert result.after_accepted == result.revision.argument


def test_every_rejected_edit_names_the_gates_it_did_not_pass() -> None:
    """Those of its sentence too, and none that only measure."""
    settings: dict[str, Any] = {
        "part_length": {"gate": True, "threshold": 6},
        "crowding": {"gate": True, "threshold": 1},
    }
    (result,) = score(suite(part_length, crowding, **settings), record())
    assert result.failed_gates == (("crowding",), ("part_length", "crowding"), ())  # the last one cannot be applied
    assert [edit["failed_gates"] for edit in result.to_record()["edits"]] == [list(one) for one in result.failed_gates]
    (result,) = score(suite(part_length, crowding, part_length={"gate": True, "threshold": 6}), record())
    assert result.failed_gates == ((), ("part_length",), ())
    insertion = {"id": 1, "argument": "One two.", "rewrite": "One more two."}
    (result,) = score(suite(part_length, part_length={"gate": True}), insertion)
    assert result.failed_gates == (("part_length",),)  # which says nothing of it


@rewards.reward(level="edit", range=(0, 9), threshold=1, higher_is_better=False)
def new_words(edits: list[rewards.Edit]) -> list[float]:
    """Words of the sentence after the edit that are not in the one before."""
    return [float(len({*e.sentence_after.split()} - {*e.sentence_before.split()})) for e in edits]


WALKS = {
    "id": 1,
    "sentences": ["We walk to the old mill.", "It is old."],
    "completion": "1 | walk | run\n1 | to | to\n1 | old | new\n2 | old | new",
    "format": "compact",
}


def test_edits_of_one_sentence_that_do_not_pass_together_are_not_accepted() -> None:
    """What changes nothing stays, and so does what stands in another sentence."""
    alone, both = (
        score(suite(new_words, length_after, new_words={"gate": True, "together": wanted}), WALKS)[0]
        for wanted in (False, True)
    )
    assert (alone.accepted, alone.together) == ((0, 1, 2, 3), {})
    assert both.accepted == (1, 3)
    assert both.after_accepted == "We walk to the old mill. It is new."
    assert both.rewards["length_after"] == len(both.after_accepted)  # what global rewards see
    assert both.failed_gates == (("new_words together",), (), ("new_words together",), ())
    assert [edit["new_words"].passed for edit in both.edits] == [True] * 4  # each alone
    first, second = both.to_record()["sentences"]
    assert first["together"] == {
        "new_words": {"value": 2.0, "threshold": 1.0, "passed": False, "margin": -1.0, "failed": None, "details": {}}
    }
    assert second["together"] == {}
    (wider,) = score(suite(new_words, new_words={"gate": True, "together": True, "threshold": 2}), WALKS)
    assert (wider.accepted, wider.together[1]["new_words"].passed) == ((0, 1, 2, 3), True)


def test_only_what_every_gate_accepts_is_judged_together() -> None:
    """As one edit from where the first begins to where the last ends, between which nothing else changes."""
    seen: list[tuple[str, str, str]] = []

    @rewards.reward(level="edit", range=(0, 1), threshold=0.5)
    def spy(edits: list[rewards.Edit]) -> list[float]:
        """Notes what it is given."""
        seen.extend((edit.before, edit.after, edit.sentence_after) for edit in edits)
        return [1.0 for _ in edits]

    three = {
        "id": 1,
        "sentences": ["Aa bb cc dd ee."],
        "completion": "1 | dd ee | ee\n1 | cc | x y\n1 | Aa | Zz",
        "format": "compact",
    }
    gates = {"spy": {"gate": True, "together": True}, "new_words": {"gate": True}}
    (result,) = score(suite(spy, new_words, **gates), three)
    assert result.failed_gates == ((), ("new_words",), ())
    assert seen[3:] == [("Aa bb cc dd ee", "Zz bb cc ee", "Zz bb cc ee.")]
    assert result.accepted == (0, 2)
    assert result.after_accepted == "Zz bb cc ee."
    assert list(result.together[1]) == ["spy"]  # the other gate was not asked to


@pytest.mark.parametrize(
    ("sentence", "completion", "down"),
    [
        ("They say that it is so.", "1 | say that | say\n1 | it is | that it is", (0, 1)),  # back where it was
        ("They say so.", "1 | say | SAY\n1 | so | so", ()),  # one edit does all of it, and was judged
        ("They say that it is so.", "1 | They | We\n1 | say that | say\n1 | it is | that it is", (1, 2)),
    ],
)
def test_edits_that_leave_the_sentence_as_it_was_are_not_accepted(
    sentence: str, completion: str, down: tuple[int, ...]
) -> None:
    given = {"id": 1, "sentences": [sentence], "completion": completion, "format": "compact"}
    chosen = suite(new_words, new_words={"gate": True, "together": True, "threshold": 3})
    (result,) = score(chosen, given)
    every = range(len(result.edits))
    assert result.after_accepted == result.revision.apply([n for n in every if n not in down])
    assert [names == ("changes nothing together",) for names in result.failed_gates] == [n in down for n in every]
    assert result.accepted == tuple(n for n in every if n not in down)
    assert result.together == {}  # no gate was asked


def test_the_name_of_a_gate_says_whether_it_judged_together() -> None:
    names = ("new_words together", "new_words", "together", drafts.NOTHING)
    assert [drafts.joint_gate(name) for name in names] == ["new_words", None, None, None]


@pytest.mark.parametrize(("names", "down"), [(["new_words together"], 1), ([drafts.NOTHING], 1), (["new_words"], 0)])
def test_what_is_turned_down_together_is_counted_once(names: list[str], down: int) -> None:
    (result,) = score(suite(new_words), {"id": 1, "argument": "One two.", "rewrite": "One more two."})
    made = result.to_record()
    made["edits"][0]["failed_gates"] = names
    summary = Summary()
    summary.add(made)
    assert summary.down_together == down


def test_spaces_that_go_one_by_one_are_judged_together() -> None:
    """Each alone is nothing that a reader sees; both leave one word of two."""
    edits = [rewards.Edit(1, " ", "", None, "We  run.", start, start + 1) for start in (2, 3)]
    revision = rewards.Revision(1, "", ("We  run.",), ("", ""), tuple(edits), "json_edits")
    (result,) = suite(new_words, new_words={"gate": True, "together": True, "threshold": 0}).score([revision])
    assert [edit["new_words"].passed for edit in result.edits] == [True, True]
    assert result.together[1]["new_words"].value == 1.0
    assert result.accepted == ()
    assert result.after_accepted == "We  run."


def test_a_gate_that_fails_on_edits_together_leaves_nobody_knowing() -> None:
    @rewards.reward(level="edit", range=(0, 1), threshold=0.5)
    def brittle(edits: list[rewards.Edit]) -> list[float]:
        """Breaks on long edits."""
        if any(" " in edit.before for edit in edits):
            raise ValueError("too long")
        return [1.0 for _ in edits]

    chosen = suite(brittle, length_after, brittle={"gate": True, "together": True}, length_after={"weight": 1.0})
    result, other = score(chosen, WALKS, {**WALKS, "id": 2, "completion": WALKS["completion"][21:]})
    assert (result.status, result.reward, result.rewards["length_after"]) == ("failed", None, None)
    assert "too long" in result.failures["brittle"]
    assert result.after_accepted == "We walk to the old mill. It is new."
    assert not scored.decided(result.to_record())
    assert (other.status, other.accepted, scored.decided(other.to_record())) == ("scored", (0, 1), True)
    (settled,) = scoring.score(chosen, [result.revision], [None])
    assert settled.together == {}  # what is decided is not judged again


def test_not_applicable_is_no_failure_and_passes_no_gate() -> None:
    insertion = {"id": 1, "argument": "One two.", "rewrite": "One more two."}
    (result,) = score(suite(part_length, part_length={"gate": True}), insertion)
    assert result.status == "scored"
    judged = result.edits[0]["part_length"]
    assert (judged.value, judged.threshold, judged.passed, judged.failed) == (None, 4.0, False, None)
    assert result.rewards == {"part_length": None}
    assert result.accepted == ()


def test_empty_zero_pays_nothing_where_no_edit_is_accepted_but_keeps_the_details() -> None:
    gate = {"gate": True, "threshold": 9}
    paid, unpaid = (
        score(suite(part_length, length_after, part_length=gate, length_after={"weight": 1, "empty": empty}), record())[
            0
        ]
        for empty in ("original", "zero")
    )
    assert (paid.reward, paid.rewards["length_after"]) == (48.0, 48.0)
    assert (unpaid.reward, unpaid.rewards["length_after"]) == (0.0, 0.0)
    assert unpaid.details == paid.details


def test_weight_zero_is_measured_and_not_paid() -> None:
    (result,) = score(suite(length_after, crowding, crowding={"weight": -1}), record())
    assert result.rewards["length_after"] == 39.0
    assert result.reward == -2.0


def test_a_suite_that_pays_nothing_has_no_total() -> None:
    (result,) = score(suite(length_after), record())
    assert (result.reward, result.status) == (None, "scored")


@rewards.reward(level="edit", range=(0, 1))
def fragile(edits: list[rewards.Edit]) -> list[float]:
    """Raises on a batch with the word `boom`, returns rubbish on `nan`."""
    if any("boom" in edit.sentence_before for edit in edits):
        raise ZeroDivisionError("boom was in the text")
    return [float("nan") if "nan" in edit.sentence_before else 1.0 for edit in edits]


def tiny_encoder(folder: Path) -> Model:
    return Model("tiny_encoder", {"embedded": Checkpoint(Hub(str(tiny.gemma(folder / "gemma"))), "sentence-encoder")})


def with_text(identifier: str, text: str) -> dict[str, Any]:
    return {"id": identifier, "argument": f"{text} here.", "rewrite": f"{text} there."}


def test_a_plugin_that_raises_fails_its_records_only(caplog: pytest.LogCaptureFixture) -> None:
    chosen = suite(fragile, length_after, length_after={"weight": 1})
    with caplog.at_level(logging.ERROR):
        results = score(chosen, with_text("a", "fine"), with_text("b", "boom"), with_text("c", "nan"))
    assert [result.status for result in results] == ["scored", "failed", "failed"]
    assert [result.reward for result in results] == [11.0, 11.0, 10.0]  # what failed neither gates nor pays
    assert "'fragile' of toy-distribution 0.0.1 failed: ZeroDivisionError: boom" in (results[1].error or "")
    assert results[2].error == "fragile: returned nan, which is no finite number that a float32 holds"
    assert results[1].rewards["length_after"] == 11.0  # what could be computed is kept
    assert "Traceback" in caplog.text
    assert len(caplog.records) == 1  # the record at fault, and nothing of the batch that it was in


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SystemExit(4), "SystemExit: 4"),
        (asyncio.CancelledError("late"), "CancelledError: late"),
        (Untellable(), "Untellable"),
        (OSError("x"), "OSError: x"),
    ],
)
@pytest.mark.parametrize("place", ["reads", "function"])
def test_whatever_a_plugin_raises_fails_its_records_only(
    caplog: pytest.LogCaptureFixture, error: BaseException, told: str, place: str
) -> None:
    def fail(edits: list[rewards.Edit], where: str) -> None:
        if where == place and any("boom" in edit.sentence_before for edit in edits):
            raise error

    def reads(edit: rewards.Edit) -> tuple[()]:
        fail([edit], "reads")
        return ()

    @rewards.reward(level="edit", range=(0, 1), reads=reads)
    def leaving(edits: list[rewards.Edit]) -> list[float]:
        fail(edits, "function")
        return [1.0] * len(edits)

    results = score(suite(leaving), with_text("a", "fine"), with_text("b", "boom"), with_text("c", "fine"))
    assert [result.rewards["leaving"] for result in results] == [1.0, None, 1.0]
    reason = f"reward 'leaving' of toy-distribution 0.0.1 failed: {told}"
    assert results[1].failures == {"leaving": reason}
    assert reason in caplog.text
    with pytest.raises(RewardFailed, match=r"\(record 'b'\)"):
        score(suite(leaving, strict=True), with_text("b", "boom"))


@pytest.mark.parametrize("place", ["reads", "function"])
def test_an_interrupted_plugin_ends_the_run(place: str) -> None:
    def interrupted(where: str) -> tuple[()]:
        if where == place:
            raise KeyboardInterrupt
        return ()

    @rewards.reward(level="edit", range=(0, 1), reads=lambda edit: interrupted("reads"))
    def leaving(edits: list[rewards.Edit]) -> list[float]:
        interrupted("function")
        return []

    with pytest.raises(KeyboardInterrupt):
        score(suite(leaving), record())


def test_a_gate_that_fails_leaves_nothing_to_pay() -> None:
    """Nobody knows which edits are accepted, so the global rewards are not scored: neither 0 nor the original's value."""
    for empty in ("zero", "original"):
        settings = {"fragile": {"gate": True, "threshold": 0.5}, "length_after": {"weight": 1, "empty": empty}}
        fine, failed = score(suite(fragile, length_after, **settings), with_text("a", "fine"), with_text("b", "boom"))
        assert (fine.reward, fine.status) == (11.0, "scored")
        assert (failed.reward, failed.status) == (None, "failed")
        assert failed.rewards == {"fragile": None, "length_after": None}
        assert list(failed.failures) == ["fragile"]
        assert failed.details == {}
        assert (failed.accepted, failed.after_accepted) == ((), failed.revision.argument)
        assert [scored.decided(one.to_record()) for one in (fine, failed)] == [True, False]


def test_what_is_decided_already_is_what_global_rewards_see() -> None:
    chosen, revision = suite(part_length, length_after), read_revision(record())
    decided = rewards.Argument(revision, (1,), revision.apply((1,)), ({"g": False}, {"g": True}, {"g": False}))
    known, unknown = scoring.score(chosen, [revision, revision], [decided, None])
    assert (known.accepted, known.failed_gates, known.after_accepted) == ((1,), (("g",), (), ()), decided.after)
    assert known.rewards == {"part_length": 6.0, "length_after": float(len(decided.after))}
    assert (unknown.accepted, unknown.failed_gates, unknown.after_accepted) == ((), ((), (), ()), revision.argument)
    assert unknown.rewards == {"part_length": 6.0, "length_after": None}
    assert unknown.failures == {}  # no reward was asked about it


def test_an_invalid_edit_passes_no_gate_though_its_sentence_does() -> None:
    seen: list[Any] = []

    @rewards.reward(level="global", range=(0, 1))
    def spy(arguments: list[rewards.Argument]) -> list[float]:
        seen.extend(dict(one) for one in arguments[0].passes)
        return [1.0] * len(arguments)

    given = record()
    given["edits"][2]["sentence_id"] = 1
    (result,) = score(suite(crowding, spy, crowding={"gate": True}), given)
    assert seen == [{"crowding": True}, {"crowding": True}, {"crowding": False}]
    assert result.accepted == (0, 1)


@pytest.mark.parametrize("together", [False, True])
def test_edits_that_change_only_spaces_stay_beside_others(together: bool) -> None:
    """They change nothing that a reader sees, alone or with others: nothing is taken back by them."""
    sentence = "They  say  so."
    spaces = [rewards.Edit(1, "  ", " ", None, sentence, start, start + 2) for start in (4, 9)]
    word = rewards.Edit(1, "say", "think", None, sentence, 6, 9)
    chosen = suite(new_words, new_words={"gate": True, "together": together, "threshold": 1})
    back = [spaces[0], rewards.Edit(1, "", " ", None, sentence, 6, 6)]  # the one takes a space, the other gives it back
    for edits in (spaces, [*spaces, word], [*back, word]):
        revision = rewards.Revision(1, "", (sentence,), ("", ""), tuple(edits), "json_edits")
        (result,) = chosen.score([revision])
        assert result.accepted == tuple(range(len(edits)))
        assert result.failed_gates == ((),) * len(edits)


def test_one_edit_that_fails_leaves_its_record_without_a_mean_and_the_first_reason_is_told() -> None:
    @rewards.reward(level="edit", range=(0, 1))
    def picky(edits: list[rewards.Edit]) -> list[rewards.Score]:
        return [rewards.Score(None, failed=e.before) if e.before in "ac" else rewards.Score(1.0) for e in edits]

    given = {"id": 1, "sentences": ["a b c"], "completion": "1 | b | x\n1 | c | y\n1 | a | z", "format": "compact"}
    (result,) = score(suite(picky), given)
    assert result.rewards == {"picky": None}
    assert result.failures == {"picky": "c"}
    assert [scores["picky"].value for scores in result.edits] == [1.0, None, None]


def test_after_a_batch_that_fails_each_record_is_tried_with_all_its_edits() -> None:
    calls: list[list[str]] = []

    @rewards.reward(level="edit", range=(0, 1))
    def watched(edits: list[rewards.Edit]) -> list[float]:
        calls.append([edit.before for edit in edits])
        if any("boom" in edit.sentence_before for edit in edits):
            raise ValueError("boom")
        return [1.0] * len(edits)

    score(suite(watched), record(), with_text("b", "boom"))
    assert calls == [["way too", ", duh", "here"], ["way too", ", duh"], ["here"]]


def test_a_feature_that_could_not_be_computed_fails_its_record_and_ends_a_strict_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def compute(self: rewards.Engine, requests: Any) -> dict[Any, Any]:
        return {one: Failure("no memory") if one.text == "too" else np.zeros(1) for one in requests}

    monkeypatch.setattr(rewards.Engine, "compute", compute)

    @rewards.reward(level="edit", range=(0, 1), reads=lambda e: (Embedding(e.after, ENCODER),), models=(ENCODER,))
    def read(edits: list[rewards.Edit], vectors: Any) -> list[float]:
        return [1.0] * len(edits)

    fine, failed = score(suite(read), with_text("a", "fine"), record())
    assert (fine.rewards, fine.failures) == ({"read": 1.0}, {})
    assert (failed.rewards, failed.failures) == ({"read": None}, {"read": "read: no memory"})
    assert [scores["read"].value for scores in failed.edits[:2]] == [None, 1.0]
    with pytest.raises(RewardFailed, match=r"^read: no memory \(record 'one'\)$"):
        score(suite(read, strict=True), with_text("a", "fine"), record())


def test_a_failed_score_never_has_a_value() -> None:
    @rewards.reward(level="global", range=(0, 1))
    def broken(arguments: list[rewards.Argument]) -> list[rewards.Score]:
        return [rewards.Score(float("nan"), failed="no idea")] * len(arguments)

    (result,) = score(suite(broken, broken={"weight": 1}), record())
    assert (result.reward, result.rewards, result.failures) == (None, {"broken": None}, {"broken": "no idea"})


def test_details_of_edits_are_kept() -> None:
    @rewards.reward(level="edit", range=(0, 1))
    def detailed(edits: list[rewards.Edit]) -> list[rewards.Score]:
        return [rewards.Score(1.0, details={"words": len(edit.before.split())}) for edit in edits]

    (result,) = score(suite(detailed), record())
    assert [scores["detailed"].details for scores in result.edits[:2]] == [{"words": 2}, {"words": 2}]


@pytest.mark.parametrize("returned", ["text", 3, ("not a request",)])
def test_reads_that_returns_no_features_fails_its_records(returned: Any) -> None:
    @rewards.reward(level="edit", range=(0, 1), reads=lambda edit: returned)
    def wrong(edits: list[rewards.Edit], features: Any) -> list[float]:
        return [1.0] * len(edits)

    (result,) = score(suite(wrong), record())
    assert "must return a tuple of features" in (result.error or "")


def test_of_one_feature_no_tuple_need_be_made() -> None:
    request = Embedding("a", ENCODER)

    @rewards.reward(level="edit", range=(-1, 1), reads=lambda edit: request, models=(ENCODER,))
    def first(edits: Any, vectors: Any) -> list[float]:
        """0."""
        return [0.0] * len(edits)

    assert to_requests(first, request) == (request,)


def test_a_feature_of_what_is_no_text_fails_its_records_only() -> None:
    nothing: Any = None

    @rewards.reward(level="edit", range=(0, 1), reads=lambda edit: (Embedding(nothing, ENCODER),))
    def reasoned(edits: list[rewards.Edit], features: Any) -> list[float]:
        return [1.0] * len(edits)

    (result,) = score(suite(reasoned), record())
    assert "Embedding of a NoneType: a feature is of a text (str)" in (result.error or "")


def test_a_model_that_is_not_declared_fails_its_records() -> None:
    @rewards.reward(level="edit", range=(0, 1), reads=lambda edit: (Embedding(edit.before, ENCODER),))
    def undeclared(edits: list[rewards.Edit], features: Any) -> list[float]:
        return [1.0] * len(edits)

    chosen = suite(undeclared)
    (result,) = score(chosen, record())
    assert "asks for the model of role 'encoder', which `models=` of the reward does not declare" in (
        result.error or ""
    )
    assert chosen.engine.counts.requested == 0
    with pytest.raises(RewardFailed, match=r"reward 'undeclared' of .*`models=`.* \(record 'one'\)"):
        score(suite(undeclared, strict=True), record())


def test_features_and_parameters_must_be_as_many(tmp_path: Path) -> None:
    encoder = tiny_encoder(tmp_path)
    texts: dict[str, Any] = {"reads": lambda edit: (Embedding(edit.before, encoder),), "models": (encoder,)}
    few = rewards.reward(level="edit", range=(0, 1), name="few", **texts)(lambda edits: [1.0] * len(edits))
    many = rewards.reward(level="edit", range=(0, 1), name="many", **texts)(lambda edits, a, b: [1.0] * len(edits))
    (result,) = score(suite(few, many), record())
    assert (
        "TypeError: `reads` returned 1 feature(s), but the function takes 0 beside the units" in result.failures["few"]
    )
    assert "but the function takes 2 beside" in result.failures["many"]
    assert f"({__file__}:{many.function.__code__.co_firstlineno})" in result.failures["many"]


def test_what_is_no_value_per_unit_is_told_with_the_place_of_the_function() -> None:
    @rewards.reward(level="edit", range=(0, 1))
    def half(edits: list[rewards.Edit]) -> Any:
        return 0.5

    (result,) = score(suite(half), record())
    place = f"({__file__}:{half.function.__code__.co_firstlineno})"
    assert f"it returned float; it must return one value per unit {place}" in result.failures["half"]


def test_units_that_ask_for_as_many_features_are_called_together(tmp_path: Path) -> None:
    encoder = tiny_encoder(tmp_path)
    calls: list[tuple[int, int]] = []

    def reads(edit: rewards.Edit) -> tuple[Embedding, ...]:
        return tuple(Embedding(word, encoder) for word in edit.after.split())

    @rewards.reward(level="edit", range=(0, 9), reads=reads, models=(encoder,))
    def words(edits: list[rewards.Edit], *vectors: Any) -> list[float]:
        """How many words the edit writes."""
        calls.append((len(edits), len(vectors)))
        assert all(len(one) == len(edits) for one in vectors)
        return [float(len(vectors))] * len(edits)

    given = record(sentences=["A b c.", "D e f.", "G h i."], edits=[
        {"sentence_id": 1, "inappropriate_part": "b", "rewritten_part": "one two", "reason": "Other Reasons"},
        {"sentence_id": 2, "inappropriate_part": "e", "rewritten_part": "", "reason": "Other Reasons"},
        {"sentence_id": 3, "inappropriate_part": "h", "rewritten_part": "three four", "reason": "Other Reasons"},
    ])  # fmt: skip
    (result,) = score(suite(words), given)
    assert [scores["words"].value for scores in result.edits] == [2, 0, 2]
    assert sorted(calls) == [(1, 0), (2, 2)]


def test_features_of_tokens_are_lists_whatever_their_shapes(tmp_path: Path) -> None:
    encoder, seen = tiny_encoder(tmp_path), []

    def reads(edit: rewards.Edit) -> Any:
        return TokenEmbeddings("same", encoder), Embedding("same", encoder)

    @rewards.reward(level="edit", range=(0, 1), reads=reads, models=(encoder,))
    def shaped(edits: list[rewards.Edit], tokens: Any, vectors: Any) -> list[float]:
        seen.append((type(tokens), len({one.shape for one in tokens}), vectors.shape[0]))
        return [1.0] * len(edits)

    (result,) = score(suite(shaped), record())
    assert result.failures == {}
    assert seen == [(list, 1, 2)]


def test_two_suites_on_one_engine_keep_their_profiles() -> None:
    engine = rewards.Engine()
    first = suite_of(["part_length"], engine=engine, plugins=registry_of(part_length))
    second = suite_of(["part_length"], engine=engine, profile="full", plugins=registry_of(part_length))
    assert (first.engine.profile, second.engine.profile) == ("embedded", "full")
    assert first.engine.cache is second.engine.cache


def test_strict_makes_it_fatal() -> None:
    with pytest.raises(PluginError, match="fragile.*ZeroDivisionError"):
        score(suite(fragile, strict=True), with_text("b", "boom"))
    with pytest.raises(PluginError, match="fragile: returned nan"):
        score(suite(fragile, strict=True), with_text("c", "nan"))


def test_what_ends_a_strict_run_names_the_reward_and_the_record() -> None:
    @rewards.reward(level="edit", range=(0, 1))
    def unsure(edits: list[rewards.Edit]) -> list[rewards.Score]:
        return [rewards.Score(None, failed="no idea")] * len(edits)

    texts = with_text("a", "fine"), with_text("b", "boom"), with_text("c", "boom")
    with pytest.raises(RewardFailed, match=r"reward 'fragile' of .* ZeroDivisionError: .* \(record 'b'\)") as failure:
        score(suite(fragile, strict=True), *texts)
    assert isinstance(failure.value.__cause__, ZeroDivisionError)
    with pytest.raises(RewardFailed, match=r"^unsure: no idea \(record 'a'\)$"):
        score(suite(unsure, strict=True), *texts)


@pytest.mark.parametrize("place", ["reads", "function"])
def test_what_fails_on_every_record_is_logged_once(caplog: pytest.LogCaptureFixture, place: str) -> None:
    def fail(where: str) -> tuple[()]:
        if where == place:
            raise ValueError(len(caplog.records))
        return ()

    @rewards.reward(level="edit", range=(0, 1), reads=lambda edit: fail("reads"))
    def broken(edits: list[rewards.Edit]) -> list[float]:
        return [1.0 for edit in edits if fail("function") == ()]

    chosen = suite(broken)
    results = score(chosen, *(with_text(str(number), "fine") for number in range(9)))
    assert [result.status for result in results] == ["failed"] * 9
    assert len(caplog.records) == 1
    score(chosen, with_text("a", "fine"))
    assert len(caplog.records) == 2  # the next call says it again


def test_a_result_and_a_revision_are_shown_in_one_line() -> None:
    text = " ".join(["Dogs are dumb."] * 50)
    revision = read_revision({"id": "x", "argument": text, "rewrite": text.replace("dumb", "fine")})
    assert repr(revision) == "<revision 'x': 50 sentences, 50 edits, read as rewrite>"
    (paid,) = suite(length_after, length_after={"weight": 1 / 3}).score([revision])
    assert repr(paid) == "<result 'x': scored, reward 249.7, 50 of 50 edits accepted>"
    (measured,) = suite(length_after).score([revision])
    assert repr(measured) == "<result 'x': scored, no reward, 50 of 50 edits accepted>"


def test_units_are_shown_without_what_they_share_with_others() -> None:
    text = "Dogs are dumb. " * 50
    revision = read_revision({"sentences": [text], "rewrite": text.replace("dumb", "fine")})
    (sentence,), argument = revision.edited_sentences(), rewards.Argument(revision, (0,), text, ())
    assert repr(revision.edits[0]).startswith("Edit(sentence_id=1, before='dumb', after='fine', reason=None, start=9, ")
    assert text not in repr(revision.edits[0])
    assert "Edit(" not in repr(sentence)
    assert repr(argument) == "Argument(revision=<revision 1: 1 sentences, 50 edits, read as rewrite>, accepted=(0,))"


def test_what_a_reward_does_to_its_arguments_stays_in_one_call() -> None:
    @rewards.reward(level="edit", range=(0, 1))
    def seen_before(edits: list[rewards.Edit], *, seen: list[str] = [], by: dict[str, list[str]] = {}) -> list[float]:  # noqa: B006  (the mistake under test)
        found = [float(edit.after in seen or "x" in by) for edit in edits]
        seen += [edit.after for edit in edits]
        by.setdefault("x", []).append("y")
        return found

    chosen = suite(seen_before, seen_before={"by": {}})
    before = chosen.describe()
    for _ in range(2):
        assert [one.rewards["seen_before"] for one in score(chosen, with_text("a", "fine"))] == [0.0]
    assert chosen.describe() == before


def test_a_suite_that_is_pickled_says_what_to_do_instead() -> None:
    with pytest.raises(TypeError, match="a suite on it, cannot be pickled: load the suite in each process"):
        pickle.dumps(rewards.Engine())


def test_an_error_of_all_together_that_none_has_alone_is_told(caplog: pytest.LogCaptureFixture) -> None:
    @rewards.reward(level="edit", range=(0, 1))
    def cramped(edits: list[rewards.Edit]) -> list[float]:
        if len(edits) > 2:
            raise MemoryError("three are too many")
        return [1.0] * len(edits)

    texts = [with_text(name, "fine") for name in "abc"]
    told = (
        "reward 'cramped' of toy-distribution 0.0.1 failed on 3 units together, on none of its records alone:"
        " MemoryError: three are too many"
    )
    assert [result.rewards["cramped"] for result in score(suite(cramped), *texts)] == [1.0, 1.0, 1.0]
    assert [(one.getMessage(), bool(one.exc_info)) for one in caplog.records] == [(told, True)]
    with pytest.raises(RewardFailed, match=f"^{told}$") as failure:
        score(suite(cramped, strict=True), *texts)
    assert isinstance(failure.value.__cause__, MemoryError)


def test_rewards_that_return_the_wrong_number_fail_every_record() -> None:
    @rewards.reward(level="global", range=(0, 1))
    def short(arguments: list[rewards.Argument]) -> list[float]:
        return []

    results = score(suite(short), record(), record("two"))
    assert all("returned 0 values for 2 units" in (result.error or "") for result in results)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length_after": {"gate": True}}, "is global"),
        ({"part_length": {"empty": "zero"}}, "for global rewards"),
        ({"part_length": {"weight": float("nan")}}, "finite"),
        (
            {"part_length": {"weight": True}},
            "weight: Input should be a number; on, yes and true are truth values in YAML",
        ),
        ({"part_length": {"threshold": True}}, "threshold: Input should be a number; on, yes"),
        ({"crowding": {"weight": 1}}, "lower values are better"),
        ({"part_length": {"gate": "perhaps"}}, "boolean"),
        ({"other": {"weight": 1}}, "has no reward 'other'"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        suite(part_length, length_after, crowding, **settings)


def test_a_gate_needs_a_threshold() -> None:
    with pytest.raises(ConfigError, match="no threshold"):
        suite(fragile, fragile={"gate": True})


def test_the_description_rebuilds_the_suite() -> None:
    component: Component = suite(part_length, part_length={"gate": True}).components[0]
    assert component.describe() == {
        "level": "edit",
        "gate": True,
        "together": False,
        "weight": 0.0,
        "threshold": 4.0,
        "threshold_source": "",
        "higher_is_better": True,
        "range": [0.0, 10.0],
        "empty": "original",
        "arguments": {},
        "params": None,
        "distribution": "toy-distribution",
        "version": "0.0.1",
    }


def test_a_reward_that_refuses_a_record_with_our_own_error_fails_that_record_alone() -> None:
    @rewards.reward(level="edit", range=(0, 1))
    def refusing(edits: list[rewards.Edit]) -> list[float]:
        if any("bad" in edit.sentence_before for edit in edits):
            raise PluginError("not that one")
        return [1.0] * len(edits)

    edit = {"sentence_id": 1, "inappropriate_part": "bad", "rewritten_part": "good", "reason": "Other Reasons"}
    bad = {"issue": "Which?", "sentences": ["This is bad."], "edits": [edit]}
    results = score(suite(refusing), record(), bad, record())
    assert [result.failures for result in results] == [
        {},
        {"refusing": "reward 'refusing' of toy-distribution 0.0.1 failed: not that one"},
        {},
    ]


def test_a_model_that_cannot_give_what_is_asked_names_who_asks(tmp_path: Path) -> None:
    from rewards.features import HiddenState

    model = Model("tiny", {"embedded": Checkpoint(Hub(str(tiny.causal(tmp_path))), "causal-lm")})

    @rewards.reward(level="edit", range=(-9, 9), models=(model,), reads=lambda e: (HiddenState(e.after, model, 99),))
    def deep(edits: list[rewards.Edit], states: Any) -> list[float]:
        return [0.0] * len(edits)

    with pytest.raises(ModelError, match=r"layer 99 was asked for \(asked for by deep\)"):
        score(suite(part_length, deep), record())


def test_reasons_that_no_file_can_hold_are_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring.log, "disabled", True)  # reports of tests cannot hold them either

    @rewards.reward(level="edit", range=(0, 1))
    def strange(edits: list[rewards.Edit]) -> list[rewards.Score]:
        if edits[0].after == "x":
            return [rewards.Score(None, failed="caf\udce9")] * len(edits)
        raise ValueError("no file caf\udce9.txt")

    for after in ("x", "y"):
        edit = {"sentence_id": 1, "inappropriate_part": "bad", "rewritten_part": after, "reason": "Other Reasons"}
        (result,) = score(suite(strange), {"issue": "Which?", "sentences": ["This is bad."], "edits": [edit]})
        assert "caf\ufffd" in result.failures["strange"]
        dump(result.to_record())


def test_what_is_no_list_of_revisions_says_how_to_make_one() -> None:
    suite = rewards.load_suite("default")
    revision = rewards.read_revision({"argument": "a", "rewrite": "b"})
    for given in (revision, [{"argument": "a"}], "text"):
        with pytest.raises(TypeError, match=r"a list of revisions; rewards.read_revision\(record\) makes one"):
            suite.score(given)  # type: ignore[arg-type]  # the mistake
    assert len(repr(suite)) < 400


def test_revisions_may_come_one_by_one() -> None:
    given = [{"id": i, "sentences": ["Aa bb."], "completion": "1 | bb | cc", "format": "compact"} for i in range(3)]
    suite_ = suite(new_words)
    assert [one.revision.id for one in suite_.score(read_revision(record) for record in given)] == [0, 1, 2]


def test_a_sentence_that_goes_leaves_the_gap_with_more_line_breaks() -> None:
    whole = {"argument": "A b.\n\nGo.\nC d.", "edits": [], "sentences": ["A b.", "Go.", "C d."]}
    edit = {"sentence_id": 2, "inappropriate_part": "Go.", "rewritten_part": "", "reason": "r"}
    revision = read_revision({**whole, "edits": [edit]})
    assert revision.apply([0]) == "A b.\n\nC d."
