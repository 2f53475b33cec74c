"""Rounds of editing with a policy that is told what to say: what stands is what passes against the true original."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rewards
from rewards.formats import BUILTIN, Format
from rewards.records import read_revision
from rewards.suite import Suite, suite_of
from rewards.types import Edit, Parsed, Revision, Sentence
from rewards_edit.case import UNDOES, Case
from rewards_edit.job import Work, to_record
from rewards_edit.policy import Answer, Ask, Sampling
from rewards_edit.rounds import EditingSetup, edit
from tests.conftest import registry_of

FORMATS = {one.name: one for one in BUILTIN}
ARGUMENT = {"id": "a", "issue": "Tea?", "argument": "Only a fool likes tea.\n\nCoffee is better. So there!"}


class Letters:
    """A tokenizer whose tokens are characters."""

    chat_template = None
    added_tokens_decoder: dict[int, Any] = {}  # noqa: RUF012  (nobody changes it)

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text]}


class Script:
    """A policy that says what `say` makes of the prompt, in which sentences stand as `1. …` lines."""

    tokenizer = Letters()
    backend, device, dtype = "none", "none", "none"

    def __init__(self, say: Callable[[str], str | Answer], window: int | None = None) -> None:
        self.say, self.window = say, window
        self.prompts: list[str] = []
        self.seeds: list[int] = []

    def generate(self, asks: Sequence[Ask], sampling: Sampling, progress: Callable[[int], None]) -> list[Answer]:
        answers = []
        for ask in asks:
            self.prompts.append("".join(map(chr, ask.tokens)))
            self.seeds.append(ask.seed)
            said = self.say(self.prompts[-1])
            answers.append(said if isinstance(said, Answer) else Answer(said, len(said)))
        return answers


def in_turn(*said: str | Answer) -> Callable[[str], str | Answer]:
    left = list(said)
    return lambda _: left.pop(0)


@rewards.reward(level="edit", range=(-1000, 1000), threshold=0)
def near(edits: list[Edit], *, most: int = 4) -> list[float]:
    """Whether the sentence grows by at most so many characters."""
    return [float(most - (len(one.sentence_after) - len(one.sentence_before))) for one in edits]


@rewards.reward(level="sentence", range=(-1000, 1000), threshold=0)
def near_together(sentences: list[Sentence], *, most: int = 4) -> list[float]:
    """The same for all edits of a sentence."""
    return [float(most - (len(one.after) - len(one.before))) for one in sentences]


@rewards.reward(level="global", range=(0, 1000))
def shortness(arguments: list[rewards.Argument]) -> list[float]:
    """More for shorter arguments."""
    return [1000.0 - len(one.after) for one in arguments]


@rewards.reward(level="global", range=(-1000, 1000))
def told(arguments: list[rewards.Argument]) -> list[float]:
    """The edits that are stated, usable or not; less 100 where a completion could not be read in full."""
    found = [one.revision for one in arguments]
    return [float(len(one.edits) - 100 * (one.problem is not None)) for one in found]


@rewards.reward(level="edit", range=(0, 1), threshold=0.5)
def broken(edits: list[Edit]) -> list[float]:
    """Always fails."""
    raise ValueError("out of order")


@rewards.reward(level="edit", range=(0, 1), threshold=0.5)
def brittle(edits: list[Edit]) -> list[float]:
    """Fails on what shouts."""
    if any("!" in edit.after for edit in edits):
        raise ValueError("too loud")
    return [1.0] * len(edits)


def suite(*stated: str, weight: float = 1.0) -> Suite:
    """A suite with these gates; with `+` behind its name, one judges what is accepted in a sentence together too."""
    settings = {name.rstrip("+"): {"gate": True, "together": name.endswith("+")} for name in stated}
    gates = list(settings)
    plugins = registry_of(near, near_together, shortness, told, broken, brittle)
    paid = {"shortness": {"weight": weight}}
    return suite_of([*gates, "shortness", "told"], settings={**settings, **paid}, plugins=plugins)


def run(
    policy: Script,
    *gates: str,
    format: str | Format = "compact",
    argument: dict[str, Any] | None = None,
    rounds: int = 1,
    best_of: int = 1,
    max_new_tokens: int = 100,
    weight: float = 1.0,
) -> tuple[dict[str, Any], Work]:
    asked = format if isinstance(format, Format) else FORMATS[format]
    plan = EditingSetup(asked, suite(*gates, weight=weight), Sampling(0.0, 1.0, max_new_tokens, 7), rounds, best_of)
    work = Work(plan, policy, "script", {})
    case = Case(read_revision({**(argument or ARGUMENT), "edits": []}), 1)
    edit(plan, policy, [case], lambda _: None)
    record = to_record(case, work)
    json.dumps(record)
    return record, work


def scored(record: dict[str, Any], work: Work) -> rewards.Result:
    return work.plan.suite.score([read_revision(record)])[0]


def test_one_round_is_judged_as_rewards_score_judges_it() -> None:
    said = "1 | a fool | somebody\n2 | Coffee | Coffee, of all things,\n3 | there | here\n3 | nowhere | x\nDone."
    record, work = run(Script(in_turn(said)), "near")
    result = scored(record, work)
    assert (record["format"], record["completion"], record["edits"]) == ("compact", said, None)
    assert record["after"] == result.after_accepted == "Only somebody likes tea.\n\nCoffee is better. So here!"
    (first,) = record["rounds"]
    assert [one["accepted"] for one in first["edits"]] == [True, False, True, False]
    assert [one["failed_gates"] for one in first["edits"]] == [[], ["near"], [], []]
    assert first["edits"][3]["invalid_reason"] == "its part does not occur in its sentence"
    assert (first["reward"], first["rewards"]) == (result.reward, dict(result.rewards))
    assert (record["status"], record["reason"], record["round"], record["stopped"]) == ("edited", None, 1, None)


def test_each_round_edits_what_came_of_the_last() -> None:
    policy = Script(in_turn("1 | a fool | somebody", "1 | somebody | a person\n2 | better | fine", "nothing"))
    record, work = run(policy, "near", rounds=5)
    assert "1. Only somebody likes tea.\n2. Coffee is better.\n" in policy.prompts[1]
    assert [one["after"].split(".")[0] for one in record["rounds"]] == [
        "Only somebody likes tea", "Only a person likes tea", "Only a person likes tea",
    ]  # fmt: skip
    assert record["after"] == "Only a person likes tea.\n\nCoffee is fine. So there!"
    assert [(e["before"], e["after"], e["rounds"]) for e in record["edits"]] == [
        ("a fool", "a person", [1, 2]), ("better", "fine", [2]),
    ]  # fmt: skip
    assert record["stopped"] == "no accepted edit changes anything"
    assert record["completion"] is None
    result = scored(record, work)
    assert result.accepted == (0, 1)
    assert result.after_accepted == record["after"]


def test_no_number_of_small_steps_leads_further_than_one_may() -> None:
    policy = Script(lambda prompt: "1 | tea | tea!!" if "tea!!!!" not in prompt else "1 | tea!!!! | tea!!!!!!")
    record, _ = run(policy, "near", rounds=9)
    # Each step adds two characters. Measured from step to step all nine would pass; from the original only two do.
    assert record["after"].startswith("Only a fool likes tea!!!!.\n\n")
    assert len(record["rounds"]) == 3
    last = record["rounds"][2]["edits"][0]
    assert (last["accepted"], last["failed_gates"]) == (False, ["near"])


def test_an_edit_that_fails_leaves_what_it_met_as_it_was() -> None:
    said = in_turn("1 | fool | sage\n1 | tea | mate", "1 | sage | most remarkable sage\n1 | Only | Just")
    record, _ = run(Script(said), "near", rounds=2)
    assert record["after"].startswith("Just a sage likes mate.")


def test_what_cannot_be_used_counts_in_later_rounds_too() -> None:
    said = in_turn("1 | fool | sage", "1 | tea | mate\n1 | zzz | b\n9 | a | b")
    record, _ = run(Script(said), rounds=2)
    assert [one["rewards"]["told"] for one in record["rounds"]] == [1.0, 4.0]  # with what stands
    whole = json.dumps({"sentence_edits": [{"sentence_id": 1, "edits": [
        {"inappropriate_part": "fool", "rewritten_part": "sage", "reason": "x"},
    ]}]})  # fmt: skip
    record, _ = run(Script(in_turn(whole, Answer(whole.replace("fool", "tea")[:-9], 9))), format="json_edits", rounds=2)
    assert [one["rewards"]["told"] for one in record["rounds"]] == [1.0, -99.0]  # the cut edit is none


def test_taking_back_an_edit_is_no_progress() -> None:
    said = in_turn("1 | fool | sage", "1 | sage | fool", "1 | fool | sage")
    record, _ = run(Script(said), rounds=5)
    assert record["after"].startswith("Only a sage likes tea.")
    assert len(record["rounds"]) == 2
    verdict = record["rounds"][1]["edits"][0]
    assert (verdict["accepted"], verdict["invalid_reason"]) == (False, UNDOES)


def test_a_sentence_that_is_gone_is_not_shown_and_others_keep_their_place() -> None:
    policy = Script(in_turn("1 | Only a fool likes tea. | ", "1 | better | good\n2 | So | And\n3 | x | y"))
    record, _ = run(policy, rounds=2)
    assert "\n1. Coffee is better.\n2. So there!\n" in policy.prompts[1]
    assert record["after"] == "Coffee is good. And there!"
    assert [one["sentence_id"] for one in record["edits"]] == [1, 2, 3]
    assert record["rounds"][1]["edits"][2]["invalid_reason"] == "sentence id 3 is outside 1–2"


def test_where_nothing_is_left_there_is_nothing_to_ask() -> None:
    record, _ = run(Script(in_turn("1 | Hm. | ")), argument={"id": 1, "argument": "Hm."}, rounds=3)
    assert (record["after"], record["stopped"], record["round"]) == ("", "nothing is left of the argument", 1)


def test_rounds_with_a_gate_on_sentences_leave_nothing_that_fails_it() -> None:
    said = in_turn("1 | fool | sages\n1 | tea | tea!", "1 | Only | Only!!!\n1 | likes | LIKES\n2 | better | good")
    record, work = run(Script(said), "near_together", rounds=2)
    assert record["after"] == "Only a sages likes tea!.\n\nCoffee is good. So there!"
    first, second = record["rounds"]
    assert all(one["accepted"] for one in first["edits"])
    assert [(one["accepted"], one["failed_gates"]) for one in second["edits"]] == [
        (False, ["near_together"]), (False, ["near_together"]), (True, []),
    ]  # fmt: skip
    assert scored(record, work).after_accepted == record["after"]


def test_rounds_with_a_gate_that_judges_edits_together_leave_nothing_that_fails_it() -> None:
    said = in_turn("1 | tea | tea!!", "1 | tea!! | tea!!!!!\n1 | likes | LIKES!!!\n2 | better | good")
    record, work = run(Script(said), "near+", rounds=2)
    # "tea!!!!!" fails alone, so that "tea!!" stands again: with it, "LIKES!!!" would be too much.
    assert record["after"] == "Only a fool likes tea!!.\n\nCoffee is good. So there!"
    assert [(one["accepted"], one["failed_gates"]) for one in record["rounds"][1]["edits"]] == [
        (False, ["near"]), (False, ["near together"]), (True, []),
    ]  # fmt: skip
    assert scored(record, work).after_accepted == record["after"]


def test_what_clashes_in_one_round_is_told_as_the_reason() -> None:
    record, _ = run(Script(in_turn("1 | Only | Only!!\n1 | tea | tea!!!")), "near+")
    assert (record["status"], record["after"]) == ("unchanged", ARGUMENT["argument"])
    assert record["reason"] == "no valid edit passed the gates: near together 2×"


def test_a_completion_that_could_not_be_scored_is_not_better_than_one_that_loses() -> None:
    said = in_turn("1 | a fool | I!", "1 | a fool | I", "1 | a fool | You!")
    record, _ = run(Script(said), "brittle", best_of=3, weight=-1.0)
    assert [one["reward"] for one in record["rounds"][0]["candidates"]] == [None, -954.0, None]
    assert record["status"] == "edited"
    assert record["after"].startswith("Only I likes tea.")


def test_the_best_completion_goes_by_the_suite_and_all_are_kept() -> None:
    policy = Script(in_turn("nothing", "1 | a fool | I", "1 | a fool | U"))
    record, _ = run(policy, best_of=3)
    assert record["after"].startswith("Only I likes tea.")
    assert [one["completion"] for one in record["rounds"][0]["candidates"]] == [
        "nothing",
        "1 | a fool | I",
        "1 | a fool | U",
    ]
    assert [one["reward"] for one in record["rounds"][0]["candidates"]] == [949.0, 954.0, 954.0]
    assert len(set(policy.seeds)) == 3


@pytest.mark.parametrize(
    ("said", "gates", "format", "reason"),
    [
        ("Sorry, no.", (), "compact", "no usable edit: no line of the form `number | old words | new words`"),
        (Answer("{", 1, "length"), (), "json_edits",
         "the answer was cut at its limit (--max-new-tokens); no usable edit: cut off"),
        ('{"sentence_edits": []}', (), "tracked_changes", "no usable edit: the model states none"),
        (Answer("Only a sage", 3, "length"), (), "rewrite",
         "the answer was cut at its limit (--max-new-tokens); no usable edit: what is missing would look like deletions"),
        ("", (), "rewrite", "no usable edit: an empty completion"),
        ("9 | a | b\n1 | zzz | b\n8 | a | b", (), "compact",
         "no stated edit can be applied: sentence id 9 is outside 1–3 1×, its part does not occur in its sentence 1×,"
         " sentence id 8 is outside 1–3 1×"),
        ("1 | tea | rooibos tea\n2 | is | is not at all", ("near",), "compact", "no valid edit passed the gates: near 2×"),
        ("1 | tea | tea", (), "compact", "no accepted edit changes anything"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("rounds", [1, 3])
def test_what_cannot_be_used_leaves_the_text_and_says_why(
    said: str | Answer, gates: tuple[str, ...], format: str, reason: str, rounds: int
) -> None:
    record, work = run(Script(lambda _: said), *gates, format=format, rounds=rounds)
    assert (record["status"], record["after"], record["reason"]) == ("unchanged", ARGUMENT["argument"], reason)
    assert scored(record, work).after_accepted == ARGUMENT["argument"]


def test_a_prompt_without_room_for_the_answer_is_not_cut() -> None:
    record, work = run(Script(in_turn(), window=300))
    assert record["status"] == "failed"
    assert record["reason"].startswith("the prompt is too long: 2")
    assert record["reason"].endswith("tokens, and 100 for the answer; the model has room for 300")
    assert (record["after"], record["rounds"], record["edits"]) == (ARGUMENT["argument"], [], [])
    assert scored(record, work).after_accepted == ARGUMENT["argument"]


def test_a_prompt_that_just_leaves_room_for_the_answer_is_asked() -> None:
    policy = Script(lambda _: "nothing")
    run(policy)
    for window, status in ((len(policy.prompts[0]) + 100, "unchanged"), (len(policy.prompts[0]) + 99, "failed")):
        assert run(Script(policy.say, window))[0]["status"] == status


def test_arguments_that_are_edited_together_keep_apart() -> None:
    """Each gets its own completions, drawn with numbers of its own: by argument, sample, round, candidate and seed."""
    arguments = [{"id": name, "argument": f"Only {name} likes tea."} for name in ("Anna", "Bert")]
    seeds: list[int] = []
    for seed in (7, 8):
        policy = Script(lambda prompt: "1 | tea | mate" if "Anna" in prompt else "1 | tea | milk")
        plan = EditingSetup(FORMATS["compact"], suite(), Sampling(0.5, 1.0, 100, seed), 2, 2)
        cases = [Case(read_revision({**one, "edits": []}), sample) for one in arguments for sample in (1, 2)]
        edit(plan, policy, cases, lambda _: None)
        assert [case.text() for case in cases] == ["Only Anna likes mate."] * 2 + ["Only Bert likes milk."] * 2
        seeds += policy.seeds
    assert len(set(seeds)) == len(seeds) == 2 * 2 * 2 * 2 * 2


def test_what_fails_in_a_later_round_keeps_what_stands() -> None:
    record, work = run(Script(in_turn("1 | a fool | I", Answer(failed="out of memory"))), rounds=3)
    assert (record["status"], record["reason"]) == ("failed", "out of memory")
    assert record["after"].startswith("Only I likes tea.")
    assert scored(record, work).after_accepted == record["after"]


def test_one_failed_completion_of_several_costs_nothing() -> None:
    record, _ = run(Script(in_turn(Answer(failed="x"), "1 | a fool | I")), best_of=2)
    assert record["status"] == "edited"


def test_a_gate_that_fails_accepts_nothing_and_says_so() -> None:
    record, _ = run(Script(in_turn("1 | a fool | I")), "broken", rounds=3)
    assert record["status"] == "failed"
    assert "ValueError: out of order" in record["reason"]
    assert record["after"] == ARGUMENT["argument"]
    assert record["rounds"][0]["edits"][0]["failed_gates"] == ["broken"]


def test_a_format_that_raises_costs_its_completion_only() -> None:
    def parse(completion: str, sentences: Sequence[str]) -> Parsed:
        raise KeyError(completion)

    raising = Format("raising", "", parse, lambda _: True, prompt="{sentences}")
    record, _ = run(Script(in_turn("hm")), format=raising)
    assert (record["completion"], record["edits"]) == (None, [])
    assert record["reason"] == "no usable edit: format 'raising': `parse` failed: KeyError: 'hm'"


@settings(max_examples=40)
@given(st.data())
def test_what_stands_after_any_rounds_passes_when_it_is_scored(data: st.DataObject) -> None:
    gates = data.draw(st.sampled_from([("near",), ("near+",), ("near_together",), ("near+", "near_together")]))

    def say(prompt: str) -> str:
        words = [word for line in prompt.split("\n") if line[:1].isdigit() for word in line[3:].split()] or ["x"]
        pair = st.tuples(st.integers(1, 3), st.sampled_from(words), st.text("XY z", max_size=6))
        return "\n".join(f"{n} | {old} | {new}" for n, old, new in data.draw(st.lists(pair, max_size=5)))

    record, work = run(Script(say), *gates, rounds=4)
    result = scored(record, work)
    assert result.after_accepted == record["after"]
    assert len(result.accepted) == len(record["edits"])
    standing = record["rounds"][-1]["standing"] if record["rounds"] else []
    assert standing == record["edits"]


def test_the_original_is_a_revision_like_any_other() -> None:
    record, _ = run(Script(in_turn("1 | a fool | I")), argument={"post_id": 9, "text": " Only a fool. ", "edits": [{}]})
    assert (record["id"], record["argument"], record["after"]) == (9, " Only a fool. ", " Only I. ")
    assert isinstance(read_revision(record), Revision)
